//! Eight runs of one group on one page.

import { eight, expect, lookAround, quiet, test } from "./support.ts";

test("eight runs of a group are all seen to progress on one stream, and each can be stopped", async ({ faultless: page, server }) => {
  await page.goto(quiet(server));
  await expect(page.getByRole("status").first()).toContainText("connected");
  const streams: string[] = [];
  page.on("request", (request) => request.url().endsWith("/WatchRuns") && streams.push(request.url()));
  await eight(page);
  const buttons = page.getByRole("region", { name: "Runs" }).getByRole("button");
  await expect(buttons).toHaveCount(8);
  const done = async (i: number) => Number(/(\d+) of \d+/.exec((await buttons.nth(i).textContent()) ?? "")?.[1] ?? 0);
  const before: number[] = [];
  for (let i = 0; i < 8; i++) {
    await expect.poll(() => done(i)).toBeGreaterThan(0);
    before.push(await done(i));
  }
  for (let i = 0; i < 8; i++) await expect.poll(() => done(i)).toBeGreaterThan(before[i] ?? 0);
  await lookAround(page, "eight-runs");
  for (let i = 0; i < 8; i++) {
    await buttons.nth(i).click();
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await expect(buttons.nth(i)).toContainText("stopped");
  }
  expect(streams).toEqual([]);
});
