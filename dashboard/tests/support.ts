//! A server of the test's own, and what tests do on the page again and again.

import { type ChildProcess, spawn } from "node:child_process";
import { type Page, test as base, expect } from "@playwright/test";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { type MessageInitShape, create, toBinary } from "@bufbuild/protobuf";
import { CreateRunsRequestSchema, type Services, services } from "whyglass";

/** It shares nothing: each test has runs of its own, though it asks for what another has asked for. */
export class Server {
  private constructor(
    private child: ChildProcess,
    readonly address: string,
  ) {}

  static async start(listen = "127.0.0.1:0", ...flags: string[]): Promise<Server> {
    const binary = process.env.WHYGLASS_BINARY;
    if (!binary) throw new Error("WHYGLASS_BINARY is not set: run cargo xtask dashboard --test");
    const child = spawn(binary, ["serve", "--listen", listen, "--grace", "1s", "--cache", "0", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.on("data", (data: Buffer) => {
        const found = /listening on (\S+)/.exec(String(data))?.[1];
        if (found) resolve(found);
      });
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    });
    return new Server(child, address);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
  }
}

/** Pages of these tests may throw nothing and log no error. */
export const test = base.extend<{ faultless: Page }, { server: Server }>({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],
  faultless: async ({ page }, use) => {
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await use(page);
    expect(faults).toEqual([]);
  },
});

export { expect };

/** A client of the server beside the page, over gRPC-Web as the page's. */
export function clientOf(server: Server): Services {
  return services(createGrpcWebTransport({ baseUrl: server.address }));
}

/** A request that creates runs, as it goes over gRPC-Web. */
export function framed(request: MessageInitShape<typeof CreateRunsRequestSchema>): number[] {
  const message = toBinary(CreateRunsRequestSchema, create(CreateRunsRequestSchema, request));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return [...head, ...message];
}

/** Starts eight dreams that take long in the page's group, from the page: Node.js speaks no HTTP/2 with `fetch`. */
export async function eight(page: Page): Promise<void> {
  const group = /group=([^&]+)/.exec(page.url())?.[1] ?? "";
  const image = { source: { case: "datasetItem", value: "datasets/digits/items/0/0000.png" } } as const;
  const specs = Array.from({ length: 8 }, (_, i) => ({
    model: "efficientnet-lite0", technique: "deep-dream", input: { case: "image", value: image } as const, params: { iterations: 1000 }, seed: BigInt(i),
  }));
  await page.evaluate(async (frame) => {
    const headers = { "Content-Type": "application/grpc-web+proto" };
    await (await fetch("/whyglass.v1.ExplainService/CreateRuns", { method: "POST", headers, body: new Uint8Array(frame) })).arrayBuffer();
  }, framed({ specs, group, linger: { seconds: 30n } }));
}

/** An address that opens the page with nothing running by itself: a group of its own. */
export function quiet(server: Server, query = ""): string {
  return `${server.address}/#group=${Math.random().toString(16).slice(2)}${query}`;
}

/** Drops one of the server's own pictures onto the page, as a file from a desktop. */
export async function dropPhoto(page: Page, name = "chelsea.png"): Promise<void> {
  await page.evaluate(async (name) => {
    const bytes = await (await fetch(`/samples/${name}`)).arrayBuffer();
    const data = new DataTransfer();
    data.items.add(new File([bytes], `dropped-${name}`, { type: "image/png" }));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }, name);
}

export async function chooseTechnique(page: Page, id: string): Promise<void> {
  await page.getByRole("combobox", { name: "Technique" }).selectOption(id);
}

export async function setField(page: Page, label: string, value: string): Promise<void> {
  await expect(page.getByRole("button", { name: "Explain" })).toBeEnabled();
  const more = page.getByRole("button", { name: /^\d+ more$/ });
  if (!(await page.getByLabel(label, { exact: true }).isVisible()) && (await more.isVisible())) await more.click();
  const field = page.getByLabel(label, { exact: true }).last();
  await field.fill(value);
  await field.press("Enter");
}

/** What the canvas shows, as a number that differs where the picture does. */
export async function canvasHash(page: Page): Promise<number> {
  const picture = await page.locator("main canvas").first().screenshot();
  let hash = 0;
  for (const byte of picture) hash = (hash * 31 + byte) | 0;
  return hash;
}

export function newestRun(page: Page) {
  return page.getByRole("region", { name: "Runs" }).getByRole("button").first();
}

/** A screenshot for people to look at. */
export async function look(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `test-results/${name}.png` });
}

/** The same page by day and by night, wide and narrow; afterwards it is as it was. */
export async function lookAround(page: Page, name: string): Promise<void> {
  const before = page.viewportSize() ?? { width: 1440, height: 900 };
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.waitForTimeout(300);
      await look(page, `${name}-${scheme}-${width}`);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}
