//! Timings of the page, printed: how soon a stop is answered among eight runs, over HTTP and over TLS; how soon frames are
//! handed to the compositor; how large the script is. They decide no test: they are for whoever reads them.

import { mkdtemp, readFile, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Page, chromium } from "@playwright/test";
import { Server, eight, expect, newestRun, quiet, test } from "./support.ts";

function percentile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
}

/** From the click to the page's saying that the stop was taken; and how long each answer of the server took. */
async function stops(page: Page, server: Server): Promise<{ shown: number[]; answered: number[] }> {
  await page.goto(quiet(server));
  await expect(page.getByRole("status").first()).toContainText("connected");
  await eight(page);
  const buttons = page.getByRole("region", { name: "Runs" }).getByRole("button");
  await expect(buttons).toHaveCount(8);
  const times: number[] = [];
  for (let i = 0; i < 8; i++) {
    await buttons.nth(i).click();
    await expect(page.getByRole("button", { name: "Stop", exact: true })).toBeVisible();
    const time = await buttons.nth(i).evaluate(async (run) => {
      const stop = [...document.querySelectorAll("button")].find((button) => button.textContent === "Stop");
      const start = performance.now();
      stop?.click();
      while (!run.textContent?.includes("stopp")) await new Promise(requestAnimationFrame);
      return performance.now() - start;
    });
    times.push(time);
  }
  const answered = await page.evaluate(() =>
    performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/ControlRun")).map(({ duration }) => duration),
  );
  return { shown: times, answered };
}

for (const scheme of ["http", "https"]) {
  test(`stops among eight runs over ${scheme}`, async ({ browser }) => {
    const flags = scheme === "https" ? ["--tls-self-signed", await mkdtemp(join(tmpdir(), "whyglass-"))] : [];
    const server = await Server.start("127.0.0.1:0", ...flags);
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    const { shown, answered } = await stops(page, server);
    const list = (times: number[]) => times.map((time) => time.toFixed(0)).join(", ");
    console.log(`${scheme}: a stop is answered after ${list(answered)} ms and shown after ${list(shown)} ms`);
    await server.stop();
  });
}

// The browser as it comes, rather than one that runs shaders on the processor. With all threads the model leaves nothing
// to a browser that draws without a graphics card; with one it has a core.
for (const threads of ["all", "1"]) {
  test(`frames from arrival to paint, beside a server with ${threads} threads`, async () => {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    const server = await Server.start("127.0.0.1:0", ...(threads === "all" ? [] : ["--threads", threads]));
    await page.goto(quiet(server, "&model=efficientnet-lite0&picture=sample/chelsea.png&technique=smooth-grad&p.samples=400"));
    await page.getByRole("button", { name: "Explain" }).click();
    await expect(newestRun(page)).toContainText(/✓|stopped/, { timeout: 80_000 });
    const told = await page.evaluate(() => performance.getEntriesByName("whyglass.frame").map(({ startTime, duration }) => ({ startTime, duration })));
    const seconds = ((told.at(-1)?.startTime ?? 0) - (told[0]?.startTime ?? 0)) / 1000;
    const durations = told.map(({ duration }) => duration);
    const within = durations.filter((duration) => duration <= 50).length / durations.length;
    console.log(
      `${threads} threads: ${durations.length} frames of 224×224, ${(durations.length / seconds).toFixed(1)} a second: ${(100 * within).toFixed(1)} % handed to the compositor within 50 ms; ` +
        `median ${percentile(durations, 0.5).toFixed(1)} ms, 95th percentile ${percentile(durations, 0.95).toFixed(1)} ms`,
    );
    await browser.close();
    await server.stop();
  });
}

test("size of the script", async () => {
  const assets = join(import.meta.dirname, "../dist/page/assets");
  for (const name of await readdir(assets)) {
    console.log(`${name}: ${(gzipSync(await readFile(join(assets, name))).length / 1000).toFixed(1)} kB gzip`);
  }
});
