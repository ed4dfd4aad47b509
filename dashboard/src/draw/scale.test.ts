import { expect, test } from "vitest";
import { plain, rangeOf, roundUp, steady, ticks } from "./scale.ts";

const map = (...values: number[]) => Float32Array.from(values);

test("a signed map is symmetric about zero, and an unsigned one starts there", () => {
  expect(rangeOf(map(-1, 2.9, NaN), true, 100)).toEqual({ low: -3, high: 3 });
  expect(rangeOf(map(1, 2.9), false, 100)).toEqual({ low: 0, high: 3 });
  expect(rangeOf(map(NaN), true, 100)).toEqual({ low: -1, high: 1 });
  expect(rangeOf(map(0, 0), false, 100)).toEqual({ low: 0, high: 1 });
});

test("values beyond the percentile do not stretch the scale", () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => (i === 999 ? 1e6 : i / 1000));
  expect(rangeOf(values, false, 99).high).toBe(1);
  expect(rangeOf(values, false, 100).high).toBe(1e6);
});

test("a scale stays while values grow within it", () => {
  const before = { low: -2, high: 2 };
  expect(steady(before, { low: -1, high: 1 })).toBe(before);
  expect(steady(before, { low: -3, high: 3 })).toEqual({ low: -3, high: 3 });
  expect(steady(before, { low: -0.1, high: 0.1 })).toEqual({ low: -0.1, high: 0.1 });
});

test("ends and ticks are round", () => {
  expect([0.0731, 1.01, 9.7, 230].map(roundUp)).toEqual([0.08, 1.25, 10, 250]);
  expect(ticks({ low: -3, high: 3 })).toEqual([-2, 0, 2]);
});

test("numbers have three digits and a real minus", () => {
  expect([plain(0.14159, true), plain(-12.345), plain(0), plain(NaN), plain(0.00002), plain(1797)]).toEqual(["+0.142", "−12.3", "0", "–", "2.0e−5", "1797"]);
});
