//! The range of numbers that colours stand for, and the round numbers written beside them.

import { finite, select } from "./order.ts";

export interface Range {
  low: number;
  high: number;
}

/** The values at both ends, as many percent of all within them; kept as long as the values are. */
const ends = new WeakMap<Float32Array, { clip: number; low: number; high: number }>();

function endsOf(values: Float32Array, clip: number): { low: number; high: number } | undefined {
  const known = ends.get(values);
  if (known?.clip === clip) return known;
  const all = finite(values);
  if (all.length === 0) return undefined;
  const at = (percent: number) => select(all, Math.round((percent / 100) * (all.length - 1)));
  const found = { clip, low: at(100 - clip), high: at(clip) };
  ends.set(values, found);
  return found;
}

/** The range of a map: symmetric about zero where it is signed, from zero where nothing is below it. The outermost values
 * beyond the percentile `clip` do not count. The ends are round, so that a growing map seldom changes them. */
export function rangeOf(values: Float32Array, signed: boolean, clip: number): Range {
  const found = endsOf(values, clip);
  if (!found) return signed ? { low: -1, high: 1 } : { low: 0, high: 1 };
  const { low, high } = found;
  if (signed) {
    const end = roundUp(Math.max(Math.abs(low), Math.abs(high))) || 1;
    return { low: -end, high: end };
  }
  if (low >= 0) return { low: 0, high: roundUp(high) || 1 };
  return low < high ? { low: -roundUp(-low), high: high > 0 ? roundUp(high) : 0 } : { low, high: low + 1 };
}

/** A range that changes only when it has to: when values leave it, or fill less than a third of it. */
export function steady(before: Range | undefined, now: Range): Range {
  if (!before) return now;
  const outside = now.high > before.high || now.low < before.low;
  const tooWide = now.high - now.low < (before.high - before.low) / 3;
  return outside || tooWide ? now : before;
}

const STEPS = [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The next round number from `value` on. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 0;
  const decade = 10 ** Math.floor(Math.log10(value));
  const step = STEPS.find((step) => step * decade >= value * 0.9999) ?? 10;
  return Number((step * decade).toPrecision(3));
}

/** A handful of round numbers within a range. */
export function ticks({ low, high }: Range, about = 4): number[] {
  const rough = (high - low) / about;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((step) => step * decade >= rough * 0.999) ?? 10) * decade;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

const MINUS = "\u2212";

/** A number for people: three significant digits, a real minus. */
export function plain(value: number, sign = false): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  // What was counted is not rounded.
  const text = Number.isInteger(value) && size < 1e6 ? String(size) : size !== 0 && (size < 1e-3 || size >= 1e5) ? size.toExponential(1) : String(Number(size.toPrecision(3)));
  return `${value < 0 ? MINUS : sign && value > 0 ? "+" : ""}${text.replace("e-", `e${MINUS}`)}`;
}
