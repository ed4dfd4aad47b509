//! One call: creates runs and gives their events to the end, over a connection that may break.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { ExplainService, RunEvent, RunSpecSchema } from "../gen/whyglass/v1/explain_pb.ts";
import { WhyglassError } from "./errors.ts";
import { uuid } from "./uuid.ts";

/** How long the server keeps runs for a client that has to come back. */
const LINGER_SECONDS = 30n;
const ATTEMPTS = 5;

export async function* explain(
  service: Client<typeof ExplainService>,
  specs: MessageInitShape<typeof RunSpecSchema>[],
  signal?: AbortSignal,
): AsyncGenerator<RunEvent> {
  const options = signal ? { signal } : {};
  const linger = { seconds: LINGER_SECONDS };
  const created = await service.createRuns({ specs, linger, requestId: uuid() }, options);
  const cursors = new Map((created.accepted?.runs ?? []).map((run) => [run, 0n]));
  const open = new Set(cursors.keys());
  for (let failures = 0; open.size > 0; ) {
    try {
      const watched = [...open].map((run) => ({ run, afterSequence: cursors.get(run) ?? 0n }));
      const watch = { case: "runs", value: { cursors: watched } } as const;
      for await (const { event } of service.watchRuns({ watch }, options)) {
        failures = 0;
        if (!event || event.sequence === 0n) continue;
        cursors.set(event.run, event.sequence);
        if (event.event.case === "finished") open.delete(event.run);
        yield event;
      }
    } catch (thrown) {
      const error = WhyglassError.from(thrown);
      if (signal?.aborted || !error.isLost || ++failures === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** failures));
    }
  }
}
