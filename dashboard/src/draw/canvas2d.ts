//! Paints without a graphics card: the map is coloured at its own grid and drawn as a picture. Coarser than WebGL (the
//! browser does the smoothing, after colouring), but the same scene.

import { type Grid, type Painter, type Scene, frameOf } from "./scene.ts";

export function canvasPainter(canvas: HTMLCanvasElement): Painter {
  const context = canvas.getContext("2d");
  const layer = document.createElement("canvas");
  return {
    paint(scene, width, height) {
      if (!context) return;
      const frame = frameOf(scene, width, height);
      context.clearRect(0, 0, width, height);
      const showsPicture = !(scene.map && scene.mode === "map");
      if (scene.base && showsPicture) {
        context.globalAlpha = scene.map ? (scene.mode === "masked" ? 0.08 : 0.4) : 1;
        context.drawImage(scene.base, frame.x, frame.y, frame.width, frame.height);
      }
      context.globalAlpha = 1;
      if (!scene.map) return;
      const { placement: place } = scene;
      const scale = frame.width / scene.width;
      const seen = [frame.x + place.x * scale, frame.y + place.y * scale, place.width * scale, place.height * scale] as const;
      if (scene.base && scene.mode === "overlay") {
        context.drawImage(scene.base, place.x, place.y, place.width, place.height, ...seen);
      }
      coloured(layer, scene, scene.map);
      context.imageSmoothingEnabled = scene.smooth;
      if (scene.mode !== "masked") {
        context.drawImage(layer, ...seen);
      } else if (scene.base) {
        masked(context, scene.base, layer, scene, seen);
      }
    },
    dispose() {},
  };
}

/** The map as a picture, with its opacity; in masked mode the opacity is how much of the picture is let through. */
function coloured(layer: HTMLCanvasElement, scene: Scene, { values, width, height }: Grid): void {
  layer.width = width;
  layer.height = height;
  const context = layer.getContext("2d");
  if (!context) return;
  const pixels = context.createImageData(width, height);
  const { low, high } = scene.range;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    const hidden = (scene.sign === "positive" && value < 0) || (scene.sign === "negative" && value > 0);
    if (!Number.isFinite(value) || hidden) continue;
    const position = Math.min(1, Math.max(0, (value - low) / (high - low)));
    const weight = scene.diverging ? Math.abs(2 * position - 1) : position;
    const at = 3 * Math.round(position * 255);
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = scene.table[at + c] ?? 0;
    const faint = scene.diverging ? Math.min(1, weight / 0.35) : 1;
    const alpha = { map: 1, masked: Math.min(1, weight / 0.6), overlay: scene.opacity * faint }[scene.mode];
    pixels.data[4 * i + 3] = Math.round(255 * alpha);
  }
  context.putImageData(pixels, 0, 0);
}

function masked(
  context: CanvasRenderingContext2D,
  base: ImageBitmap,
  mask: HTMLCanvasElement,
  { placement: place, smooth }: Scene,
  seen: readonly [number, number, number, number],
): void {
  const cut = document.createElement("canvas");
  cut.width = Math.max(1, Math.round(seen[2]));
  cut.height = Math.max(1, Math.round(seen[3]));
  const drawing = cut.getContext("2d");
  if (!drawing) return;
  drawing.imageSmoothingEnabled = smooth;
  drawing.drawImage(mask, 0, 0, cut.width, cut.height);
  drawing.globalCompositeOperation = "source-in";
  drawing.drawImage(base, place.x, place.y, place.width, place.height, 0, 0, cut.width, cut.height);
  context.drawImage(cut, ...seen);
}
