//! The page as a person uses it.

import { readFile } from "node:fs/promises";
import { canvasHash, chooseTechnique, dropPhoto, expect, look, lookAround, newestRun, quiet, setField, test } from "./support.ts";

test("a newcomer sees a map growing on a picture within five seconds", async ({ faultless: page, server }) => {
  await page.goto(server.address);
  await expect(page.getByTestId("frame")).toContainText(/frame [2-9]/, { timeout: 5_000 });
  await expect(page.getByRole("button", { name: /tabby|cat|Egyptian/i }).first()).toBeVisible();
  await expect(newestRun(page)).toContainText("✓", { timeout: 60_000 });
  await look(page, "newcomer");
});

test("a dropped photo is classified at once, and a class activation map takes one click", async ({ faultless: page, server }) => {
  await page.goto(quiet(server));
  await expect(page.getByText("Why does it see what it sees?")).toBeVisible();
  await lookAround(page, "empty");
  await dropPhoto(page);
  await expect(page.getByText("dropped-chelsea.png").first()).toBeVisible();
  const classes = page.getByRole("region", { name: "Classes" });
  await expect(classes.getByRole("button")).toHaveCount(9);
  const before = await canvasHash(page);
  await chooseTechnique(page, "grad-cam");
  await expect(newestRun(page)).toContainText("✓");
  await expect.poll(() => canvasHash(page)).not.toBe(before);
  const first = await canvasHash(page);
  await classes.getByRole("button").nth(3).click();
  await expect(page.getByRole("region", { name: "Runs" }).getByRole("button")).toHaveCount(2);
  await expect.poll(() => canvasHash(page)).not.toBe(first);
  await page.mouse.move(680, 400);
  await expect(page.getByText(/percentile/)).toBeVisible();
  await lookAround(page, "grad-cam");
});

test("an occlusion sweep is seen growing, and its frames can be gone through", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&picture=sample/chelsea.png&technique=occlusion"));
  await expect(page.getByText(/evaluation|Not run/)).toBeVisible();
  await setField(page, "stride", "4");
  await page.getByRole("button", { name: "Explain" }).click();
  const seen = new Set<number>();
  const stop = page.getByRole("button", { name: "Stop", exact: true });
  await expect(stop).toBeVisible();
  while (await stop.isVisible()) {
    seen.add(await canvasHash(page));
    if (seen.size === 3) await look(page, "occlusion-growing");
    if (seen.size >= 8) break;
  }
  expect(seen.size).toBeGreaterThanOrEqual(5);
  await stop.click();
  await expect(newestRun(page)).toContainText("stopped");
  const end = await canvasHash(page);
  await page.locator("body").press("ArrowLeft");
  await page.getByRole("slider", { name: "Frame" }).fill("3");
  await expect(page.getByTestId("frame")).toContainText("frame 4 of");
  await expect.poll(() => canvasHash(page)).not.toBe(end);
});

test("a deep dream is paused, resumed and stopped, and keeps what it has", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&picture=sample/chelsea.png&technique=deep-dream&p.iterations=200"));
  await expect(page.getByText(/evaluation|Not run/)).toBeVisible();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(page.getByTestId("frame")).toContainText(/frame [3-9]/);
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(newestRun(page)).toContainText("paused");
  const evaluations = async () => Number(/\d+/.exec((await page.getByTestId("progress").textContent()) ?? "")?.[0]);
  await page.waitForTimeout(500);
  const paused = await evaluations();
  await page.waitForTimeout(700);
  expect(await evaluations()).toBe(paused);
  await page.getByRole("button", { name: "Resume" }).click();
  await expect.poll(evaluations).toBeGreaterThan(paused + 2);
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await expect(newestRun(page)).toContainText("stopped");
  await expect(page.getByRole("button", { name: "NPY" })).toBeVisible();
  await lookAround(page, "deep-dream");
});

test("a page that reloads in mid-run goes on", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&picture=sample/coffee.png&technique=occlusion&p.stride=6"));
  await expect(page.getByText(/evaluation|Not run/)).toBeVisible();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(page.getByTestId("frame")).toContainText(/frame [2-9]/);
  await page.reload();
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toBeVisible();
  await expect(page.getByTestId("frame")).toContainText(/frame [2-9]/);
  await expect(page.getByRole("region", { name: "Runs" }).getByRole("button")).toHaveCount(1);
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await expect(newestRun(page)).toContainText("stopped");
});

test("numbers, picture, manifest, command and link can be taken away, and the link opens the same view", async ({ faultless: page, server, browser }) => {
  await page.goto(quiet(server, "&picture=sample/chelsea.png&technique=grad-cam&opacity=0.8"));
  await expect(page.getByText(/evaluation|One shot/)).toBeVisible();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓");
  const saved = async (name: string) => {
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name, exact: true }).click();
    return readFile(await (await download).path());
  };
  const npy = await saved("NPY");
  expect(npy.subarray(1, 6).toString()).toBe("NUMPY");
  expect(npy.toString("latin1")).toContain("'shape': (7, 7)");
  expect((await saved("PNG")).subarray(1, 4).toString()).toBe("PNG");
  const manifest = JSON.parse((await saved("JSON")).toString()) as { technique: { id: string } };
  expect(manifest.technique.id).toBe("grad-cam");
  await page.getByRole("button", { name: "Command" }).click();
  await expect(page.getByText(/whyglass explain grad-cam|Command copied/)).toBeVisible();

  await expect(page.getByText(/whyglass explain grad-cam|Command copied/)).toHaveCount(0);
  const link = page.url();
  expect(link).toContain("run=runs/");
  const other = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await other.goto(link);
  await expect(newestRun(other)).toContainText("✓");
  await expect(other.getByLabel("opacity")).toHaveValue("0.8");
  await expect.poll(() => canvasHash(other)).toBe(await canvasHash(page));
  // The class, and the way there and back from the features: the server of these tests remembers nothing of a picture.
  await expect(other.getByTestId("progress")).toContainText("3 evaluations");
  await other.close();
});
