//! The frames of one artifact that have been received, oldest first, within a budget of memory.

import type { Artifact } from "whyglass";

export interface Frame {
  artifact: Artifact;
  /** Evaluations of the model when it came, as far as was told. */
  evaluations: number;
  elapsedMs: number;
  /** When it came, by the page's clock. */
  arrivedMs: number;
}

const BUDGET_BYTES = 64 << 20;

export class Track {
  frames = $state.raw<readonly Frame[]>([]);

  constructor(
    readonly id: string,
    private readonly budget = BUDGET_BYTES,
  ) {}

  get latest(): Frame | undefined {
    return this.frames.at(-1);
  }

  push(frame: Frame): void {
    const frames = [...this.frames, frame];
    const bytes = frames.reduce((sum, { artifact }) => sum + artifact.bytes, 0);
    this.frames = bytes > this.budget ? thinned(frames) : frames;
  }

  /** Puts a fuller version of a frame in its place. */
  replace(frame: Frame, by: Frame): void {
    this.frames = this.frames.map((kept) => (kept === frame ? by : kept));
  }
}

/** Half of the frames: the first, the last, and every second between. */
function thinned(frames: readonly Frame[]): Frame[] {
  return frames.filter((_, i) => i % 2 === 0 || i === frames.length - 1);
}
