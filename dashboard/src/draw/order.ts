//! Order statistics of a map's finite values, without sorting them: a map of 224×224 is looked at ten times a second.

/** The finite values, copied. */
export function finite(values: Float32Array): Float32Array {
  const kept = new Float32Array(values.length);
  let count = 0;
  for (const value of values) {
    if (Number.isFinite(value)) kept[count++] = value;
  }
  return kept.subarray(0, count);
}

export function mean(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** The share of finite values that are at most `value`, in percent; NaN where there are none. */
export function percentileOf(values: Float32Array, value: number): number {
  let [below, all] = [0, 0];
  for (const other of values) {
    if (!Number.isFinite(other)) continue;
    all++;
    if (other <= value) below++;
  }
  return (100 * below) / all;
}

/** Rounds of selection after which what is left is sorted: some orders, a band across a map, would take very many. */
const ROUNDS = 40;

/** The value with `rank` others before it in order (Hoare's selection). All are finite; their order is lost. */
export function select(values: Float32Array, rank: number): number {
  const at = (i: number) => values[i] as number;
  let [first, last] = [0, values.length - 1];
  for (let round = 0; first < last; round++) {
    if (round === ROUNDS) {
      values.subarray(first, last + 1).sort();
      break;
    }
    const pivot = at((first + last) >> 1);
    let [low, high] = [first, last];
    while (low <= high) {
      while (at(low) < pivot) low++;
      while (at(high) > pivot) high--;
      if (low > high) break;
      [values[low], values[high]] = [at(high), at(low)];
      low++;
      high--;
    }
    if (rank <= high) last = high;
    else if (rank >= low) first = low;
    else break;
  }
  return at(rank);
}
