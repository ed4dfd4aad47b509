//! The body of a run's thread: classify, say what was resolved, compute what the technique asks for, let it explain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};
use whyglass_abi::safe::{Elements, TensorRef};
use whyglass_abi::{WG_CANCELLED, WG_OK, WG_PANIC, WgNamedTensor, WgRequest, WgStr};

use super::event::{ResolvedSpec, Started, Tensor};
use super::images::{Images, Subject};
use super::inputs;
use super::run::Run;
use crate::call::Call;
use crate::error::{Code, Error, Result};
use crate::models::LoadedModel;
use crate::models::proxy::Proxy;
use crate::plugins::Technique;
use crate::scores;

/// How many classes `started` names.
const TOP: usize = 5;

/// Runs `run` to its end. `threads`: its share of the machine.
pub(crate) fn execute(run: &Arc<Run>, threads: u32) {
    let Some(subject) = run.begin(threads) else { return };
    let returned = catch_unwind(AssertUnwindSafe(|| perform(run, &subject, threads))).unwrap_or_else(|_| {
        Err(Error::internal("ENGINE_PANIC", "the engine panicked: this is a bug, please report it"))
    });
    run.conclude(returned);
}

fn perform(run: &Arc<Run>, subject: &Subject, threads: u32) -> Result<()> {
    let spec = &run.spec;
    let call = Call::new(Arc::clone(run) as Arc<_>, threads);
    let (mut scores, mut target) = (Vec::new(), spec.target);
    if let Subject::Picture(pixels) = subject {
        let logits = spec.model.logits(&call, pixels)?;
        scores = scores::best(&logits, spec.model.labels(), TOP, spec.model.link());
        target = target.or_else(|| scores.first().map(|best| best.index)).or(Some(0));
    }
    let resolved = ResolvedSpec {
        model: spec.model.name().to_owned(),
        technique: spec.technique.id.clone(),
        dataset: spec.dataset.as_ref().map(|set| set.name.clone()),
        target: target.map(|index| (index, scores::label(spec.model.labels(), index as usize))),
        params: spec.params.clone(),
        seed: spec.seed,
        max_duration: spec.max_duration,
    };
    let placement = spec.placement;
    let started = Started { resolved, scores, start_time: SystemTime::now(), placement, input: spec.model.input() };
    run.start(started, spec.model.notices());
    let mut inputs = Vec::with_capacity(spec.inputs.len());
    for input in &spec.inputs {
        inputs.push((input.name.as_str(), inputs::compute(input, run, subject, target, threads)?));
    }
    explain(&spec.technique, &spec.model, &call, subject, (target, spec.seed), &spec.params, &inputs)
}

/// Calls a technique once. A panic disables it.
pub(super) fn explain(
    technique: &Technique,
    model: &Arc<LoadedModel>,
    call: &Arc<Call>,
    subject: &Subject,
    (target, seed): (Option<u32>, u64),
    params: &Map<String, Value>,
    inputs: &[(&str, Tensor)],
) -> Result<()> {
    technique.usable()?;
    let _in_use = technique.enter()?;
    let Some(_turn) = technique.turn(|| call.sink().is_cancelled()) else {
        return Err(Error::new(Code::Cancelled, "CANCELLED", "the run is to end"));
    };
    let text = serde_json::to_string(params).map_err(|error| Error::internal("PARAMS", error.to_string()))?;
    let images = Images::new(call, model.input(), subject.clone());
    let proxy = Proxy::new(model, call, subject.picture().cloned());
    let (its_call, its_model, its_images) = (call.table(), proxy.table(), images.table());
    let shapes: Vec<Vec<i64>> =
        inputs.iter().map(|(_, tensor)| tensor.shape.iter().map(|&side| side as i64).collect()).collect();
    let named: Vec<WgNamedTensor> = inputs
        .iter()
        .zip(&shapes)
        .map(|((name, tensor), shape)| WgNamedTensor {
            name: WgStr::new(name),
            tensor: TensorRef { shape, elements: Elements::F32(&tensor.data) }.to_raw(),
        })
        .collect();
    let request = WgRequest {
        struct_size: size_of::<WgRequest>(),
        images: &raw const its_images,
        target: target.map_or(-1, i64::from),
        seed,
        inputs: named.as_ptr(),
        n_inputs: named.len(),
    };
    let Some(explain) = technique.table.explain else {
        return Err(Error::internal("NO_EXPLAIN", "a technique without explain was accepted"));
    };
    // SAFETY: the tables and what they point to live until `explain` returns, and a technique uses them no longer.
    let status = unsafe { explain(&raw const its_call, &raw const its_model, &raw const request, WgStr::new(&text)) };
    match status {
        WG_OK => Ok(()),
        WG_CANCELLED => Err(Error::new(Code::Cancelled, "CANCELLED", "the technique ended early")),
        status => {
            let error = call.failure(status, &format!("the technique '{}'", technique.id));
            if status == WG_PANIC {
                technique.disable(&error.message);
                return Err(Error { reason: "PANIC".to_owned(), code: Code::Internal, ..error });
            }
            Err(error)
        }
    }
}
