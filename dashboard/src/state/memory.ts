//! What this browser remembers between visits: which picture a run explains, what a technique cost last, the theme.

const PICTURES = "whyglass.pictures";
const COSTS = "whyglass.costs";
const MOST = 200;

function recalled(key: string): Record<string, unknown> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}") as Record<string, unknown>;
  } catch {
    return {};
  }
}

function remember(key: string, name: string, value: unknown): void {
  const { [name]: _, ...others } = recalled(key);
  const newest = Object.entries({ ...others, [name]: value }).slice(-MOST);
  try {
    localStorage.setItem(key, JSON.stringify(Object.fromEntries(newest)));
  } catch {
    // Full, or forbidden: then nothing is remembered.
  }
}

export function rememberPicture(run: string, picture: string): void {
  remember(PICTURES, run, picture);
}

export function pictureOf(run: string): string | undefined {
  const picture = recalled(PICTURES)[run];
  return typeof picture === "string" ? picture : undefined;
}

export interface Cost {
  evaluations: number;
  seconds: number;
}

/** `what`: technique, model and parameters in one string. */
export function rememberCost(what: string, cost: Cost): void {
  remember(COSTS, what, cost);
}

export function costOf(what: string): Cost | undefined {
  return recalled(COSTS)[what] as Cost | undefined;
}
