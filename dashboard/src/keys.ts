//! The keyboard: one key, one thing. Keys that a field or a button needs are left to it.

import { look } from "./state/look.svelte.ts";
import { pauseOrResume, session, stop } from "./state/page.svelte.ts";
import { saveNumbers } from "./state/export.ts";

export const KEYS = [
  ["←  →", "one frame back, one frame on"],
  ["Space", "pause, and go on"],
  ["S", "stop, and keep what there is"],
  ["Enter", "explain"],
  ["E", "save the numbers on show (.npy)"],
  ["[  ]", "less and more of the map"],
  ["1 … 9", "explain this class"],
  ["0", "back to the most probable class"],
  ["?", "this list"],
] as const;

export function keyed(event: KeyboardEvent, help: () => void): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target.matches("input, select, textarea, [contenteditable], dialog *")) return;
  const onControl = target.matches("button, a, summary");
  if (onControl && (event.key === " " || event.key === "Enter")) return;
  const done = act(event.key, help);
  if (done) event.preventDefault();
}

function act(key: string, help: () => void): boolean {
  const { view } = session;
  if (/^[1-9]$/.test(key)) {
    const score = session.scores[Number(key) - 1];
    if (score) void session.chooseTarget(score.index);
    return score !== undefined;
  }
  switch (key) {
    case "0": void session.chooseTarget(undefined); break;
    case "ArrowLeft": view.go(view.index - 1); break;
    case "ArrowRight": view.go(view.index + 1); break;
    case " ": void pauseOrResume(); break;
    case "s": case "S": void stop(); break;
    case "e": case "E": void session.attempt("run", () => saveNumbers(view)); break;
    case "[": look.brighten(-0.05); break;
    case "]": look.brighten(0.05); break;
    case "Enter": void session.explain(); break;
    case "?": help(); break;
    default: return false;
  }
  return true;
}
