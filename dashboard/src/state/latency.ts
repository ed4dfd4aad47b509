//! How long frames take from their arrival to the screen, for the browser's own tools: User Timing, "whyglass.frame".

const NAME = "whyglass.frame";
/** Older ones are dropped: a page may be open for days. */
const MOST = 1000;
let count = 0;

/** The frame that came at `arrivedMs` has just been painted. */
export function noteLatency(arrivedMs: number): void {
  if (++count % MOST === 0) performance.clearMeasures(NAME);
  performance.measure(NAME, { start: arrivedMs, end: performance.now() });
}
