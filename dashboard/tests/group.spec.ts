//! Eight runs of one group on one page.

import { eight, expect, lookAround, quiet, test } from "./support.ts";

test("eight runs of a group are all seen to progress on one stream, and each can be stopped", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&model=digits-honest"));
  const group = /group=([^&]+)/.exec(page.url())?.[1] ?? "";
  await expect(page.getByRole("status").first()).toContainText("connected");
  const streams: string[] = [];
  page.on("request", (request) => request.url().endsWith("/WatchRuns") && streams.push(request.url()));
  const runs = await eight(server, group);
  expect(runs.length).toBe(8);
  const buttons = page.getByRole("region", { name: "Runs" }).getByRole("button");
  await expect(buttons).toHaveCount(8);
  for (let i = 0; i < 8; i++) await expect(buttons.nth(i)).toContainText(/\d+ of \d+|✓/);
  await lookAround(page, "eight-runs");
  for (let i = 0; i < 8; i++) {
    await buttons.nth(i).click();
    const stop = page.getByRole("button", { name: "Stop", exact: true });
    if (await stop.isVisible()) await stop.click();
    await expect(buttons.nth(i)).toContainText(/stopped|✓/);
  }
  expect(streams).toEqual([]);
});
