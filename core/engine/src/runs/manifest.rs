//! The manifest of a result: everything that a reader needs to repeat it and to trust it, as JSON. `model_evaluations` and
//! `model_seconds` are of what was evaluated for this run: what the model remembered of the picture counts as none, so that a run
//! that is repeated may have fewer.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::event::{ArtifactMeta, ArtifactState, Outcome, RunState};
use super::run::{Inner, Run};

/// So many pictures that could not be read are named.
const NAMED: usize = 64;

/// Of a run that ends as `state`.
pub(super) fn of(run: &Run, inner: &Inner, state: RunState, status: &Outcome, complete: bool) -> String {
    let (model, technique) = (&run.spec.model, &run.spec.technique);
    let (info, descriptor) = (model.info(), model.descriptor());
    let started = inner.started.as_deref();
    let placement = started.and_then(|started| started.placement);
    let seconds = inner.running_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
    let manifest = json!({
        "whyglass": env!("CARGO_PKG_VERSION"),
        "run": &*run.name,
        "state": state.name(),
        "complete": complete,
        "status": { "code": status.code.number(), "reason": status.reason, "field": status.field, "message": status.message },
        "model": {
            "name": info.name, "title": info.title, "sha256": info.sha256, "licence": info.licence, "source": info.source,
            "input": model.input(), "preprocessing": model.preprocessing(), "backend": descriptor.backend, "runtime": descriptor.runtime,
            "device": descriptor.device,
        },
        "technique": { "id": technique.id, "plugin": technique.plugin, "version": technique.plugin_version },
        "params": inner.params,
        "target": started.and_then(|started| started.resolved.target.as_ref())
            .map(|(index, label)| json!({ "index": index, "label": label })),
        "seed": run.spec.seed,
        "max_duration_seconds": run.spec.max_duration.as_secs_f64(),
        "threads": inner.threads,
        "preferred_batch": descriptor.preferred_batch,
        "gradients_together": descriptor.gradients_together,
        "model_evaluations": run.evaluations.load(Ordering::Relaxed),
        "model_seconds": Duration::from_nanos(run.model_nanos.load(Ordering::Relaxed)).as_secs_f64(),
        "seconds": seconds,
        "start_time_unix": started.map(|started| unix(started.start_time)),
        "scores": started.map(|started| started.scores.iter().map(|score| json!({
            "index": score.index, "label": score.label, "logit": score.logit, "probability": score.probability,
        })).collect::<Vec<_>>()),
        "placement": placement.map(|p| json!({
            "original_width": p.original_width, "original_height": p.original_height,
            "x": p.x, "y": p.y, "width": p.width, "height": p.height,
        })),
        "dataset": run.spec.dataset.as_ref().map(|set| json!({
            "name": set.name, "items": set.items.len(), "classes": set.classes, "unreadable": inner.unreadable.len(),
            "unreadable_items": inner.unreadable.keys().take(NAMED).collect::<Vec<_>>(),
        })),
        "metrics": inner.metrics,
        "notices": inner.notices.iter()
            .map(|(reason, message)| json!({ "reason": reason, "message": message })).collect::<Vec<_>>(),
        "artifacts": inner.artifacts.states().map(artifact).collect::<Vec<_>>(),
    });
    manifest.to_string()
}

fn artifact(state: &ArtifactState) -> Value {
    let meta = match &*state.meta {
        ArtifactMeta::Map(meta) => json!(meta),
        ArtifactMeta::Image(meta) => json!(meta),
        // These name a dataset's items and may be long; they are with the artifact.
        ArtifactMeta::Points(_) | ArtifactMeta::Table(_) => Value::Null,
    };
    json!({ "id": &*state.id, "kind": state.kind, "shape": state.tensor.shape, "meta": meta })
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
