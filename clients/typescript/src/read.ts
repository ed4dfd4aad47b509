//! Reads an artifact whole: its pieces put together, and taken up again where the connection broke.

import { type Client, Code } from "@connectrpc/connect";
import type { ExplainService, Render } from "../gen/whyglass/v1/explain_pb.ts";
import { WhyglassError } from "./errors.ts";

const ATTEMPTS = 4;

/** The file of "runs/{run}/artifacts/{artifact}": .npy, or a picture where `render` is given. */
export async function readArtifact(
  explain: Client<typeof ExplainService>,
  name: string,
  render?: Render,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (let attempt = 1; ; attempt++) {
    try {
      const request = { name, offset: BigInt(size), ...(render && { render }) };
      for await (const { data } of explain.readArtifact(request)) {
        pieces.push(data as Uint8Array<ArrayBuffer>);
        size += data.length;
      }
      return new Uint8Array(await new Blob(pieces).arrayBuffer());
    } catch (thrown) {
      const error = WhyglassError.from(thrown);
      if (error.code !== Code.Unavailable || attempt === ATTEMPTS) throw error;
    }
  }
}
