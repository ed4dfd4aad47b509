//! An artifact as far as its events have told: a keyframe, and the tiles that came after it. Never changed: each event
//! makes a new one, so that earlier ones can be kept.

import type { ArtifactKind } from "../gen/whyglass/v1/catalog_pb.ts";
import type { Keyframe, Tiles } from "../gen/whyglass/v1/explain_pb.ts";
import type { EncodedImage } from "../gen/whyglass/v1/types_pb.ts";
import { floats, shapeOf } from "./tensor.ts";

export class Artifact {
  private constructor(
    readonly frame: Keyframe,
    /** Outermost first; empty for a picture or a reference. */
    readonly shape: readonly number[],
    /** NaN where not computed yet. */
    readonly values: Float32Array,
    readonly standardError: Float32Array | undefined,
  ) {}

  static of(frame: Keyframe): Artifact {
    const error = frame.standardError && floats(frame.standardError);
    if (frame.content.case !== "tensor") return new Artifact(frame, [], new Float32Array(), error);
    return new Artifact(frame, shapeOf(frame.content.value), floats(frame.content.value), error);
  }

  /** This artifact with the numbers that a reference stood for. */
  filled(shape: readonly number[], values: Float32Array): Artifact {
    return new Artifact(this.frame, shape, values, this.standardError);
  }

  with(tiles: Tiles): Artifact {
    const values = this.values.slice();
    let error = this.standardError?.slice();
    for (const tile of tiles.tiles) {
      if (!tile.tensor) continue;
      const [height = 0, width = 0] = shapeOf(tile.tensor);
      const place = (into: Float32Array, part: Float32Array) => {
        const columns = this.shape[1] ?? 0;
        for (let row = 0; row < height; row++) {
          into.set(part.subarray(row * width, (row + 1) * width), (tile.y + row) * columns + tile.x);
        }
      };
      place(values, floats(tile.tensor));
      if (tile.standardError) {
        error ??= new Float32Array(values.length).fill(NaN);
        place(error, floats(tile.standardError));
      }
    }
    return new Artifact(this.frame, this.shape, values, error);
  }

  get id(): string {
    return this.frame.artifact;
  }

  get kind(): ArtifactKind {
    return this.frame.kind;
  }

  get signed(): boolean {
    return this.frame.signed;
  }

  get picture(): EncodedImage | undefined {
    return this.frame.content.case === "picture" ? this.frame.content.value : undefined;
  }

  /** "runs/{run}/artifacts/{artifact}", where the numbers were too many for an event. */
  get reference(): string | undefined {
    return this.frame.content.case === "reference" ? this.frame.content.value : undefined;
  }

  get bytes(): number {
    return this.values.byteLength + (this.standardError?.byteLength ?? 0) + (this.picture?.data.byteLength ?? 0);
  }
}
