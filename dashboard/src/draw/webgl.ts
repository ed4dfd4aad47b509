//! Paints with WebGL 2: the map as a texture of its own numbers (R32F), coloured on the graphics card.

import { type Grid, type Mode, type Painter, type Scene, type Sign, frameOf } from "./scene.ts";
import { FRAGMENT, NOTHING, VERTEX } from "./shader.ts";

const MODES: Record<Mode, number> = { overlay: 0, map: 1, masked: 2 };
const SIGNS: Record<Sign, number> = { both: 0, positive: 1, negative: 2 };
const UNITS = ["base", "map", "before", "colours"] as const;

/** Names under which processors stand in for graphics cards. */
const STAND_INS = /SwiftShader|llvmpipe|softpipe|Basic Render|Software/i;
let hasCard: boolean | undefined;

/** A painter on `canvas`; undefined where there is no WebGL 2, or no graphics card behind it: a shader that a processor runs
 * for each pixel of the screen takes several times as long as colouring a map once. */
export function webglPainter(canvas: HTMLCanvasElement): Painter | undefined {
  // Looked at on another canvas: one that was asked for WebGL paints in no other way any more.
  hasCard ??= looksLikeCard(document.createElement("canvas"));
  const gl = hasCard ? canvas.getContext("webgl2", { alpha: true, premultipliedAlpha: true, antialias: false }) : null;
  return gl ? new WebglPainter(gl) : undefined;
}

function looksLikeCard(canvas: HTMLCanvasElement): boolean {
  const gl = canvas.getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!gl) return false;
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !STAND_INS.test(name);
}

class WebglPainter implements Painter {
  readonly fades = true;
  private program!: WebGLProgram;
  private textures!: WebGLTexture[];
  /** What each texture holds, so that nothing is sent twice. */
  private held: unknown[] = [];
  private readonly restored = () => this.prepare();

  constructor(private readonly gl: WebGL2RenderingContext) {
    gl.canvas.addEventListener("webglcontextlost", prevent);
    gl.canvas.addEventListener("webglcontextrestored", this.restored);
    this.prepare();
  }

  private prepare(): void {
    const { gl } = this;
    this.program = linked(gl);
    gl.useProgram(this.program);
    gl.bindVertexArray(gl.createVertexArray());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.held = [];
    this.textures = UNITS.map((name, unit) => {
      const texture = gl.createTexture();
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      const filter = name === "base" ? gl.LINEAR : gl.NEAREST;
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, name === "base" ? gl.LINEAR_MIPMAP_LINEAR : filter);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
      gl.uniform1i(gl.getUniformLocation(this.program, name), unit);
      return texture;
    });
  }

  paint(scene: Scene, width: number, height: number): void {
    const { gl } = this;
    if (gl.isContextLost()) return;
    this.send(scene);
    const at = (name: string) => gl.getUniformLocation(this.program, name);
    const frame = frameOf(scene, width, height);
    const { placement: place, range } = scene;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform4f(at("frame"), frame.x, frame.y, frame.width, frame.height);
    const [w, h] = [scene.width, scene.height];
    gl.uniform4f(at("placement"), place.x / w, place.y / h, place.width / w, place.height / h);
    gl.uniform2f(at("canvas"), width, height);
    gl.uniform2f(at("range"), range.low, range.high);
    gl.uniform1f(at("opacity"), scene.opacity);
    gl.uniform1f(at("fade"), scene.before ? scene.fade : 1);
    gl.uniform1i(at("hasBase"), scene.base ? 1 : 0);
    gl.uniform1i(at("hasMap"), scene.map ? 1 : 0);
    gl.uniform1i(at("diverging"), scene.diverging ? 1 : 0);
    gl.uniform1i(at("smoothing"), scene.smooth ? 1 : 0);
    gl.uniform1i(at("mode"), MODES[scene.mode]);
    gl.uniform1i(at("sign"), SIGNS[scene.sign]);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private send({ base, map, before, table }: Scene): void {
    const { gl } = this;
    this.load(0, base, () => {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, base as ImageBitmap);
      gl.generateMipmap(gl.TEXTURE_2D);
    });
    this.load(1, map?.values, () => this.numbers(map as Grid));
    this.load(2, (before ?? map)?.values, () => this.numbers((before ?? map) as Grid));
    this.load(3, table, () => {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, table);
    });
  }

  private load(unit: number, content: unknown, upload: () => void): void {
    if (content === undefined || this.held[unit] === content) return;
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    upload();
    this.held[unit] = content;
  }

  private numbers({ values, width, height }: Grid): void {
    const { gl } = this;
    const finite = values.map((value) => (Number.isFinite(value) ? value : NOTHING));
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, width, height, 0, gl.RED, gl.FLOAT, finite);
  }

  dispose(): void {
    this.gl.canvas.removeEventListener("webglcontextlost", prevent);
    this.gl.canvas.removeEventListener("webglcontextrestored", this.restored);
    for (const texture of this.textures) this.gl.deleteTexture(texture);
    this.gl.deleteProgram(this.program);
  }
}

function prevent(event: Event): void {
  event.preventDefault();
}

function linked(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (!shader) continue;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the shader does not link: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}
