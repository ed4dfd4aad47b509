//! The range of numbers that colours stand for, and the round numbers written beside them.

export interface Range {
  low: number;
  high: number;
}

/** Finite values in order: for ranks and percentiles. Kept as long as the values are. */
const orders = new WeakMap<Float32Array, Float32Array>();

function ordered(values: Float32Array): Float32Array {
  let order = orders.get(values);
  if (!order) {
    order = values.filter(Number.isFinite).sort();
    orders.set(values, order);
  }
  return order;
}

/** The share of finite values that are at most `value`, in percent. */
export function percentileOf(values: Float32Array, value: number): number {
  const order = ordered(values);
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((order[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return order.length === 0 ? NaN : (100 * low) / order.length;
}

/** The range of a map: symmetric about zero where it is signed, from zero where nothing is below it. The outermost values
 * beyond the percentile `clip` do not count. The ends are round, so that a growing map seldom changes them. */
export function rangeOf(values: Float32Array, signed: boolean, clip: number): Range {
  const order = ordered(values);
  if (order.length === 0) return signed ? { low: -1, high: 1 } : { low: 0, high: 1 };
  const at = (percent: number) => order[Math.min(order.length - 1, Math.round((percent / 100) * (order.length - 1)))] ?? 0;
  const [low, high] = [at(100 - clip), at(clip)];
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
