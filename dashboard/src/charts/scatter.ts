//! Points on a canvas: scaled alike in both directions, in its middle; where their classes lie; and the one under the
//! pointer.

const MARGIN = 16;

/** The first two coordinates of `count` points of `sides` numbers each, in pixels: x, y, x, y, … */
export function fitted(values: Float32Array, count: number, sides: number, width: number, height: number): Float32Array<ArrayBuffer> {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < count; i++) {
    const [x = NaN, y = NaN] = [values[i * sides], values[i * sides + 1]];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    [x0, x1, y0, y1] = [Math.min(x0, x), Math.max(x1, x), Math.min(y0, y), Math.max(y1, y)];
  }
  const span = (a: number, b: number) => (b > a ? b - a : 1);
  const scale = Math.min((width - 2 * MARGIN) / span(x0, x1), (height - 2 * MARGIN) / span(y0, y1));
  const places = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    places[2 * i] = width / 2 + ((values[i * sides] ?? 0) - (x0 + x1) / 2) * scale;
    places[2 * i + 1] = height / 2 + ((values[i * sides + 1] ?? 0) - (y0 + y1) / 2) * scale;
  }
  return places;
}

/** The middle of each class, in its points' midst: the median in either direction. */
export function middles(places: Float32Array, labels: readonly number[], classes: readonly number[]): [number, number][] {
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;
  const of = (label: number, side: number) => median(labels.flatMap((own, i) => (own === label ? [places[2 * i + side] ?? NaN] : [])));
  return classes.map((label) => [of(label, 0), of(label, 1)]);
}

/** Which point is nearest to a place, and no further than `reach`. */
export function nearest(places: Float32Array, x: number, y: number, reach: number): number | undefined {
  let found: number | undefined;
  let least = reach;
  for (let i = 0; 2 * i < places.length; i++) {
    const distance = Math.hypot((places[2 * i] ?? NaN) - x, (places[2 * i + 1] ?? NaN) - y);
    if (distance < least) [found, least] = [i, distance];
  }
  return found;
}
