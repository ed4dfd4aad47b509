//! Who gets in, and what is said to who does not: tokens, certificates, other sites, limits.

import { createHash, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer as createSite } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { Server, canvasHash, clientOf, dropPhoto, expect, framed, look, lookAround, newestRun, quiet, test } from "./support.ts";

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
  await lookAround(page, "token-wrong");
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
  await page.goto(quiet(own, "&model=digits-honest&technique=saliency"));
  await page.getByText("Datasets").click();
  await page.getByRole("button", { name: /class 0/ }).first().click();
  await expect(newestRun(page)).toContainText("✓");
  const shown = await canvasHash(page);
  await dropPhoto(page);
  await expect(page.getByRole("alert")).toContainText("this server takes 0.1 MiB");
  expect(await canvasHash(page)).toBe(shown);
  const small = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 200, height: 200 });
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
    return Array.from(new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer()));
  });
  await page.getByLabel(/drop another/).setInputFiles({ name: "wide.png", mimeType: "image/png", buffer: Buffer.from(small) });
  await expect(page.getByRole("alert")).toContainText("10000");
  await expect(newestRun(page)).toContainText("✓");
  await lookAround(page, "too-large");
  // A page that is still open would complain, rightly, that its server went.
  await page.goto("about:blank");
  await own.stop();
});

test("a technique that the model cannot do says what it needs", async ({ faultless: page, server }) => {
  await page.goto(quiet(server, "&model=rounded&technique=saliency&picture=sample/chelsea.png"));
  await expect(page.getByText("Saliency cannot be run on this model: it needs input gradients")).toBeVisible();
  await expect(page.getByRole("button", { name: "Explain" })).toBeDisabled();
  await lookAround(page, "impossible");
  await page.getByRole("combobox", { name: "Technique" }).selectOption("occlusion");
  await expect(page.getByRole("button", { name: "Explain" })).toBeEnabled();
});

test("a page of another site can neither read nor start anything", async ({ page, server }) => {
  const client = clientOf(server);
  const site = createSite((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>Elsewhere</title>"));
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  const [group, ownGroup] = [Math.random().toString(16).slice(2), Math.random().toString(16).slice(2)];
  const started = async (group: string) => (await client.explain.listRuns({ group })).runs.length;

  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
  expect(await page.evaluate(askForAll, [server.address, await aRun(server, group)] as const)).toEqual(Array(7).fill("refused"));
  expect(await started(group)).toBe(0);

  // The very same requests are good ones where the page is the server's own.
  await page.goto(`${server.address}/colormaps.json`);
  const own = await page.evaluate(askForAll, [server.address, await aRun(server, ownGroup)] as const);
  expect(own.filter((told) => told === "read").length).toBeGreaterThanOrEqual(4);
  expect(await started(ownGroup)).toBeGreaterThanOrEqual(1);
  site.close();
});

/** A request that creates one short run in `group`, as it goes over gRPC-Web. */
async function aRun(server: Server, group: string): Promise<number[]> {
  const [item] = (await clientOf(server).datasets.listItems({ dataset: "datasets/digits", pageSize: 1 })).items;
  const image = { source: { case: "datasetItem", value: item?.name ?? "" } } as const;
  const spec = { model: "digits-honest", technique: "saliency", input: { case: "image", value: image } as const };
  return framed({ specs: [spec], group, linger: { seconds: 30n } });
}

/** In the browser: reads what the server has, and starts a run in each way that a page has of sending one. */
async function askForAll([server, run]: readonly [string, number[]]): Promise<string[]> {
  const rpc = (method: string) => `${server}/whyglass.v1.${method}`;
  const post = (type: string, bytes: number[]) => ({ method: "POST", headers: { "Content-Type": type }, body: new Uint8Array(bytes) });
  const web = "application/grpc-web+proto";
  const asked = [
    fetch(`${server}/`),
    fetch(`${server}/samples/`),
    fetch(rpc("CatalogService/GetServerInfo"), post(web, [0, 0, 0, 0, 0])),
    fetch(rpc("ExplainService/CreateRuns"), post(web, run)),
    fetch(rpc("ExplainService/CreateRuns"), post("text/plain", run)),
    fetch(rpc("ExplainService/CreateRuns"), { ...post("text/plain", run), mode: "no-cors" }),
    fetch(rpc("ExplainService/CreateRuns"), { ...post(web, run), mode: "no-cors" }),
  ];
  const told = await Promise.allSettled(asked.map(async (answer) => (await answer).arrayBuffer()));
  return told.map((one) => (one.status === "fulfilled" && one.value.byteLength > 0 ? "read" : "refused"));
}
