import { expect, test } from "vitest";
import { WHOLE, cellAt, frameOf, zoomed } from "./scene.ts";

const grid = { values: Float32Array.from([1, 2, 3, 4]), width: 2, height: 2 };
const placement = { x: 50, y: 0, width: 100, height: 100 };

test("a cell is found where the model's input lies in the picture, and none beside it", () => {
  expect(cellAt(grid, placement, 60, 10)).toEqual({ value: 1, row: 0, column: 0 });
  expect(cellAt(grid, placement, 149, 99)?.value).toBe(4);
  expect(cellAt(grid, placement, 49, 10)).toBeUndefined();
  expect(cellAt(grid, placement, 150, 10)).toBeUndefined();
});

test("the whole picture is in the middle of its canvas, and a zoom holds the point under the pointer", () => {
  const scene = { width: 200, height: 100, camera: WHOLE };
  expect(frameOf(scene, 400, 400)).toEqual({ x: 0, y: 100, width: 400, height: 200 });
  const at = { x: 0.25, y: 0.5 };
  const camera = zoomed(WHOLE, 2, at);
  const [before, after] = [frameOf(scene, 400, 400), frameOf({ ...scene, camera }, 400, 400)];
  expect(after.x + at.x * after.width).toBeCloseTo(before.x + at.x * before.width);
  expect(zoomed(camera, 0.1, at)).toEqual(WHOLE);
});
