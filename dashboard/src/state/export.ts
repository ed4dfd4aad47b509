//! What can be taken away: the frame on show, its numbers, the manifest, and the command that does the same.

import { readArtifact, writeNpy } from "whyglass";
import { server } from "../server.ts";
import type { Run } from "./run.svelte.ts";
import type { View } from "./view.svelte.ts";

export function save(bytes: BlobPart, type: string, name: string): void {
  const address = URL.createObjectURL(new Blob([bytes], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function fileName(view: View, extension: string): string {
  const { spec } = view.run ?? {};
  return [spec?.technique ?? "whyglass", spec?.model, view.track?.id].filter(Boolean).join("-") + `.${extension}`;
}

/** The frame's numbers; of an image, which travels as a picture, the newest ones from the server. */
export async function saveNumbers(view: View): Promise<void> {
  const { artifact } = view.frame ?? {};
  if (!artifact || !view.run) return;
  if (artifact.values.length === 0) {
    const file = await readArtifact(server.explain, `${view.run.name}/artifacts/${artifact.id}`);
    return save(file, "application/x-npy", fileName(view, "npy"));
  }
  save(writeNpy(artifact.shape, view.values) as Uint8Array<ArrayBuffer>, "application/x-npy", fileName(view, "npy"));
}

export function saveManifest(view: View): void {
  const { manifest } = view.run?.finished ?? {};
  if (manifest) save(JSON.stringify(JSON.parse(manifest), null, 2), "application/json", fileName(view, "json"));
}

/** The command line that computes the same run. */
export function commandOf(run: Run, picture: string): string {
  const { spec } = run;
  if (!spec) return "";
  const params = Object.entries(spec.params ?? {}).filter(([, value]) => value !== null);
  const value = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const target = spec.target?.target.case === "classIndex" ? ["--target", String(spec.target.target.value)] : [];
  const words = [
    "whyglass", "explain", spec.technique, spec.model,
    ...(spec.input.case === "dataset" ? ["--dataset", spec.input.value.replace(/^datasets\//, "")] : [picture || "PICTURE"]),
    ...params.flatMap(([name, given]) => ["-p", `${name}=${value(given)}`]),
    ...target,
    ...(spec.seed === undefined ? [] : ["--seed", String(spec.seed)]),
    "--out", "out/",
  ];
  return words.map(quoted).join(" ");
}

function quoted(word: string): string {
  return /^[\w./=:@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
