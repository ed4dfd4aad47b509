//! The one page: its store, its session, and what happens when it opens. Everything that a button or a key does is here.

import type { Model } from "whyglass";
import { server } from "../server.ts";
import { loadColours } from "../draw/colour.ts";
import { read, written } from "./address.ts";
import { DEFAULTS, look } from "./look.svelte.ts";
import { pictureOf } from "./memory.ts";
import { dropped, opened, sampleNames } from "./pictures.ts";
import type { Run } from "./run.svelte.ts";
import { Session } from "./session.svelte.ts";
import { Store } from "./store.svelte.ts";
import { View } from "./view.svelte.ts";

const asked = read(location.hash);

export const store = new Store(server, asked.group ?? newGroup(), pictureOf);
export const session = new Session(server, store);
export const page = new (class {
  samples = $state.raw<readonly string[]>([]);
  /** Everything that opening needs has been asked for. */
  ready = $state(false);
})();

function newGroup(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Opens what the address names, or shows a newcomer something at once. */
export async function open(signal: AbortSignal): Promise<void> {
  void store.watch(signal);
  Object.assign(look, asked.look);
  // Until then the address keeps all that was asked for: a token may be missing, or the server.
  await store.reached;
  const [, , samples] = await Promise.all([loadColours(), session.open(), sampleNames().catch(() => [])]);
  page.samples = samples;
  const isNew = !asked.picture && !asked.run && !asked.group;
  if (session.datasets.some(({ name }) => name === asked.dataset)) session.dataset = asked.dataset ?? "";
  const name = session.models.some(({ name }) => name === asked.model) ? asked.model : firstOf(session.models)?.name;
  if (asked.technique) session.technique = asked.technique;
  if (name) await session.chooseModel(name);
  if (asked.technique && session.technique === asked.technique) session.chosen = { [asked.technique]: asked.params };
  const key = asked.picture ?? (isNew ? favourite(samples) : undefined);
  if (key) await openPicture(key);
  session.target = asked.target;
  session.seed = asked.seed ?? "";
  await showAsked();
  page.ready = true;
  if (isNew && session.picture && session.model) await session.explain();
}

/** What a newcomer looks into: the model that sees most of a picture, and no derived one. */
function firstOf(models: readonly Model[]): Model | undefined {
  const side = ({ base, inputHeight }: Model) => (base === "" ? inputHeight : 0);
  return models.reduce<Model | undefined>((best, model) => (!best || side(model) > side(best) ? model : best), undefined);
}

function favourite(samples: readonly string[]): string | undefined {
  const name = samples.find((name) => name.startsWith("chelsea")) ?? samples[0];
  return name && `sample/${name}`;
}

/** The runs of the address; one that the server has forgotten is repeated where that can be done. */
async function showAsked(): Promise<void> {
  if (asked.run) {
    if (await isKept(asked.run)) session.view.show(pictured(asked.run));
    else if (session.picture) await session.explain();
    else session.fault("run", "the server no longer keeps the run of this link; drop its picture to repeat it");
  }
  if (asked.compared && (await isKept(asked.compared))) {
    compare();
    session.view.show(pictured(asked.compared));
    session.active = 0;
  }
}

/** A run of the address, whose picture the address names too: another browser made it. */
function pictured(name: string): Run {
  const run = store.known(name);
  run.picture ??= session.picture?.key;
  return run;
}

async function isKept(run: string): Promise<boolean> {
  try {
    return (await server.explain.getRun({ run })).run?.groups.includes(store.group) ?? false;
  } catch {
    return false;
  }
}

export async function openPicture(key: string): Promise<void> {
  await session.attempt("picture", async () => session.choosePicture(await opened(key)));
}

/** A picture that was clicked on: explained at once. */
export async function clickSample(name: string): Promise<void> {
  await openPicture(`sample/${name}`);
  if (session.picture?.key === `sample/${name}`) await session.explain();
}

/** A picture of a dataset. */
export async function clickItem(name: string): Promise<void> {
  await openPicture(name);
  if (session.picture?.key === name) await session.cheaply();
}

export async function drop(file: File): Promise<void> {
  await session.attempt("picture", async () => session.choosePicture(await dropped(file, session.maxBytes)));
  const { picture, view } = session;
  if (picture && view.run?.picture !== picture.key) await session.cheaply();
}

export function compare(): void {
  if (session.views.length > 1) return;
  const second = new View();
  second.show(session.view.run);
  session.views = [...session.views, second];
  session.active = 1;
}

export function closeView(index: number): void {
  session.views = session.views.filter((_, i) => i !== index);
  for (const view of session.views) view.against = undefined;
  session.active = 0;
}

/** Shows a run, and makes the choices those that it was made with. */
export async function adopt(run: Run): Promise<void> {
  session.view.show(run);
  const { spec, picture } = run;
  if (picture && picture !== session.picture?.key) {
    const { view } = session;
    await openPicture(picture);
    view.show(run);
  }
  if (!spec) return;
  await session.chooseModel(spec.model);
  session.technique = spec.technique;
  if (spec.input.case === "dataset") session.dataset = spec.input.value;
  const { target } = spec.target ?? {};
  session.target = target?.case === "classIndex" ? target.value : undefined;
}

async function steer(run: Run | undefined, action: "stop" | "pause" | "resume"): Promise<void> {
  if (!run || run.isOver) return;
  await session.attempt("run", () => store.control(run, { case: action, value: {} }));
}

export const stop = (): Promise<void> => steer(session.view.run, "stop");

export const pauseOrResume = (): Promise<void> => {
  const { run } = session.view;
  return steer(run, run?.isPaused ? "resume" : "pause");
};

/** A parameter that may change while the run computes. */
export async function setLive(name: string, value: unknown): Promise<void> {
  const { run } = session.view;
  if (!run || run.isOver || run.spec?.technique !== session.technique) return;
  const params = { [name]: value } as Record<string, never>;
  await session.attempt(`params.${name}`, () => store.control(run, { case: "setParams", value: { params } }));
}

/** The address of what is on the screen. */
export function address(): string {
  const [first, second] = session.views;
  const { seed } = first?.run?.spec ?? {};
  const { target, picture } = session;
  return written({
    ...(picture && { picture: picture.key }),
    ...(session.needsDataset && { dataset: session.dataset }),
    model: session.model,
    technique: session.technique,
    ...(target !== undefined && { target }),
    ...(seed !== undefined && { seed: String(seed) }),
    params: session.params,
    ...(first?.run && { run: first.run.name }),
    ...(second?.run && { compared: second.run.name }),
    group: store.group,
    look: Object.fromEntries(Object.keys(DEFAULTS).map((key) => [key, look[key as keyof typeof DEFAULTS]])),
  });
}
