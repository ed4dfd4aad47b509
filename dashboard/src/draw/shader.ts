//! The shader that lays a map over a picture. All choices of the reader are uniforms: no new texture, no new request.

export const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

/** A value that stands for "not computed yet": shaders may take no notice of NaN. */
export const NOTHING = -3.0e38;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D base, map, before, colours;
uniform vec4 frame;      // of the picture on the canvas: x, y, width, height
uniform vec4 placement;  // of the map in the picture, 0…1
uniform vec2 canvas, range;
uniform float opacity, fade;
uniform bool hasBase, hasMap, diverging, smoothing;
uniform int mode;        // 0 overlay, 1 map alone, 2 picture masked by the map
uniform int sign;        // 0 both, 1 positive only, 2 negative only
out vec4 colour;

const float NOTHING = -1.0e38;

// The value, and whether there is one.
vec2 cell(sampler2D grid, ivec2 at) {
  float value = texelFetch(grid, clamp(at, ivec2(0), textureSize(grid, 0) - 1), 0).r;
  return value < NOTHING ? vec2(0.0) : vec2(value, 1.0);
}

vec2 sampled(sampler2D grid, vec2 at) {
  vec2 place = at * vec2(textureSize(grid, 0));
  vec2 nearest = cell(grid, ivec2(place));
  if (!smoothing || nearest.y == 0.0) return nearest;
  vec2 corner = floor(place - 0.5), part = place - 0.5 - corner;
  vec2 sum = vec2(0.0);
  for (int i = 0; i < 4; i++) {
    ivec2 step = ivec2(i & 1, i >> 1);
    vec2 weight = mix(1.0 - part, part, vec2(step));
    vec2 value = cell(grid, ivec2(corner) + step);
    sum += vec2(value.x, 1.0) * value.y * weight.x * weight.y;
  }
  return vec2(sum.x / max(sum.y, 1.0e-6), 1.0);
}

void main() {
  vec2 at = (vec2(gl_FragCoord.x, canvas.y - gl_FragCoord.y) - frame.xy) / frame.zw;
  if (any(lessThan(at, vec2(0.0))) || any(greaterThanEqual(at, vec2(1.0)))) { colour = vec4(0.0); return; }
  vec3 picture = hasBase ? texture(base, at).rgb : vec3(0.5);
  colour = vec4(picture, 1.0);
  if (!hasMap) return;
  vec2 inside = (at - placement.xy) / placement.zw;
  bool seen = all(greaterThanEqual(inside, vec2(0.0))) && all(lessThan(inside, vec2(1.0)));
  if (!seen) { colour = vec4(picture, 1.0) * (mode == 0 ? 0.4 : 0.0); return; }
  vec2 now = sampled(map, inside), was = sampled(before, inside);
  if (now.y == 0.0) { if (mode != 0) colour *= 0.12; return; }
  float value = was.y == 0.0 ? now.x : mix(was.x, now.x, fade);
  float there = was.y == 0.0 ? fade : 1.0;
  if ((sign == 1 && value < 0.0) || (sign == 2 && value > 0.0)) there = 0.0;
  float position = clamp((value - range.x) / (range.y - range.x), 0.0, 1.0);
  // How much it matters: the distance from zero where the scale has two ends.
  float weight = diverging ? abs(position * 2.0 - 1.0) : position;
  vec3 tint = texture(colours, vec2((position * 255.0 + 0.5) / 256.0, 0.5)).rgb;
  if (mode == 1) colour = vec4(tint, 1.0) * there;
  else if (mode == 2) colour = vec4(picture, 1.0) * mix(0.08, 1.0, there * smoothstep(0.0, 0.6, weight));
  else colour.rgb = mix(picture, tint, opacity * there * (diverging ? smoothstep(0.0, 0.35, weight) : 1.0));
}`;
