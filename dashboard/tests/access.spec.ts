//! Who gets in, and what is said to who does not: tokens, certificates, other sites, limits.

import { createHash, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer as createSite } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { Server, clientOf, dropPhoto, expect, look, newestRun, quiet, test } from "./support.ts";

const [VIEWER, WRONG] = ["the-viewer-token-of-these-tests", "a-token-of-somebody-else"];
const expired = join(import.meta.dirname, "../../clients/python/tests/expired");

async function folder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "whyglass-"));
}

test("the page asks for a token, says that a wrong one is wrong, and keeps what was asked for", async ({ page }) => {
  const tokens = join(await folder(), "tokens");
  await writeFile(tokens, `viewer ${VIEWER}\n`, { mode: 0o600 });
  const own = await Server.start("127.0.0.1:0", "--tokens", tokens);
  await page.goto(quiet(own, "&picture=sample/chelsea.png&technique=grad-cam"));
  const dialog = page.getByRole("dialog", { name: "This server wants a token" });
  await expect(dialog).toBeVisible();
  await expect(dialog.getByRole("alert")).toHaveCount(0);
  await look(page, "token");
  await dialog.getByLabel("Token").fill(WRONG);
  await dialog.getByRole("button", { name: "Enter" }).click();
  await expect(dialog.getByRole("alert")).toContainText("none of this server's");
  await look(page, "token-wrong");
  await dialog.getByLabel("Token").fill(VIEWER);
  await page.keyboard.press("Enter");
  await expect(dialog).toHaveCount(0);
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓");
  await expect(page.locator(".left img").first()).toBeVisible();
  await own.stop();
});

test("a certificate that has expired while the page was open is said, and what was shown stays", async () => {
  const tls = await folder();
  let own = await Server.start("127.0.0.1:0", "--tls-self-signed", tls);
  const key = new X509Certificate(await readFile(join(tls, "cert.pem"))).publicKey.export({ type: "spki", format: "der" });
  const pin = createHash("sha256").update(key).digest("base64");
  const browser = await chromium.launch({
    ...(process.env.CHROMIUM && { executablePath: process.env.CHROMIUM }),
    args: ["--no-sandbox", `--ignore-certificate-errors-spki-list=${pin}`],
  });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(quiet(own, "&picture=sample/chelsea.png&technique=grad-cam"));
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(newestRun(page)).toContainText("✓");
  await own.stop();
  own = await Server.start(new URL(own.address).host, "--tls-cert", join(expired, "cert.pem"), "--tls-key", join(expired, "key.pem"));
  await expect(page.getByText(/its certificate is not accepted/)).toBeVisible();
  await expect(page.locator(".stage canvas")).toBeVisible();
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(page.getByRole("alert").first()).toContainText("cannot be reached");
  await expect(newestRun(page)).toContainText("✓");
  await browser.close();
  await own.stop();
});

test("a picture that is too large is refused in words, before it is sent and after", async ({ faultless: page }) => {
  const own = await Server.start("127.0.0.1:0", "--max-image-bytes", "100000", "--max-image-pixels", "10000");
  await page.goto(quiet(own));
  await dropPhoto(page);
  await expect(page.getByRole("alert")).toContainText("this server takes 0.1 MiB");
  const small = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 200, height: 200 });
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
    return Array.from(new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer()));
  });
  await page.getByLabel(/Choose a picture/).setInputFiles({ name: "wide.png", mimeType: "image/png", buffer: Buffer.from(small) });
  await expect(page.getByRole("alert")).toContainText("10000");
  await own.stop();
});

test("a technique that the model cannot do says what it needs", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&model=rounded&technique=saliency&picture=sample/chelsea.png"));
  await expect(page.getByText("Saliency cannot be run on this model: it needs input gradients")).toBeVisible();
  await expect(page.getByRole("button", { name: "Explain" })).toBeDisabled();
  await page.getByRole("combobox", { name: "Technique" }).selectOption("occlusion");
  await expect(page.getByRole("button", { name: "Explain" })).toBeEnabled();
});

test("a page of another site can neither read nor start anything", async ({ page, server }) => {
  const site = createSite((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>Elsewhere</title>"));
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
  const group = Math.random().toString(16).slice(2);
  const told = await page.evaluate(
    async ([server, group]) => {
      const create = `${server}/whyglass.v1.ExplainService/CreateRuns`;
      const body = new TextEncoder().encode(group);
      const asked = [
        fetch(`${server}/`),
        fetch(`${server}/samples/`),
        fetch(`${server}/whyglass.v1.CatalogService/GetServerInfo`, { method: "POST", headers: { "Content-Type": "application/grpc-web+proto" }, body: new Uint8Array(5) }),
        fetch(create, { method: "POST", headers: { "Content-Type": "application/grpc-web+proto" }, body }),
        fetch(create, { method: "POST", mode: "no-cors", body }).then((answer) => answer.text()),
      ];
      return (await Promise.allSettled(asked)).map((one) => (one.status === "fulfilled" && one.value !== "" ? "read" : "refused"));
    },
    [server.address, group] as const,
  );
  expect(told).toEqual(["refused", "refused", "refused", "refused", "refused"]);
  expect((await clientOf(server).explain.listRuns({ group })).runs).toEqual([]);
  site.close();
});
