//! Artifacts that a technique wants of another one: which technique that is, and running it first, under the same run's
//! counters and cancellation.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::accumulate::Artifacts;
use super::event::Tensor;
use super::execute::explain;
use super::images::Subject;
use super::run::Run;
use super::{check, resolve};
use crate::call::{Call, Sink};
use crate::config::Limits;
use crate::emission::Emission;
use crate::error::{Code, Error, Result};
use crate::models::LoadedModel;
use crate::plugins::Technique;
use crate::plugins::registry::Registry;

/// An artifact to compute first.
pub(crate) struct Input {
    /// Under which `explain` receives it.
    pub name: String,
    pub technique: Arc<Technique>,
    pub params: Map<String, Value>,
    artifact: String,
}

impl Input {
    /// Everything that its artifact depends on, besides what it has in common with the run.
    pub(super) fn identity(&self) -> Value {
        let Self { name, technique, params, artifact } = self;
        json!([name, technique.id, technique.plugin, technique.plugin_version, params, artifact])
    }
}

/// What `technique` asks for, with the techniques that its parameters choose.
pub(super) fn check(
    technique: &Technique,
    model: &Arc<LoadedModel>,
    dataset: bool,
    params: &Map<String, Value>,
    plugins: &Registry,
    limits: &Limits,
    threads: u32,
) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for wanted in &technique.descriptor.inputs {
        let field = format!("params.{}", wanted.parameter);
        let Some(id) = params.get(&wanted.parameter).and_then(Value::as_str) else {
            let message = format!("'{}' names the technique whose {:?} is wanted", wanted.parameter, wanted.kind);
            return Err(Error::invalid(field, "INVALID_PARAMETER", message));
        };
        // What the technique was given otherwise, it asks nobody for.
        if id.is_empty() {
            continue;
        }
        let blame = |error: Error| Error { field: field.clone(), ..error };
        let other = plugins.technique(id).map_err(blame)?;
        other.usable().map_err(blame)?;
        check::needs(&other, model, dataset).map_err(blame)?;
        let artifact = other.descriptor.artifacts.iter().filter(|a| a.kind == wanted.kind).min_by_key(|a| a.auxiliary);
        let Some(artifact) = artifact.filter(|_| other.descriptor.inputs.is_empty()) else {
            let message = format!("the technique '{id}' cannot be used here: a plain {:?} is wanted", wanted.kind);
            return Err(Error::invalid(field, "INVALID_PARAMETER", message));
        };
        let artifact = artifact.id.clone();
        let params = other.complete(&Map::new()).map_err(blame)?;
        let params = resolve::resolve(&other, model, params, limits.resolve, threads).map_err(blame)?;
        inputs.push(Input { name: wanted.name.clone(), technique: other, params, artifact });
    }
    Ok(inputs)
}

/// Computes one input.
pub(super) fn compute(
    input: &Input,
    run: &Arc<Run>,
    subject: &Subject,
    target: Option<u32>,
    threads: u32,
) -> Result<Tensor> {
    let declared = input.technique.descriptor.artifacts.clone();
    let collector = Arc::new(Collector {
        run: Arc::clone(run),
        artifacts: Mutex::new(Artifacts::new(declared, run.limits.artifact_bytes)),
    });
    let call = Call::new(Arc::clone(&collector) as Arc<_>, threads);
    explain(&input.technique, &run.spec.model, &call, subject, (target, run.spec.seed), &input.params, &[])?;
    if run.is_cancelled() {
        return Err(Error::new(Code::Cancelled, "CANCELLED", "the run is to end"));
    }
    let artifacts = collector.artifacts.lock();
    let id = &input.technique.id;
    if artifacts.not_finite().is_some() {
        return Err(Error::internal("NOT_FINITE", format!("'{id}' gave numbers that are not finite")));
    }
    let state = artifacts.state(&input.artifact);
    state.map(|state| state.tensor.clone()).ok_or_else(|| {
        Error::internal("NO_RESULT", format!("the technique '{id}' ended without its '{}'", input.artifact))
    })
}

/// Takes another technique's artifacts aside; everything else is the run's.
struct Collector {
    run: Arc<Run>,
    artifacts: Mutex<Artifacts>,
}

impl Sink for Collector {
    fn emit(&self, emission: Result<Emission<'_>>) -> Result<()> {
        if self.checkpoint() {
            return Err(Error::new(Code::Cancelled, "CANCELLED", "the run is to end"));
        }
        let mut artifacts = self.artifacts.lock();
        match emission? {
            Emission::Keyframe(frame) => artifacts.keyframe(&frame, 1, Duration::ZERO).map(drop),
            Emission::Tile { frame, y, x } => artifacts.tile(&frame, (y, x), 1, Duration::ZERO).map(drop),
            _ => Ok(()),
        }
    }
    fn is_cancelled(&self) -> bool {
        self.run.is_cancelled()
    }
    fn checkpoint(&self) -> bool {
        self.run.checkpoint()
    }
    fn live_params(&self) -> Option<String> {
        None
    }
    fn model_entered(&self) {
        self.run.model_entered();
    }
    fn model_returned(&self, rows: u64, took: Duration) {
        self.run.model_returned(rows, took);
    }
    fn unreadable(&self, item: &str, why: &str) {
        self.run.unreadable(item, why);
    }
    fn name(&self) -> &str {
        self.run.name()
    }
}
