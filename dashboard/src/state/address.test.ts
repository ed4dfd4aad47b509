import { expect, test } from "vitest";
import { read, written } from "./address.ts";

test("what was written is read again", () => {
  const address = {
    picture: "sample/chelsea.png", dataset: "datasets/digits", model: "lite0", technique: "occlusion", target: 281, seed: "7",
    params: { size: 0.2, fill: "mean", channels: [1, 2], clip: false }, run: "runs/ab", group: "g",
    look: { opacity: 0.3, mode: "masked" as const },
  };
  expect(read(written(address))).toEqual(address);
});

test("defaults are left out, and nonsense is passed over", () => {
  expect(written({ params: {}, look: { opacity: 0.6, mode: "overlay" } })).toBe("#");
  const odd = read("#opacity=7&mode=sideways&target=-1&clip=x&sequential=pink&p.size=0.2&p.name=plain");
  expect(odd).toEqual({ params: { size: 0.2, name: "plain" }, look: {} });
});
