//! Paints without a graphics card: the map is coloured at its own grid and drawn as a picture. Coarser than WebGL (the
//! browser does the smoothing, after colouring), but the same scene.

import { type Grid, type Painter, type Scene, frameOf } from "./scene.ts";

export function canvasPainter(canvas: HTMLCanvasElement): Painter {
  const context = canvas.getContext("2d");
  const layer = document.createElement("canvas");
  const cut = document.createElement("canvas");
  return {
    fades: false,
    paint(scene, width, height) {
      if (!context) return;
      const frame = frameOf(scene, width, height);
      context.clearRect(0, 0, width, height);
      const { placement: place } = scene;
      const scale = frame.width / scene.width;
      const seen = [frame.x + place.x * scale, frame.y + place.y * scale, place.width * scale, place.height * scale] as const;
      const picture = (alpha: number, part: boolean) => {
        if (!scene.base) return;
        context.imageSmoothingEnabled = true;
        context.globalAlpha = alpha;
        if (part) context.drawImage(scene.base, place.x, place.y, place.width, place.height, ...seen);
        else context.drawImage(scene.base, frame.x, frame.y, frame.width, frame.height);
        context.globalAlpha = 1;
      };
      if (!scene.map) return picture(1, false);
      if (scene.mode === "overlay") {
        picture(0.4, false);
        picture(1, true);
      } else {
        // As much of it as the shader leaves where a map is not computed yet, and where a mask lets nothing through.
        picture(scene.mode === "map" ? 0.12 : 0.08, true);
      }
      coloured(layer, scene, scene.map);
      context.imageSmoothingEnabled = scene.smooth;
      if (scene.mode !== "masked") {
        context.drawImage(layer, ...seen);
      } else if (scene.base) {
        Object.assign(cut, { width, height });
        masked(cut, scene.base, layer, scene, seen);
        context.drawImage(cut, 0, 0);
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
  const colours = coloursOf(scene);
  const words = new Uint32Array(pixels.data.buffer);
  const { low, high } = scene.range;
  const [least, most] = [scene.sign === "positive" ? 0 : -Infinity, scene.sign === "negative" ? 0 : Infinity];
  const step = 255 / (high - low);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!(value >= least && value <= most) || !Number.isFinite(value)) continue;
    words[i] = colours[Math.round(Math.min(255, Math.max(0, (value - low) * step)))] as number;
  }
  context.putImageData(pixels, 0, 0);
}

/** What each of the scale's 256 steps looks like, as the four bytes of a pixel. */
function coloursOf({ table, diverging, mode, opacity }: Scene): Uint32Array {
  const bytes = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    const weight = diverging ? Math.abs((2 * i) / 255 - 1) : i / 255;
    const faint = diverging ? smoothstep(weight / 0.35) : 1;
    const alpha = { map: 1, masked: smoothstep(weight / 0.6), overlay: opacity * faint }[mode];
    bytes.set(table.subarray(3 * i, 3 * i + 3), 4 * i);
    bytes[4 * i + 3] = 255 * alpha;
  }
  return new Uint32Array(bytes.buffer);
}

/** From 0 to 1 as the shader's. */
function smoothstep(position: number): number {
  const t = Math.min(1, position);
  return t * t * (3 - 2 * t);
}

/** The picture where the mask lets it through, on a canvas as large as the one that is painted. */
function masked(
  cut: HTMLCanvasElement,
  base: ImageBitmap,
  mask: HTMLCanvasElement,
  { placement: place, smooth }: Scene,
  seen: readonly [number, number, number, number],
): void {
  const drawing = cut.getContext("2d");
  if (!drawing) return;
  drawing.imageSmoothingEnabled = smooth;
  drawing.drawImage(mask, ...seen);
  drawing.imageSmoothingEnabled = true;
  drawing.globalCompositeOperation = "source-in";
  drawing.drawImage(base, place.x, place.y, place.width, place.height, ...seen);
}
