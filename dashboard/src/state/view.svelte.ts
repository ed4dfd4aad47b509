//! One frame on the screen: which run it shows, which artifact of it, which frame, and the scale that it is drawn with.

import { ArtifactKind } from "whyglass";
import { type Range, rangeOf, steady } from "../draw/scale.ts";
import type { Run } from "./run.svelte.ts";
import type { Frame, Track } from "./track.svelte.ts";

export class View {
  run = $state.raw<Run | undefined>(undefined);
  artifact = $state("");
  /** A frame that the reader went back to; undefined: whatever is newest. */
  pinned = $state.raw<Frame | undefined>(undefined);
  /** The standard error in place of the values. */
  error = $state(false);
  /** The view that is taken away from this one: what is shown is the difference. */
  against = $state.raw<View | undefined>(undefined);
  private scale: { of: string; range: Range; clip: number } | undefined;

  show(run: Run | undefined): void {
    this.run = run;
    this.artifact = "";
    this.pinned = undefined;
    this.error = false;
    this.against = undefined;
    this.scale = undefined;
  }

  get track(): Track | undefined {
    return this.run?.track(this.artifact) ?? this.run?.main;
  }

  get frame(): Frame | undefined {
    const { track, pinned } = this;
    return pinned && track?.frames.includes(pinned) ? pinned : track?.latest;
  }

  /** Which of the frames is shown. */
  get index(): number {
    const { track, frame } = this;
    return track && frame ? track.frames.indexOf(frame) : -1;
  }

  go(index: number): void {
    const frames = this.track?.frames ?? [];
    const last = frames.length - 1;
    this.pinned = index >= last ? undefined : frames[Math.max(0, index)];
  }

  get isMap(): boolean {
    return this.frame?.artifact.kind === ArtifactKind.ATTRIBUTION_MAP;
  }

  get isImage(): boolean {
    return this.frame?.artifact.kind === ArtifactKind.IMAGE;
  }

  get signed(): boolean {
    return this.against !== undefined || (!this.error && (this.frame?.artifact.signed ?? false));
  }

  /** Whether `other` can be taken away from this one: both are maps of one grid. */
  fits(other: View | undefined): boolean {
    const [here, there] = [this.frame?.artifact.shape, other?.frame?.artifact.shape];
    return this.isMap && other !== undefined && other !== this && other.isMap && String(here) === String(there);
  }

  /** The numbers on show. */
  get values(): Float32Array {
    const own = this.valuesOf(this.frame);
    return this.against && this.fits(this.against) ? difference(own, this.against.valuesOf(this.against.frame)) : own;
  }

  /** Those that the scale is made for. */
  private get newest(): Float32Array {
    const own = this.valuesOf(this.track?.latest);
    const other = this.against?.valuesOf(this.against.track?.latest);
    return other?.length === own.length ? difference(own, other) : own;
  }

  private valuesOf(frame: Frame | undefined): Float32Array {
    const artifact = frame?.artifact;
    return (this.error ? artifact?.standardError : undefined) ?? artifact?.values ?? new Float32Array();
  }

  /** The scale follows the newest frame, so that going back and forth does not change it. */
  rangeAt(clip: number): Range {
    const of = `${this.run?.name} ${this.track?.id} ${this.error} ${this.against?.run?.name}`;
    const now = rangeOf(this.newest, this.signed, clip);
    const before = this.scale?.of === of && this.scale.clip === clip ? this.scale.range : undefined;
    const range = steady(before, now);
    this.scale = { of, range, clip };
    return range;
  }
}

/** Made once for a pair: what is drawn is told apart by which array it is. */
const differences = new WeakMap<Float32Array, { from: Float32Array; result: Float32Array }>();

function difference(values: Float32Array, from: Float32Array): Float32Array {
  const known = differences.get(values);
  if (known?.from === from) return known.result;
  const result = values.map((value, i) => value - (from[i] ?? NaN));
  differences.set(values, { from, result });
  return result;
}
