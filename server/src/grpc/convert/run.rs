//! Runs as messages: what was asked for, what runs, how it ended.

use whyglass_engine as engine;
use whyglass_proto::v1;

use super::{duration_message, from_json, timestamp};
use crate::grpc::names::{artifact_name, dataset_name, run_name};
use crate::grpc::status::from_outcome;

/// Before the values: magic, version and header of an `.npy` file of few dimensions.
const NPY_HEADER: u64 = 128;

pub(in crate::grpc) fn scores(scores: &[engine::ClassScore]) -> Vec<v1::ClassScore> {
    let score = |score: &engine::ClassScore| v1::ClassScore {
        index: score.index,
        label: score.label.clone(),
        logit: score.logit,
        probability: score.probability,
    };
    scores.iter().map(score).collect()
}

pub(super) fn state(state: engine::RunState) -> v1::RunState {
    match state {
        engine::RunState::Queued => v1::RunState::Queued,
        engine::RunState::Running => v1::RunState::Running,
        engine::RunState::Paused => v1::RunState::Paused,
        engine::RunState::Succeeded => v1::RunState::Succeeded,
        engine::RunState::Stopped => v1::RunState::Stopped,
        engine::RunState::Cancelled => v1::RunState::Cancelled,
        engine::RunState::Failed => v1::RunState::Failed,
    }
}

pub(super) fn progress(progress: &engine::Progress) -> v1::Progress {
    v1::Progress {
        done: progress.done,
        total: progress.total,
        model_evaluations: progress.model_evaluations,
        stage: progress.stage.clone(),
        remaining: progress.remaining.map(duration_message),
        frames_skipped: progress.frames_skipped,
    }
}

pub(super) fn started(started: &engine::Started) -> v1::Started {
    let side = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    v1::Started {
        resolved: Some(resolved(&started.resolved)),
        scores: scores(&started.scores),
        start_time: Some(timestamp(started.start_time)),
        placement: started.placement.map(|placement| v1::Placement {
            original_width: placement.original_width,
            original_height: placement.original_height,
            x: placement.x,
            y: placement.y,
            width: placement.width,
            height: placement.height,
        }),
        target_label: started.resolved.target.as_ref().map(|(_, label)| label.clone()).unwrap_or_default(),
        input_height: side(started.input[0]),
        input_width: side(started.input[1]),
    }
}

fn resolved(spec: &engine::ResolvedSpec) -> v1::RunSpec {
    let index = |&(index, _): &(u32, String)| v1::target::Target::ClassIndex(index);
    v1::RunSpec {
        model: spec.model.clone(),
        technique: spec.technique.clone(),
        input: spec.dataset.as_ref().map(|name| v1::run_spec::Input::Dataset(dataset_name(name))),
        target: spec.target.as_ref().map(|target| v1::Target { target: Some(index(target)) }),
        params: Some(from_json(&spec.params)),
        seed: Some(spec.seed),
        max_duration: Some(duration_message(spec.max_duration)),
    }
}

/// How `run` (a bare id) ended.
pub(super) fn finished(run: &str, finished: &engine::Finished) -> v1::Finished {
    let artifact = |artifact: &engine::ArtifactReference| v1::ArtifactReference {
        name: artifact_name(run, &artifact.id),
        media_type: "application/x-npy".to_owned(),
        size_bytes: NPY_HEADER + artifact.size_bytes,
    };
    v1::Finished {
        state: state(finished.state).into(),
        status: Some(from_outcome(&finished.status)),
        complete: finished.complete,
        manifest: finished.manifest.clone(),
        artifacts: finished.artifacts.iter().map(artifact).collect(),
    }
}

pub(in crate::grpc) fn run(run: &engine::RunInfo) -> v1::Run {
    let mut spec = run.started.as_ref().map_or_else(
        || v1::RunSpec { model: run.model.clone(), technique: run.technique.clone(), ..Default::default() },
        |started| resolved(&started.resolved),
    );
    // As they are now: also of a run that waits, and with what has been changed since it started.
    spec.params = Some(from_json(&run.params));
    v1::Run {
        name: run_name(&run.name),
        state: state(run.state).into(),
        spec: Some(spec),
        group: run.groups.first().cloned().unwrap_or_default(),
        last_sequence: run.last_sequence,
        progress: Some(progress(&run.progress)),
        create_time: Some(timestamp(run.create_time)),
        expire_time: run.expire_time.map(timestamp),
        finished: run.finished.as_ref().map(|end| finished(&run.name, end)),
        groups: run.groups.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_an_artifact_is_the_size_of_its_file() {
        for shape in [vec![7, 7], vec![3, 224, 224], vec![0]] {
            let count = shape.iter().product();
            let file = whyglass_imaging::write_npy(&shape, &vec![0.0; count]);
            assert_eq!(file.len() as u64, NPY_HEADER + 4 * count as u64, "{shape:?}");
        }
    }
}
