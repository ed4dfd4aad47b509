import { expect, test } from "vitest";
import { readNpy, writeNpy } from "./npy.ts";

test("an array survives its file, whose data begins at a multiple of 64 bytes", () => {
  for (const shape of [[6], [2, 3], [1, 2, 3]]) {
    const values = Float32Array.from([1, 2, 3, NaN, -5, 6.5]);
    const bytes = writeNpy(shape, values);
    expect((bytes.length - values.byteLength) % 64).toBe(0);
    expect(readNpy(bytes)).toEqual({ shape, values });
  }
});

test("what is no float32 array is refused", () => {
  const bytes = writeNpy([1], Float32Array.of(1));
  const other = new Uint8Array(bytes).map((byte) => (byte === "4".charCodeAt(0) ? "8".charCodeAt(0) : byte));
  expect(() => readNpy(other)).toThrow("not a float32 array");
});
