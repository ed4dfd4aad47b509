//! A run as its events tell it. Events change it and nothing else does; what is drawn is a function of it.

import { Artifact, type Finished, type Progress, type RunEvent, type RunSpec, RunState, type Started } from "whyglass";
import { Track } from "./track.svelte.ts";

export class Run {
  state = $state(RunState.QUEUED);
  /** As resolved once it has started, as asked for before. */
  spec = $state.raw<RunSpec | undefined>(undefined);
  started = $state.raw<Started | undefined>(undefined);
  progress = $state.raw<Progress | undefined>(undefined);
  tracks = $state.raw<readonly Track[]>([]);
  metrics = $state.raw<Readonly<Record<string, number>>>({});
  notices = $state.raw<readonly string[]>([]);
  finished = $state.raw<Finished | undefined>(undefined);
  elapsedMs = $state(0);
  /** Which picture it explains; unknown for a run of another page. */
  picture = $state.raw<string | undefined>(undefined);
  /** It ended with the server that ran it. */
  gone = $state(false);
  /** The server has taken a stop: the evaluation that is on its way is the last. */
  stopTaken = $state(false);
  private sequence = 0n;

  constructor(readonly name: string) {}

  get isOver(): boolean {
    return this.gone || this.finished !== undefined;
  }

  get isStopping(): boolean {
    return this.stopTaken && !this.isOver;
  }

  get isPaused(): boolean {
    return this.state === RunState.PAUSED && !this.isOver;
  }

  /** Pictures that have gone through the model; a watcher that came late has it from the manifest. */
  get evaluations(): number {
    if (this.progress) return Number(this.progress.modelEvaluations);
    const manifest = JSON.parse(this.finished?.manifest || "{}") as { model_evaluations?: number };
    return manifest.model_evaluations ?? 0;
  }

  /** What a person looks at first. */
  get main(): Track | undefined {
    return this.tracks[0];
  }

  track(id: string): Track | undefined {
    return this.tracks.find((track) => track.id === id);
  }

  /** Events that were seen before are passed over. */
  take(message: RunEvent): void {
    if (message.sequence <= this.sequence) return;
    this.sequence = message.sequence;
    if (message.elapsed) this.elapsedMs = Number(message.elapsed.seconds) * 1000 + message.elapsed.nanos / 1e6;
    const { event } = message;
    switch (event.case) {
      case "stateChanged":
        this.state = event.value.state;
        break;
      case "started":
        this.state = RunState.RUNNING;
        this.started = event.value;
        this.spec = event.value.resolved ?? this.spec;
        break;
      case "progress":
        this.progress = event.value;
        break;
      case "keyframe":
        this.push(Artifact.of(event.value));
        break;
      case "tiles": {
        const before = this.track(event.value.artifact)?.latest;
        if (before) this.push(before.artifact.with(event.value));
        break;
      }
      case "metrics":
        this.metrics = { ...this.metrics, ...event.value.values };
        break;
      case "notice":
        this.notices = [...this.notices, event.value.status?.message ?? ""];
        break;
      case "finished":
        this.state = event.value.state;
        this.finished = event.value;
        break;
    }
  }

  private push(artifact: Artifact): void {
    let track = this.track(artifact.id);
    if (!track) {
      track = new Track(artifact.id);
      this.tracks = [...this.tracks, track];
    }
    const evaluations = Number(this.progress?.modelEvaluations ?? 0n);
    track.push({ artifact, evaluations, elapsedMs: this.elapsedMs, arrivedMs: performance.now() });
  }
}
