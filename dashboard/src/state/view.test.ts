import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ArtifactKind, DataType, RunEventSchema } from "whyglass";
import { Run } from "./run.svelte.ts";
import { View } from "./view.svelte.ts";

function viewOf(...values: number[]): View {
  const run = new Run("runs/a");
  const tensor = { dataType: DataType.F32, shape: [1n, BigInt(values.length)], data: new Uint8Array(Float32Array.from(values).buffer) };
  const value = { artifact: "map", kind: ArtifactKind.ATTRIBUTION_MAP, content: { case: "tensor", value: tensor } } as const;
  run.take(create(RunEventSchema, { run: run.name, sequence: 1n, event: { case: "keyframe", value } }));
  const view = new View();
  view.show(run);
  return view;
}

test("the difference of two maps is signed, has a scale of its own, and is the same array each time", () => {
  const [one, other] = [viewOf(1, 5, 2), viewOf(1, 2, 4)];
  expect(one.signed).toBe(false);
  one.against = other;
  expect([...one.values]).toEqual([0, 3, -2]);
  expect(one.values).toBe(one.values);
  expect([one.signed, one.rangeAt(100)]).toEqual([true, { low: -3, high: 3 }]);
});

test("maps of different grids have no difference", () => {
  const [one, other] = [viewOf(1, 2), viewOf(1, 2, 3)];
  expect(one.fits(other)).toBe(false);
  expect(one.fits(one)).toBe(false);
  one.against = other;
  expect([...one.values]).toEqual([1, 2]);
});
