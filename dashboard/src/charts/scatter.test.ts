import { expect, test } from "vitest";
import { fitted, middles, nearest } from "./scatter.ts";

test("points keep their shape and lie in the middle", () => {
  const places = fitted(Float32Array.of(0, 0, 7, 2, 2, 7), 2, 3, 232, 132);
  expect([...places]).toEqual([66, 16, 166, 116]);
  expect([...fitted(Float32Array.of(3, 3), 1, 2, 100, 50)]).toEqual([50, 25]);
});

test("the middle of a class is among its points, whatever lies far off", () => {
  const places = Float32Array.of(1, 1, 2, 2, 900, 3, 50, 60);
  expect(middles(places, [7, 7, 7, 4], [4, 7])).toEqual([[50, 60], [2, 2]]);
});

test("the nearest point within reach is found, and none beyond it", () => {
  const places = Float32Array.of(0, 0, 10, 0);
  expect(nearest(places, 7, 1, 16)).toBe(1);
  expect(nearest(places, 40, 0, 16)).toBeUndefined();
});
