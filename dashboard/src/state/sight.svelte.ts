//! What a view shows, as a scene to paint: the picture, the map laid where the model looked, the scale. A function of the
//! view and the look; nothing is kept here but pictures that were decoded.

import { DIVERGING, tableOf } from "../draw/colour.ts";
import type { Grid, Rectangle, Scene } from "../draw/scene.ts";
import { look } from "./look.svelte.ts";
import { page, session } from "./page.svelte.ts";
import type { View } from "./view.svelte.ts";

export type Still = Omit<Scene, "before" | "fade">;

export class Sight {
  /** Of an image artifact: decoded beside the page's own work, the newest wins. */
  private image = $state.raw<{ of: Uint8Array | Float32Array; bitmap: ImageBitmap } | undefined>(undefined);

  constructor(private readonly view: () => View) {
    $effect(() => {
      const { frame, isImage } = this.view();
      const data = isImage ? (frame?.artifact.picture?.data ?? frame?.artifact.values) : undefined;
      if (!data || data.length === 0 || this.image?.of === data) return;
      const decoding = frame?.artifact.picture ? createImageBitmap(new Blob([data as Uint8Array<ArrayBuffer>])) : bitmapOf(frame?.artifact);
      void decoding.then((bitmap) => {
        const now = this.view().frame?.artifact;
        if (data === (now?.picture?.data ?? now?.values)) this.image = { of: data, bitmap };
      });
    });
  }

  readonly scene = $derived.by((): Still | undefined => {
    const view = this.view();
    const bitmap = view.isImage ? this.image?.bitmap : this.base;
    const size = view.isImage ? bitmap : this.original;
    if (!size) return undefined;
    const diverging = view.signed;
    void page.ready;
    return {
      base: bitmap,
      width: size.width,
      height: size.height,
      placement: this.placement ?? { x: 0, y: 0, ...{ width: size.width, height: size.height } },
      map: this.map,
      table: tableOf(diverging ? DIVERGING : view.error ? "grey" : look.sequential),
      range: view.rangeAt(look.clip),
      diverging,
      mode: look.mode,
      sign: diverging ? look.sign : "both",
      opacity: look.opacity,
      smooth: look.smooth,
      camera: look.camera,
    };
  });

  private get base(): ImageBitmap | undefined {
    const { run } = this.view();
    const { picture } = session;
    return picture && (!run || run.picture === picture.key) ? picture.bitmap : session.kept(run?.picture)?.bitmap;
  }

  private get original(): { width: number; height: number } | undefined {
    const place = this.view().run?.started?.placement;
    return this.base ?? (place && { width: place.originalWidth, height: place.originalHeight });
  }

  get placement(): Rectangle | undefined {
    return this.view().run?.started?.placement;
  }

  readonly map = $derived.by((): Grid | undefined => {
    const view = this.view();
    const [height = 0, width = 0] = view.frame?.artifact.shape ?? [];
    return view.isMap && height * width > 0 ? { values: view.values, width, height } : undefined;
  });

  get words(): string {
    const { run, frame } = this.view();
    const name = session.picture?.name ?? "a picture";
    if (!run) return name;
    return `${run.spec?.technique ?? "explanation"} of ${run.started?.targetLabel || name}, ${frame?.artifact.id ?? "nothing yet"}`;
  }
}

/** An image that came as numbers: 3×H×W in 0…1. */
async function bitmapOf(artifact: { shape: readonly number[]; values: Float32Array } | undefined): Promise<ImageBitmap> {
  const [, height = 1, width = 1] = artifact?.shape ?? [];
  const pixels = new ImageData(width, height);
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = 255 * (artifact?.values[c * plane + i] ?? 0);
    pixels.data[4 * i + 3] = 255;
  }
  return createImageBitmap(pixels);
}
