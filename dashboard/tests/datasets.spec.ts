//! Techniques that look at a whole dataset: points that move, a matrix that fills, the pictures behind both.

import { readFile } from "node:fs/promises";
import { canvasHash, chooseTechnique, clientOf, expect, look, lookAround, newestRun, quiet, test } from "./support.ts";

const digits = "&model=digits-honest&dataset=datasets/digits";

test("the digits move apart, and a point shows its picture", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, `${digits}&technique=tsne&p.iterations=2000`));
  await page.getByRole("button", { name: "Explain" }).click();
  const seen = new Set<string>();
  await expect(page.getByRole("img", { name: /points in 10 classes/ })).toBeVisible();
  while (!((await newestRun(page).textContent()) ?? "").includes("✓")) {
    seen.add(await page.locator("main canvas").evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL()));
  }
  expect(seen.size).toBeGreaterThanOrEqual(5);
  await expect(page.getByRole("img", { name: /1797 points in 10 classes/ })).toBeVisible();
  await page.waitForTimeout(300);
  await lookAround(page, "tsne");
  const box = (await page.locator("main canvas").boundingBox()) ?? { x: 0, y: 0, width: 1, height: 1 };
  const card = page.locator(".card");
  for (let i = 0; i < 400 && !(await card.isVisible()); i++) {
    await page.mouse.move(box.x + (box.width * (0.25 + (i % 20) * 0.025)), box.y + box.height * (0.25 + Math.floor(i / 20) * 0.025));
  }
  await expect(card.locator("img")).toBeVisible();
  await look(page, "tsne-point");
  await page.mouse.down();
  await page.mouse.up();
  await expect(page.getByRole("img", { name: /points in 10 classes/ })).toHaveCount(0);
  await expect(page.getByRole("heading", { name: /\d\/\d+\.png/ })).toBeVisible();
});

test("the matrix fills while the pictures are looked at, and each cell shows those behind it", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&model=digits-honest&dataset=datasets/digits&technique=confusion-matrix"));
  await expect(page.getByLabel("dataset", { exact: true })).toHaveValue("datasets/digits");
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓", { timeout: 60_000 });
  const frames = Number(/of (\d+)/.exec((await page.getByTestId("frame").textContent()) ?? "")?.[1]);
  expect(frames).toBeGreaterThanOrEqual(3);
  const cell = page.getByRole("button", { name: /^3 taken for 3: \d+ pictures/ });
  await expect(cell).toHaveText(/\d+/);
  await cell.click();
  const pile = page.getByRole("region", { name: /Pictures behind the cell: 3 taken for 3/ });
  await expect(pile.locator("img").first()).toBeVisible();
  await page.waitForTimeout(300);
  await lookAround(page, "matrix");
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "PNG", exact: true }).click();
  expect((await readFile(await (await download).path())).subarray(1, 4).toString()).toBe("PNG");
  // Frames of the middle have fewer pictures: it was filling.
  await page.getByRole("slider", { name: "Frame" }).fill("0");
  await expect(page.getByTestId("frame")).toContainText("frame 1 of");
  await pile.getByRole("button").first().click();
  await expect(page.getByRole("region", { name: "Classes" }).getByRole("button").first()).toContainText("3");
});

test("a picture of a dataset is looked at like any other, and its link opens it again", async ({ faultless: page, server, browser }) => {
  await page.goto(quiet(server, "&model=digits-honest&technique=saliency"));
  await page.getByText("Datasets").click();
  await page.getByRole("button", { name: /class 0/ }).first().click();
  await expect(page.getByRole("region", { name: "Classes" }).getByRole("button").first()).toContainText("0");
  await expect(newestRun(page)).toContainText("✓");
  await lookAround(page, "item");
  const { runs } = await clientOf(server).explain.listRuns({ group: /group=([^&]+)/.exec(page.url())?.[1] ?? "" });
  expect(runs.length).toBe(1);
  const other = await (await browser.newContext()).newPage();
  await other.goto(page.url());
  await expect(newestRun(other)).toContainText("✓");
  await expect.poll(() => canvasHash(other)).toBeTruthy();
  await other.close();
});

test("two models are compared on one picture", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&model=digits-honest&technique=occlusion"));
  await page.getByText("Datasets").click();
  await page.getByLabel("Dataset", { exact: true }).selectOption("datasets/digits-blob");
  await page.getByLabel("Class", { exact: true }).selectOption("5");
  await page.getByRole("button", { name: /class 5/ }).first().click();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓");
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("combobox", { name: "Model" }).selectOption("digits-cheat");
  await expect(page.getByRole("region", { name: "Classes" }).getByRole("button").first()).toContainText("3");
  await chooseTechnique(page, "occlusion");
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(page.getByRole("region", { name: "Runs" }).getByRole("button")).toHaveCount(2);
  await expect(newestRun(page)).toContainText("✓");
  await expect(page.getByRole("region", { name: /^View \d/ })).toHaveCount(2);
  await lookAround(page, "two-models");
  const before = await page.locator("main canvas").nth(1).screenshot();
  await page.getByRole("button", { name: "Difference" }).click();
  await expect(page.getByText("less than the first ← 0 → more")).toBeVisible();
  await expect.poll(async () => (await page.locator("main canvas").nth(1).screenshot()).equals(before)).toBe(false);
  await lookAround(page, "difference");
});
