//! What is on the screen as the part of the address behind '#', and back. Defaults are left out.

import type { Mode, Sign } from "../draw/scene.ts";
import { DEFAULTS } from "./look.svelte.ts";

export interface Address {
  picture?: string;
  /** Of techniques that look at a whole one: "datasets/digits". */
  dataset?: string;
  model?: string;
  technique?: string;
  /** The index of the explained class. */
  target?: number;
  seed?: string;
  params: Record<string, unknown>;
  run?: string;
  compared?: string;
  group?: string;
  look: Partial<typeof DEFAULTS>;
}

const PARAM = "p.";

export function written(address: Address): string {
  const query = new URLSearchParams();
  const plain = ["picture", "dataset", "model", "technique", "target", "seed", "run", "compared", "group"] as const;
  for (const key of plain) if (address[key] !== undefined && address[key] !== "") query.set(key, String(address[key]));
  for (const [name, value] of Object.entries(address.params)) query.set(PARAM + name, JSON.stringify(value));
  for (const [name, value] of Object.entries(address.look)) {
    if (value !== DEFAULTS[name as keyof typeof DEFAULTS]) query.set(name, String(value));
  }
  return `#${query.toString().replaceAll("%2F", "/").replaceAll("%22", '"')}`;
}

export function read(hash: string): Address {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const address: Address = { params: {}, look: {} };
  for (const key of ["picture", "dataset", "model", "technique", "seed", "run", "compared", "group"] as const) {
    const value = query.get(key);
    if (value) address[key] = value;
  }
  const target = Number(query.get("target") ?? NaN);
  if (Number.isInteger(target) && target >= 0) address.target = target;
  for (const [name, value] of query) {
    if (name.startsWith(PARAM)) address.params[name.slice(PARAM.length)] = unpacked(value);
  }
  Object.assign(address.look, lookOf(query));
  return address;
}

function unpacked(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function lookOf(query: URLSearchParams): Address["look"] {
  const number = (name: string, low: number, high: number) => {
    const value = Number(query.get(name) ?? NaN);
    return value >= low && value <= high ? { [name]: value } : {};
  };
  const one = (name: string, of: readonly string[]) => {
    const value = query.get(name);
    return value !== null && of.includes(value) ? { [name]: value } : {};
  };
  return {
    ...number("opacity", 0, 1),
    ...number("clip", 90, 100),
    ...one("mode", ["overlay", "map", "masked"] satisfies Mode[]),
    ...one("sign", ["both", "positive", "negative"] satisfies Sign[]),
    ...one("sequential", ["turbo", "viridis", "magma", "grey"]),
    ...(query.get("smooth") === "false" ? { smooth: false } : {}),
  };
}
