//! What stands beside the straight way: comparing, faults, a server that goes away, small screens, other eyes.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type Page } from "@playwright/test";
import { Server, chooseTechnique, dropPhoto, expect, look, lookAround, newestRun, quiet, setField, test } from "./support.ts";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  id: string;
  impact: string;
  nodes: { target: string[] }[];
}

/** Serious faults that axe-core finds. Run from outside: the page itself lets no foreign script in. */
async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(
    () => (window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe.run(),
  );
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

test("two explanations stand beside each other with one cursor and one zoom", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&picture=sample/chelsea.png&technique=grad-cam"));
  await expect(page.getByText(/evaluation|One shot/)).toBeVisible();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓");
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("region", { name: "Classes" }).getByRole("button").nth(2).click();
  await expect(page.getByRole("region", { name: "Runs" }).getByRole("button")).toHaveCount(2);
  await page.locator(".stage canvas").first().hover();
  await expect(page.locator(".cross")).toHaveCount(2);
  await page.mouse.wheel(0, -400);
  await expect(page.getByRole("button", { name: /Whole picture/ })).toBeVisible();
  await expect(page.getByText(/percentile/)).toHaveCount(2);
  await lookAround(page, "compare");
});

test("a wrong parameter is said at its field, before and after the server is asked", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&picture=sample/chelsea.png&technique=occlusion"));
  await setField(page, "size", "much");
  await expect(page.getByRole("alert")).toContainText("'much' is no number");
  await setField(page, "size", "0.1");
  await setField(page, "stride", "0.3");
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(page.getByRole("alert")).toContainText("leave gaps");
  await lookAround(page, "fault");
});

test("what is no picture is said on the picture", async ({ faultless: page, server }) => {
  await page.goto(quiet(server));
  await page.getByLabel(/Choose a picture/).setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("words") });
  await expect(page.getByRole("alert")).toContainText("notes.txt is no picture");
});

test("a server that goes away dims the page, and the page finds it again", async ({ page }) => {
  let own = await Server.start();
  await page.goto(quiet(own, "&picture=sample/chelsea.png&technique=grad-cam"));
  await expect(page.getByText(/evaluation|One shot/)).toBeVisible();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓");
  await own.stop();
  await expect(page.getByRole("status").first()).toContainText("connection lost");
  await expect(page.locator(".stage canvas")).toBeVisible();
  await expect(page.locator(".stage canvas")).toHaveCSS("opacity", "0.55");
  await lookAround(page, "lost");
  own = await Server.start(new URL(own.address).host);
  await expect(page.getByRole("status").first()).toContainText("connected");
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓");
  await own.stop();
});

test("axe-core finds no serious fault, by day and by night, wide and narrow", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&picture=sample/chelsea.png&technique=occlusion"));
  await expect(page.getByText(/evaluation|Not run/)).toBeVisible();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓", { timeout: 60_000 });
  for (const scheme of ["light", "dark"] as const) {
    for (const width of [1440, 390]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.waitForTimeout(400);
      expect(await seriousFaults(page), `${scheme} ${width}`).toEqual([]);
      await look(page, `${scheme}-${width}`);
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(tooWide, `${scheme} ${width}`).toBeLessThanOrEqual(0);
    }
  }
  await page.getByRole("button", { name: "Technique" }).click();
  await expect(page.getByRole("button", { name: "Explain" })).toBeInViewport();
  await page.waitForTimeout(300);
  expect(await seriousFaults(page)).toEqual([]);
  await look(page, "sheet-390");
});

test("the whole way goes by keyboard", async ({ faultless: page, server }) => {
  await page.goto(quiet(server));
  await dropPhoto(page);
  await chooseTechnique(page, "grad-cam");
  await expect(newestRun(page)).toContainText("✓");
  await page.getByRole("combobox", { name: "Technique" }).blur();
  await page.keyboard.press("2");
  await expect(page.getByRole("region", { name: "Runs" }).getByRole("button")).toHaveCount(2);
  await page.keyboard.press("[");
  await expect(page.getByLabel("opacity")).toHaveValue("0.55");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toContainText("Space");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});
