//! What a view shows, as a scene to paint: the picture, the map laid where the model looked, the scale. A function of the
//! view and the look; nothing is kept here but the image that was decoded last.

import { DIVERGING, tableOf } from "../draw/colour.ts";
import type { Grid, Scene } from "../draw/scene.ts";
import { look } from "./look.svelte.ts";
import { page, session } from "./page.svelte.ts";
import type { Frame } from "./track.svelte.ts";
import type { View } from "./view.svelte.ts";

export type Still = Omit<Scene, "before" | "fade">;

/** The scene of a view; `image`: its frame as a bitmap, where it is an image. */
export function stillOf(view: View, image: ImageBitmap | undefined): Still | undefined {
  const base = view.isImage ? image : pictureOf(view);
  const placement = view.run?.started?.placement;
  const original = placement && { width: placement.originalWidth, height: placement.originalHeight };
  const size = view.isImage ? image : (base ?? original);
  if (!size) return undefined;
  const { width, height } = size;
  const diverging = view.signed;
  return {
    base,
    width,
    height,
    placement: placement ?? { x: 0, y: 0, width, height },
    map: gridOf(view),
    table: tableOf(diverging ? DIVERGING : view.error ? "grey" : look.sequential),
    range: session.rangeOf(view, look.clip),
    diverging,
    mode: look.mode,
    sign: diverging ? look.sign : "both",
    opacity: look.opacity,
    smooth: look.smooth,
    camera: look.camera,
  };
}

function pictureOf({ run }: View): ImageBitmap | undefined {
  return (run ? session.kept(run.picture) : session.picture)?.bitmap;
}

function gridOf(view: View): Grid | undefined {
  const [height = 0, width = 0] = view.frame?.artifact.shape ?? [];
  return view.isMap && height * width > 0 ? { values: view.values, width, height } : undefined;
}

type Data = Uint8Array | Float32Array;

function dataOf(frame: Frame | undefined): Data | undefined {
  const data = frame?.artifact.picture?.data ?? frame?.artifact.values;
  return data && data.length > 0 ? data : undefined;
}

/** The frame of an image artifact, decoded. */
export async function imageOf(frame: Frame | undefined): Promise<ImageBitmap | undefined> {
  const { picture, shape = [], values } = frame?.artifact ?? {};
  if (picture) return createImageBitmap(new Blob([picture.data as Uint8Array<ArrayBuffer>]));
  const [, height = 0, width = 0] = shape;
  if (!values || height * width === 0) return undefined;
  const pixels = new ImageData(width, height);
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = 255 * (values[c * plane + i] ?? 0);
    pixels.data[4 * i + 3] = 255;
  }
  return createImageBitmap(pixels);
}

/** The sight of a view; to be made while a component is. */
export class Sight {
  private image = $state.raw<{ of: Data; bitmap: ImageBitmap } | undefined>(undefined);

  constructor(private readonly view: () => View) {
    $effect(() => {
      const { frame, isImage } = this.view();
      const data = isImage ? dataOf(frame) : undefined;
      if (!data || this.image?.of === data) return;
      // Decoded beside the page's own work; what was overtaken meanwhile is dropped.
      void imageOf(frame).then((bitmap) => {
        if (bitmap && data === dataOf(this.view().frame)) this.image = { of: data, bitmap };
      });
    });
  }

  readonly scene = $derived.by(() => {
    void page.ready;
    return stillOf(this.view(), this.image?.bitmap);
  });

  get words(): string {
    const { run, frame } = this.view();
    const name = session.picture?.name ?? "a picture";
    if (!run) return name;
    return `${run.spec?.technique ?? "explanation"} of ${run.started?.targetLabel || name}, ${frame?.artifact.id ?? "nothing yet"}`;
  }
}
