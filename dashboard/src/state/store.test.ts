import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ArtifactKind, DataType, type RunEvent, RunEventSchema, RunState, type Services } from "whyglass";
import { Store } from "./store.svelte.ts";
import { Track } from "./track.svelte.ts";

type Event = NonNullable<Parameters<typeof create<typeof RunEventSchema>>[1]>["event"];

const store = () => new Store({} as Services, "g");
const event = (sequence: number, event: Event, run = "runs/a"): RunEvent => create(RunEventSchema, { run, sequence: BigInt(sequence), event });
const floats = (shape: number[], values: number[]) => ({
  dataType: DataType.F32,
  shape: shape.map(BigInt),
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const keyframe = (values: number[]): Event => ({
  case: "keyframe",
  value: { artifact: "map", kind: ArtifactKind.ATTRIBUTION_MAP, content: { case: "tensor", value: floats([2, 2], values) } },
});
const tile = (y: number, x: number, value: number): Event => ({
  case: "tiles",
  value: { artifact: "map", tiles: [{ y, x, tensor: floats([1, 1], [value]) }] },
});

test("a map grows by its tiles, and earlier frames stay as they were", () => {
  const one = store();
  one.take(event(1, { case: "started", value: { targetLabel: "cat" } }));
  one.take(event(2, keyframe([NaN, NaN, NaN, NaN])));
  one.take(event(3, tile(0, 1, 5)));
  one.take(event(4, tile(1, 0, 7)));
  const frames = one.runs[0]?.main?.frames ?? [];
  expect(frames.map(({ artifact }) => [...artifact.values])).toEqual([
    [NaN, NaN, NaN, NaN], [NaN, 5, NaN, NaN], [NaN, 5, 7, NaN],
  ]);
});

test("an event that comes again after a reconnection changes nothing", () => {
  const one = store();
  for (const sequence of [1, 2, 2, 1]) one.take(event(sequence, keyframe([1, 2, 3, 4])));
  expect(one.runs[0]?.main?.frames.length).toBe(2);
});

test("each run of the group has its own state, and an end is an end", () => {
  const one = store();
  one.take(event(1, { case: "started", value: {} }, "runs/a"));
  one.take(event(1, { case: "stateChanged", value: { state: RunState.QUEUED } }, "runs/b"));
  one.take(event(2, { case: "finished", value: { state: RunState.STOPPED, complete: false } }, "runs/a"));
  expect(one.runs.map(({ state, isOver }) => [state, isOver])).toEqual([[RunState.STOPPED, true], [RunState.QUEUED, false]]);
});

test("runs that were not over are gone with a server that was restarted, and keep what they showed", () => {
  const one = store();
  one.take(event(1, keyframe([1, 2, 3, 4]), "runs/a"));
  one.take(event(1, { case: "finished", value: { state: RunState.SUCCEEDED } }, "runs/b"));
  one.connected(true);
  expect(one.runs.map(({ gone }) => gone)).toEqual([true, false]);
  expect(one.runs[0]?.main?.latest?.artifact.values[3]).toBe(4);
});

test("a track within its budget keeps all frames; beyond it, the first, the last and every second", () => {
  const track = new Track("map", 100);
  const one = store();
  one.take(event(1, keyframe([0, 0, 0, 0])));
  const frame = one.runs[0]?.main?.latest ?? expect.fail("no frame");
  for (let i = 0; i < 7; i++) track.push({ ...frame, evaluations: i });
  expect(track.frames.map(({ evaluations }) => evaluations)).toEqual([0, 2, 4, 6]);
});
