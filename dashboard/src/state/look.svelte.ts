//! How maps are looked at: the same for all views, and remembered in the address. Nothing of it needs the server.

import type { Camera, Mode, Sign } from "../draw/scene.ts";
import { WHOLE } from "../draw/scene.ts";

export const DEFAULTS = {
  opacity: 0.6,
  sequential: "turbo",
  mode: "overlay" as Mode,
  sign: "both" as Sign,
  clip: 99.5,
  smooth: true,
};

export class Look {
  opacity = $state(DEFAULTS.opacity);
  sequential = $state(DEFAULTS.sequential);
  mode = $state<Mode>(DEFAULTS.mode);
  sign = $state<Sign>(DEFAULTS.sign);
  clip = $state(DEFAULTS.clip);
  smooth = $state(DEFAULTS.smooth);
  camera = $state.raw<Camera>(WHOLE);
  /** Where the reader points, in pixels of the picture; shared by all views. */
  cursor = $state.raw<{ x: number; y: number } | undefined>(undefined);

  brighten(by: number): void {
    this.opacity = Math.round(Math.min(1, Math.max(0, this.opacity + by)) * 100) / 100;
  }
}

export const look = new Look();
