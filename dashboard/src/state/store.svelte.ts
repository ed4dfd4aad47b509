//! All runs of this page, fed by one stream. Reconnecting is its business alone; views are functions of it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ControlRunRequestSchema, RunSpecSchema, type RunEvent, type Services, WhyglassError, readArtifact, readNpy, uuid, watchGroup } from "whyglass";
import { Run } from "./run.svelte.ts";

export type Connection = "connecting" | "connected" | "lost";
export type Action = NonNullable<MessageInitShape<typeof ControlRunRequestSchema>["action"]>;
export type Spec = MessageInitShape<typeof RunSpecSchema>;

/** How long runs wait for a page that reloads or lost its network. */
const LINGER_SECONDS = 30n;
/** The page draws no faster than this. */
const FRAME_INTERVAL_NANOS = 30_000_000;

export class Store {
  /** Oldest first. */
  runs = $state.raw<readonly Run[]>([]);
  connection = $state<Connection>("connecting");
  /** Why the connection was lost. */
  trouble = $state("");
  /** The server wants a token; what it says of the one that it was shown. */
  refused = $state<string | undefined>(undefined);
  /** Settled by the first connection: before it there is no use in asking for anything. */
  readonly reached: Promise<void>;
  private settle = (): void => {};

  constructor(
    private readonly server: Services,
    readonly group: string,
    /** Which picture a run explains, as far as this browser remembers. */
    private readonly pictureOf: (run: string) => string | undefined = () => undefined,
  ) {
    this.reached = new Promise((resolve) => (this.settle = resolve));
  }

  watch(signal: AbortSignal): Promise<void> {
    const listener = {
      event: (event: RunEvent) => this.take(event),
      connected: (restarted: boolean) => this.connected(restarted),
      lost: (error: WhyglassError) => {
        this.connection = "lost";
        this.trouble = error.message;
        if (error.code === Code.Unauthenticated) this.refuse(error);
      },
    };
    const options = { minFrameInterval: { nanos: FRAME_INTERVAL_NANOS } };
    return watchGroup(this.server, this.group, listener, signal, options);
  }

  /** A token is wanted: nothing is wrong yet where none was shown. */
  refuse(error: WhyglassError): void {
    this.refused = error.reason === "TOKEN_MISSING" ? "" : error.message;
  }

  take(message: RunEvent): void {
    const run = this.known(message.run);
    run.take(message);
    const { event } = message;
    if (event.case === "keyframe" && event.value.content.case === "reference") void this.fetch(run, event.value.artifact);
  }

  /** The numbers of a frame that was too large for an event. */
  private async fetch(run: Run, id: string): Promise<void> {
    const track = run.track(id);
    const frame = track?.latest;
    const name = frame?.artifact.reference;
    if (!track || !frame || !name) return;
    try {
      const { shape, values } = readNpy(await readArtifact(this.server.explain, name));
      track.replace(frame, { ...frame, artifact: frame.artifact.filled(shape, values) });
    } catch (error) {
      this.trouble = WhyglassError.from(error).message;
    }
  }

  connected(restarted: boolean): void {
    if (restarted) for (const run of this.runs) if (!run.isOver) run.gone = true;
    this.connection = "connected";
    this.trouble = "";
    this.settle();
  }

  /** The run of this name, which need not have told anything yet. */
  known(name: string): Run {
    const found = this.runs.find((run) => run.name === name);
    if (found) return found;
    const run = new Run(name);
    run.picture = this.pictureOf(name);
    this.runs = [...this.runs, run];
    return run;
  }

  async create(spec: Spec): Promise<Run> {
    const request = { specs: [spec], group: this.group, linger: { seconds: LINGER_SECONDS }, requestId: uuid() };
    const { accepted } = await this.server.explain.createRuns(request);
    const [name] = accepted?.runs ?? [];
    if (name === undefined) throw new Error("the server created no run");
    return this.known(name);
  }

  async control(run: Run, action: Action): Promise<void> {
    const answer = await this.server.explain.controlRun({ run: run.name, action });
    // The event says so too; a button should not have to wait for it.
    if (action.case === "stop") run.stopTaken = true;
    if (answer.run && !run.isOver) run.state = answer.run.state;
  }
}
