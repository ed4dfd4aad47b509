import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { CatalogService, ExplainService, type RunEvent, RunEventSchema, type WatchRunsRequest, services, watchGroup } from "./index.ts";

const event = (sequence: bigint) => create(RunEventSchema, { run: "runs/a", sequence });

/** Watches a server whose streams are `streams`, one per connection, until the last of them has come to its end. */
async function watched(streams: (RunEvent | ConnectError)[][], instances: string[] = ["one"]) {
  const asked: WatchRunsRequest[] = [];
  const seen: bigint[] = [];
  const restarts: boolean[] = [];
  const end = new AbortController();
  const transport = createRouterTransport(({ service }) => {
    service(CatalogService, { getServerInfo: () => ({ instanceId: instances[Math.min(asked.length, instances.length - 1)] ?? "" }) });
    service(ExplainService, {
      async *watchRuns(request) {
        asked.push(request);
        for (const item of streams[asked.length - 1] ?? []) {
          if (item instanceof ConnectError) throw item;
          yield { event: item };
        }
        if (asked.length >= streams.length) end.abort();
      },
    });
  });
  const listener = {
    event: ({ sequence }: RunEvent) => void seen.push(sequence),
    connected: (restarted: boolean) => void restarts.push(restarted),
    lost: () => {},
  };
  await watchGroup(services(transport), "g", listener, end.signal);
  const cursors = asked.map(({ watch }) => (watch.case === "group" ? watch.value.cursors.map((c) => c.afterSequence) : []));
  return { seen, cursors, restarts };
}

test("a stream that breaks is taken up again behind the last event", async () => {
  const broken = new ConnectError("gone", Code.Unavailable);
  const { seen, cursors } = await watched([[event(1n), event(2n), broken], [event(3n)]]);
  expect(seen).toEqual([1n, 2n, 3n]);
  expect(cursors).toEqual([[], [2n]]);
});

test("where the server has forgotten a run, the rest comes from its beginning and nothing comes twice", async () => {
  const forgotten = new ConnectError("no such run", Code.NotFound);
  const broken = new ConnectError("gone", Code.Unavailable);
  const { seen, cursors } = await watched([[event(1n), broken], [forgotten], [event(1n), event(2n)]]);
  expect(seen).toEqual([1n, 2n]);
  expect(cursors).toEqual([[], [1n], []]);
});

test("another instance is another history", async () => {
  const broken = new ConnectError("gone", Code.Unavailable);
  const { seen, restarts } = await watched([[event(5n), broken], [event(1n)]], ["one", "two"]);
  expect(seen).toEqual([5n, 1n]);
  expect(restarts).toEqual([false, true]);
});
