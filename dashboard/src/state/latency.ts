//! How long frames take from their arrival until the page has handed them to the compositor, for the browser's own tools: User
//! Timing, "whyglass.frame". A map that fades in counts from its first step.

const NAME = "whyglass.frame";
/** Older ones are dropped: a page may be open for days. */
const MOST = 1000;
let count = 0;
const painted = new MessageChannel();
painted.port1.onmessage = ({ data: arrivedMs }: MessageEvent<number>) => {
  if (++count % MOST === 0) performance.clearMeasures(NAME);
  performance.measure(NAME, { start: arrivedMs, end: performance.now() });
};

/** The frame that came at `arrivedMs` is being drawn. A message that is sent now arrives when the drawing has been handed on. */
export function noteLatency(arrivedMs: number): void {
  painted.port2.postMessage(arrivedMs);
}
