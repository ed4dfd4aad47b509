import { expect, test } from "vitest";
import { finite, mean, percentileOf, select } from "./order.ts";

const map = (...values: number[]) => Float32Array.from(values);

test("every rank of numbers in disorder is what sorting would give", () => {
  // A linear congruence: all of 0…100, some twice.
  const values = Float32Array.from({ length: 150 }, (_, i) => ((i * 47 + 13) % 101) - 50);
  const sorted = values.slice().sort();
  for (let rank = 0; rank < values.length; rank++) expect(select(values.slice(), rank)).toBe(sorted[rank]);
  expect(select(map(3), 0)).toBe(3);
  expect(select(map(2, 2, 2, 2), 1)).toBe(2);
});

test("an order that is bad for the pivots is no worse than sorting", () => {
  const values = Float32Array.from({ length: 50176 }, (_, i) => -Math.abs(i - 25088));
  const sorted = values.slice().sort();
  for (const rank of [0, 50, 25000, 50125, 50175]) expect(select(values.slice(), rank)).toBe(sorted[rank]);
});

test("what was not computed does not count", () => {
  expect(finite(map(1, NaN, Infinity, -2))).toEqual(map(1, -2));
  expect(mean(map(1, 3))).toBe(2);
});

test("a percentile is the share of computed values at most as large", () => {
  expect(percentileOf(map(1, 2, 3, 4, NaN), 3)).toBe(75);
  expect(percentileOf(map(NaN), 3)).toBeNaN();
});
