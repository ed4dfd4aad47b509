//! Has Chromium make the calls, those of each server on a page of its own: no server lets pages of another in.
//! `node browser.mjs SCRIPT CALLS PLACES`

import { readFileSync } from "node:fs";
import { chromium } from "@playwright/test";
import type { Places, Step } from "./drive.ts";

type Conform = { conform(steps: Step[], places: Places): Promise<Record<string, unknown>> };

const [, , script = "", calls = "", placesPath = ""] = process.argv;
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as unknown;
const [steps, places] = [read(calls) as Step[], read(placesPath) as Places];
const executablePath = process.env.CHROMIUM;
const browser = await chromium.launch({ args: ["--no-sandbox"], ...(executablePath && { executablePath }) });
// The page lets no script in but its own: this one is ours.
const context = await browser.newContext({ bypassCSP: true });
const results: Record<string, unknown> = {};
for (const server of ["open", "guarded"] as const) {
  const page = await context.newPage();
  // Of the server's origin, and not the page itself, which would load models.
  await page.goto(`http://${places[server]}/colormaps.json`);
  await page.addScriptTag({ content: readFileSync(script, "utf8") });
  const own = steps.filter((step) => (step.server ?? "open") === server);
  Object.assign(results, await page.evaluate(([steps, places]) => (globalThis as unknown as Conform).conform(steps, places), [own, places] as const));
}
await browser.close();
console.log(JSON.stringify(results));
