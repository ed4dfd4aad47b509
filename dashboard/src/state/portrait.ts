//! The frame on show as a PNG: the whole picture at its own size, with its map as the reader looks at it. Charts are drawn
//! by the server, as they are now.

import { create } from "@bufbuild/protobuf";
import { RenderSchema, readArtifact } from "whyglass";
import { canvasPainter } from "../draw/canvas2d.ts";
import { WHOLE } from "../draw/scene.ts";
import { webglPainter } from "../draw/webgl.ts";
import { server } from "../server.ts";
import { fileName, save } from "./export.ts";
import { imageOf, stillOf } from "./sight.svelte.ts";
import type { View } from "./view.svelte.ts";

/** Smaller pictures are drawn larger, so that cells of a map can be told apart. */
const SHORTEST = 512;

export async function savePicture(view: View): Promise<void> {
  if (view.run && view.frame && !view.isMap && !view.isImage) {
    const figure = await readArtifact(server.explain, `${view.run.name}/artifacts/${view.frame.artifact.id}`, create(RenderSchema));
    return save(figure, "image/png", fileName(view, "png"));
  }
  const scene = stillOf(view, view.isImage ? await imageOf(view.frame) : undefined);
  if (!scene) return;
  const factor = Math.max(1, SHORTEST / Math.min(scene.width, scene.height));
  const [width, height] = [Math.round(scene.width * factor), Math.round(scene.height * factor)];
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const painter = webglPainter(canvas) ?? canvasPainter(canvas);
  painter.paint({ ...scene, camera: WHOLE, before: undefined, fade: 1 }, width, height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  painter.dispose();
  if (blob) save(blob, "image/png", fileName(view, "png"));
}
