//! What the reader has chosen: picture, model, class, technique, parameters. Choosing asks the server what depends on it;
//! what was computed is the store's.

import { Code } from "@connectrpc/connect";
import { type ClassScore, type Dataset, type Layer, type Model, type Services, type Technique, WhyglassError, all } from "whyglass";
import type { Range } from "../draw/scale.ts";
import { fieldsOf } from "../form/schema.ts";
import { costOf, rememberCost, rememberPicture } from "./memory.ts";
import type { Run } from "./run.svelte.ts";
import type { Picture } from "./pictures.ts";
import type { Spec, Store } from "./store.svelte.ts";
import { View } from "./view.svelte.ts";

export type Params = Record<string, unknown>;

export class Session {
  models = $state.raw<readonly Model[]>([]);
  model = $state("");
  picture = $state.raw<Picture | undefined>(undefined);
  /** Those that can be used. */
  datasets = $state.raw<readonly Dataset[]>([]);
  /** "datasets/digits": what techniques that look at a whole dataset look at. */
  dataset = $state("");
  /** All of them, whether the model can do them or not. */
  techniques = $state.raw<readonly Technique[]>([]);
  technique = $state("");
  layers = $state.raw<readonly Layer[]>([]);
  scores = $state.raw<readonly ClassScore[]>([]);
  /** The class to explain; undefined: the most probable. */
  target = $state<number | undefined>(undefined);
  seed = $state("");
  /** What the reader set, by technique. */
  chosen = $state.raw<Readonly<Record<string, Params>>>({});
  views = $state.raw<readonly View[]>([new View()]);
  active = $state(0);
  starting = $state(false);
  /** Faults by where they belong: "picture", "model", "run", "params.size". */
  faults = $state.raw<Readonly<Record<string, string>>>({});
  maxBytes = 32 << 20;
  /** How many costs have been noted: what they are is the browser's to remember. */
  private noted = $state(0);
  /** Pictures that were open, by key: other views may show them still. */
  private opened = $state.raw<ReadonlyMap<string, Picture>>(new Map());

  constructor(
    private readonly server: Services,
    readonly store: Store,
  ) {}

  get view(): View {
    return this.views[this.active] ?? (this.views[0] as View);
  }

  get params(): Params {
    return this.chosen[this.technique] ?? {};
  }

  readonly chosenTechnique = $derived(this.techniques.find(({ id }) => id === this.technique));
  readonly fields = $derived(fieldsOf(this.chosenTechnique?.paramsSchema ?? ""));
  readonly chosenModel = $derived(this.models.find(({ name }) => name === this.model));
  /** Computed in one go: cheap enough to start whenever something is chosen. */
  readonly isOneShot = $derived(this.chosenTechnique?.progressive === false);
  readonly needsDataset = $derived(this.chosenTechnique?.needs.includes("dataset") ?? false);
  /** What the technique needs and the model has not; empty where it can be run. */
  readonly lacks = $derived(this.lacking(this.chosenTechnique));
  /** There is what the technique looks at. */
  readonly hasInput = $derived(this.needsDataset ? this.dataset !== "" : this.picture !== undefined);

  fault(where: string, message?: string): void {
    const { [where]: _, ...others } = this.faults;
    this.faults = message === undefined ? others : { ...others, [where]: message };
  }

  async open(): Promise<void> {
    await this.attempt("model", async () => {
      const { limits } = await this.server.catalog.getServerInfo({});
      if (limits) this.maxBytes = Number(limits.maxImageBytes);
      await this.readModels();
      if (this.models.length === 0) throw new Error("this server has no model; put one into its model folder");
    });
    await this.attempt("dataset", async () => {
      const found = await all(async (pageToken) => {
        const page = await this.server.datasets.listDatasets({ pageToken });
        return [page.datasets, page.nextPageToken] as [Dataset[], string];
      });
      this.datasets = found.filter(({ problem }) => problem === "");
      this.dataset ||= this.datasets[0]?.name ?? "";
    });
  }

  /** What is known of them: of a model that has been loaded meanwhile, more. */
  private async readModels(): Promise<void> {
    this.models = await all(async (pageToken) => {
      const page = await this.server.models.listModels({ pageToken });
      return [page.models, page.nextPageToken];
    });
  }

  /** What a technique needs of the model, and the model has not. */
  lacking(technique: Technique | undefined): string[] {
    const model = this.chosenModel;
    if (!model || model.capabilities.length === 0) return [];
    return (technique?.needs ?? []).filter((need) => need !== "dataset" && !model.capabilities.includes(need));
  }

  async chooseModel(name: string): Promise<void> {
    if (name === this.model) return;
    this.model = name;
    this.target = undefined;
    this.scores = [];
    this.layers = [];
    await this.attempt("model", async () => {
      const [techniques, layers] = await Promise.all([
        all(async (pageToken) => {
          const page = await this.server.catalog.listTechniques({ pageToken });
          return [page.techniques, page.nextPageToken] as [Technique[], string];
        }),
        all(async (pageToken) => {
          const page = await this.server.models.listLayers({ model: name, pageToken });
          return [page.layers, page.nextPageToken] as [Layer[], string];
        }),
        this.classify(),
      ]);
      if (this.model !== name) return;
      this.techniques = techniques;
      this.layers = layers;
      await this.readModels();
      if (!techniques.some(({ id }) => id === this.technique)) this.technique = firstOf(techniques);
    });
  }

  async choosePicture(picture: Picture): Promise<void> {
    this.picture = picture;
    this.opened = new Map([...this.opened, [picture.key, picture]]);
    this.target = undefined;
    this.scores = [];
    if (this.view.run?.picture !== picture.key) this.view.show(undefined);
    this.fault("picture");
    await this.classify();
  }

  /** A picture that was opened before. */
  kept(key: string | undefined): Picture | undefined {
    return key === undefined ? undefined : this.opened.get(key);
  }

  private async classify(): Promise<void> {
    const { picture, model } = this;
    if (!picture || !model) return;
    await this.attempt("picture", async () => {
      const { scores } = await this.server.models.classify({ model, image: picture.source, top: 9 });
      if (this.picture === picture && this.model === model) this.scores = scores;
    });
  }

  set(name: string, value: unknown): void {
    const { [name]: _, ...others } = this.params;
    const params = value === undefined ? others : { ...others, [name]: value };
    this.chosen = { ...this.chosen, [this.technique]: params };
    this.fault(`params.${name}`);
  }

  /** Another class; explained at once where that is cheap. */
  async chooseTarget(index: number | undefined): Promise<void> {
    this.target = index;
    await this.cheaply();
  }

  async chooseTechnique(id: string): Promise<void> {
    this.technique = id;
    this.faults = {};
    await this.cheaply();
  }

  /** After a choice: starts what takes one shot; the rest waits for the reader. */
  async cheaply(): Promise<void> {
    if (this.isOneShot && this.hasInput) await this.explain();
  }

  /** Starts what is chosen, in the active view. */
  async explain(): Promise<Run | undefined> {
    const { view } = this;
    const picture = this.needsDataset ? undefined : this.picture;
    if (!this.hasInput || !this.technique || this.starting || this.lacks.length > 0) return undefined;
    this.starting = true;
    this.faults = {};
    try {
      const run = await this.store.create(this.spec(picture));
      if (picture) {
        run.picture = picture.key;
        rememberPicture(run.name, picture.key);
      }
      view.show(run);
      return run;
    } catch (thrown) {
      this.refused(WhyglassError.from(thrown));
      return undefined;
    } finally {
      this.starting = false;
    }
  }

  private spec(picture: Picture | undefined): Spec {
    const input = picture ? ({ case: "image", value: picture.source } as const) : ({ case: "dataset", value: this.dataset } as const);
    const target = this.target === undefined || !picture ? {} : { target: { target: { case: "classIndex", value: this.target } as const } };
    const seed = this.seed.trim() === "" ? {} : { seed: BigInt(this.seed) };
    const params = this.params as Spec["params"] & object;
    return { model: this.model, technique: this.technique, input, params, ...target, ...seed };
  }

  private refused(error: WhyglassError): void {
    let placed = false;
    for (const { field, description } of error.fields) {
      const name = field.replace(/^specs\[0\]\./, "").replace(/^image.*/, "picture");
      this.fault(name, description);
      placed ||= name === "picture" || this.fields.some((known) => name === `params.${known.name}`);
    }
    if (!placed) this.fault("run", error.message);
  }

  /** The scale of a view. Maps beside each other that say the same sort of thing have one. */
  rangeOf(view: View, clip: number): Range {
    const alike = this.views.filter((other) => other.isMap && !other.against && other.signed === view.signed && other.error === view.error);
    const ranges = (alike.includes(view) ? alike : [view]).map((one) => one.rangeAt(clip));
    return { low: Math.min(...ranges.map(({ low }) => low)), high: Math.max(...ranges.map(({ high }) => high)) };
  }

  /** What the same cost last time. */
  get lastCost() {
    void this.noted;
    return costOf(this.costName(this.technique, this.model, this.params));
  }

  private costName(technique: string, model: string, params: Params): string {
    return `${technique} ${model} ${JSON.stringify(Object.entries(params).sort())}`;
  }

  noteCost(run: Run): void {
    if (!run.finished?.complete || !run.progress || run !== this.view.run) return;
    const cost = { evaluations: Number(run.progress.modelEvaluations), seconds: run.elapsedMs / 1000 };
    rememberCost(this.costName(this.technique, this.model, this.params), cost);
    this.noted++;
  }

  /** Does something that may fail, and says where it belongs if it does. */
  async attempt(where: string, what: () => Promise<void>): Promise<void> {
    this.fault(where);
    try {
      await what();
    } catch (thrown) {
      const own = thrown instanceof Error && thrown.name === "Error";
      const error = own ? undefined : WhyglassError.from(thrown);
      if (error?.code === Code.Unauthenticated) this.store.refuse(error);
      this.fault(where, error?.message ?? (thrown as Error).message);
    }
  }
}

/** What shows most at once: something that grows and that every model can do. */
function firstOf(techniques: readonly Technique[]): string {
  return (techniques.find(({ id }) => id === "occlusion") ?? techniques.find(({ progressive }) => progressive) ?? techniques[0])?.id ?? "";
}
