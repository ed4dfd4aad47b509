//! The two ways in which maps are painted: on a graphics card, and without one. Both show a finished map alike.

import { type Browser, type BrowserContext, type Page } from "@playwright/test";
import { expect, newestRun, quiet, test } from "./support.ts";

/** A page whose WebGL says that a graphics card is behind it. It is not: the shader runs all the same, and slowly. */
async function withCard(browser: Browser): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.addInitScript(() => {
    const { getParameter } = WebGL2RenderingContext.prototype;
    const names = [0x1f01, 0x9246];
    WebGL2RenderingContext.prototype.getParameter = function (name: number): unknown {
      return names.includes(name) ? "a graphics card" : getParameter.call(this, name);
    };
  });
  return context;
}

const canvasOf = (page: Page) => page.locator(".stage canvas").first();

/** The mean and the largest distance of two pictures' colours, in 0…255. */
async function distance(page: Page, one: Buffer, other: Buffer): Promise<{ mean: number; largest: number }> {
  return page.evaluate(async ([one, other]) => {
    const pixels = async (encoded = "") => {
      const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context?.drawImage(bitmap, 0, 0);
      return context?.getImageData(0, 0, bitmap.width, bitmap.height).data ?? new Uint8ClampedArray();
    };
    const [a, b] = [await pixels(one), await pixels(other)];
    if (a.length !== b.length) return { mean: Infinity, largest: Infinity };
    let [sum, largest] = [0, 0];
    a.forEach((value, i) => {
      const apart = Math.abs(value - (b[i] ?? 0));
      sum += apart;
      largest = Math.max(largest, apart);
    });
    return { mean: sum / a.length, largest };
  }, [one.toString("base64"), other.toString("base64")]);
}

test("a graphics card and a processor paint the same map", async ({ faultless: page, server, browser }) => {
  await page.goto(quiet(server, "&picture=sample/chelsea.png&technique=occlusion&p.size=45&p.stride=22"));
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓", { timeout: 60_000 });
  const context = await withCard(browser);
  const card = await context.newPage();
  await card.goto(page.url());
  await expect(newestRun(card)).toContainText("✓");
  // Only one way can have been asked for on each canvas.
  const is = (at: Page, way: string) => canvasOf(at).evaluate((canvas, way) => (canvas as HTMLCanvasElement).getContext(way) !== null, way);
  expect([await is(page, "2d"), await is(card, "2d")]).toEqual([true, false]);
  for (const mode of ["Overlay", "Map", "Masked"]) {
    const pictures: Buffer[] = [];
    for (const at of [page, card]) {
      await at.getByRole("button", { name: mode, exact: true }).click();
      await at.mouse.move(0, 0);
      await at.waitForTimeout(400);
      pictures.push(await canvasOf(at).screenshot({ path: `test-results/painter-${mode}-${at === card ? "card" : "processor"}.png` }));
    }
    // One smooths numbers, the other colours.
    const { mean, largest } = await distance(page, pictures[0] as Buffer, pictures[1] as Buffer);
    expect(mean, `${mode}, ${largest} at most`).toBeLessThan(5);
  }
  await context.close();
});
