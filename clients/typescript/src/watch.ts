//! Follows a group of runs for as long as it is told to, over however many connections that takes. Nothing is lost and
//! nothing comes twice: each run is resumed behind the last event that was seen of it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code } from "@connectrpc/connect";
import type { CatalogService } from "../gen/whyglass/v1/catalog_pb.ts";
import type { ExplainService, RunEvent, StreamOptionsSchema } from "../gen/whyglass/v1/explain_pb.ts";
import { WhyglassError } from "./errors.ts";

export interface Listener {
  event(event: RunEvent): void;
  /** The stream is open. `restarted`: the server is another instance, and the runs before are gone. */
  connected(restarted: boolean): void;
  /** The stream has ended; it is opened again in `retryMs`. */
  lost(error: WhyglassError, retryMs: number): void;
}

interface Servers {
  explain: Client<typeof ExplainService>;
  catalog: Client<typeof CatalogService>;
}

/** The server breaks its silence every 5 s. */
const SILENCE_MS = 15_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;

export async function watchGroup(
  servers: Servers,
  group: string,
  listener: Listener,
  signal: AbortSignal,
  options: MessageInitShape<typeof StreamOptionsSchema> = {},
): Promise<void> {
  const seen = new Map<string, bigint>();
  let instanceId = "";
  let retry = FIRST_RETRY_MS;
  let fromTheBeginning = false;
  while (!signal.aborted) {
    const silence = new Silence(signal);
    try {
      const info = await servers.catalog.getServerInfo({}, { signal: silence.signal, timeoutMs: SILENCE_MS });
      const restarted = instanceId !== "" && instanceId !== info.instanceId;
      if (restarted) seen.clear();
      instanceId = info.instanceId;
      const known = fromTheBeginning ? [] : [...seen];
      const cursors = known.map(([run, afterSequence]) => ({ run, afterSequence, instanceId }));
      fromTheBeginning = false;
      const watch = { case: "group", value: { group, cursors } } as const;
      const stream = servers.explain.watchRuns({ watch, stream: options }, { signal: silence.signal });
      listener.connected(restarted);
      for await (const { event } of stream) {
        silence.broken();
        retry = FIRST_RETRY_MS;
        if (!event || event.sequence === 0n) continue;
        if (event.sequence <= (seen.get(event.run) ?? 0n)) continue;
        seen.set(event.run, event.sequence);
        listener.event(event);
      }
      throw new WhyglassError("the server ended the stream", Code.Unavailable, "", [], undefined);
    } catch (thrown) {
      if (signal.aborted) return;
      const error = WhyglassError.from(thrown);
      // The server has forgotten a run: the rest is sent from its beginning, and what was seen is passed over.
      fromTheBeginning = error.code === Code.NotFound;
      listener.lost(error, retry);
      await pause(retry, signal);
      retry = Math.min(retry * 2, LAST_RETRY_MS);
    } finally {
      silence.end();
    }
  }
}

/** Aborts a stream on which nothing has come for too long. */
class Silence {
  private readonly controller = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly stop = () => this.controller.abort();

  constructor(private readonly outer: AbortSignal) {
    outer.addEventListener("abort", this.stop);
    this.broken();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  broken(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.stop, SILENCE_MS);
  }

  end(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener("abort", this.stop);
    this.stop();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
