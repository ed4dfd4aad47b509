import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Artifact, ArtifactKind, DataType, KeyframeSchema } from "whyglass";
import { pictures } from "./behind.ts";

test("pictures are behind the cell of their class and of what they were taken for, others in the last", () => {
  const data = new Uint8Array(Float32Array.of(1, 1, 0.6, 1, 1, 0.9, 2, 1, 0.5, 0, 7, 0.4).buffer);
  const tensor = { dataType: DataType.F32, shape: [4n, 3n], data };
  const frame = create(KeyframeSchema, {
    artifact: "items", kind: ArtifactKind.TABLE, content: { case: "tensor", value: tensor }, table: { rows: ["a", "b", "c", "d"] },
  });
  const cells = pictures(Artifact.of(frame), ["zero", "one", "other"], ["zero", "one", "two"]);
  expect(cells.get(4)?.map(({ item }) => item)).toEqual(["b", "a"]);
  expect(cells.get(2 * 3 + 1)?.map(({ item }) => item)).toEqual(["c"]);
  expect(cells.get(2)?.map(({ item }) => item)).toEqual(["d"]);
});
