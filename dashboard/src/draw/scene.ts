//! What a painter is asked to paint, and where things lie. Coordinates of pictures are pixels of the upright original.

import type { Range } from "./scale.ts";
import type { Table } from "./colour.ts";

export interface Grid {
  values: Float32Array;
  width: number;
  height: number;
}

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

export type Mode = "overlay" | "map" | "masked";
export type Sign = "both" | "positive" | "negative";

/** Where the reader looks: a point of the picture (0…1 along each side) is in the middle, magnified. */
export interface Camera {
  x: number;
  y: number;
  zoom: number;
}

export const WHOLE: Camera = { x: 0.5, y: 0.5, zoom: 1 };

export interface Scene {
  base: ImageBitmap | undefined;
  /** Of the picture. */
  width: number;
  height: number;
  placement: Rectangle;
  map: Grid | undefined;
  /** What was there before, and how far it has given way: 0…1. */
  before: Grid | undefined;
  fade: number;
  table: Table;
  range: Range;
  diverging: boolean;
  mode: Mode;
  sign: Sign;
  opacity: number;
  smooth: boolean;
  camera: Camera;
}

export interface Painter {
  /** Whether it takes notice of what was there before. */
  readonly fades: boolean;
  /** Paints onto a canvas of this many pixels. */
  paint(scene: Scene, width: number, height: number): void;
  dispose(): void;
}

/** Where the whole picture lies on a canvas. */
export function frameOf(scene: Pick<Scene, "width" | "height" | "camera">, width: number, height: number): Rectangle {
  const scale = Math.min(width / scene.width, height / scene.height) * scene.camera.zoom;
  const size = { width: scene.width * scale, height: scene.height * scale };
  return { x: width / 2 - scene.camera.x * size.width, y: height / 2 - scene.camera.y * size.height, ...size };
}

/** The camera after zooming by `factor` about a point of the canvas, which stays where it is. */
export function zoomed(camera: Camera, factor: number, at: { x: number; y: number }): Camera {
  const zoom = Math.min(32, Math.max(1, camera.zoom * factor));
  if (zoom === 1) return WHOLE;
  const share = 1 - camera.zoom / zoom;
  return held({ zoom, x: camera.x + (at.x - camera.x) * share, y: camera.y + (at.y - camera.y) * share });
}

/** Keeps the middle on the picture. */
export function held(camera: Camera): Camera {
  const inside = (value: number) => Math.min(1 - 0.5 / camera.zoom, Math.max(0.5 / camera.zoom, value));
  return { zoom: camera.zoom, x: inside(camera.x), y: inside(camera.y) };
}

/** The cell under a point of the picture (in its pixels); undefined where the model did not look. */
export function cellAt(grid: Grid, placement: Rectangle, x: number, y: number): { value: number; row: number; column: number } | undefined {
  const column = Math.floor(((x - placement.x) / placement.width) * grid.width);
  const row = Math.floor(((y - placement.y) / placement.height) * grid.height);
  if (column < 0 || row < 0 || column >= grid.width || row >= grid.height) return undefined;
  return { value: grid.values[row * grid.width + column] ?? NaN, row, column };
}
