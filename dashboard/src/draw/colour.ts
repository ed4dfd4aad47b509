//! Colour maps: 256 colours each. They come from the server, which draws its own figures with the same ones.

export type Table = Uint8Array<ArrayBuffer>;

const GREY: Table = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
const tables = new Map<string, Table>([["grey", GREY]]);

export const SEQUENTIAL = ["turbo", "viridis", "magma", "grey"] as const;
export const DIVERGING = "red-blue";

/** Fetches the tables; without them everything is grey. */
export async function loadColours(): Promise<void> {
  const answer = await fetch("/colormaps.json");
  if (!answer.ok) return;
  for (const [name, hex] of Object.entries((await answer.json()) as Record<string, string>)) {
    tables.set(name, Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16)));
  }
}

export function tableOf(name: string): Table {
  return tables.get(name) ?? GREY;
}

export function cssColour(table: Table, position: number): string {
  const i = 3 * Math.round(Math.min(1, Math.max(0, position)) * 255);
  return `rgb(${table[i]} ${table[i + 1]} ${table[i + 2]})`;
}

/** Distinct colours for curves and classes: evenly spread over the table, the ends left out. */
export function seriesColour(index: number, count: number): string {
  return cssColour(tableOf("turbo"), 0.08 + (0.84 * (index + 0.5)) / Math.max(1, count));
}
