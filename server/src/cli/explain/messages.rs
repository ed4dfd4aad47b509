//! A server's messages as the engine's values, so that nothing behind them knows where a run ran.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use tonic::Status;
use tonic_types::{StatusExt as _, pb};
use whyglass_engine as engine;
use whyglass_engine::json::{ArtifactKind, ImageMeta, MapMeta, PointsMeta, TableMeta};
use whyglass_engine::{ArtifactMeta, Code, Error, EventKind, RunEvent, RunState, Tensor};
use whyglass_proto::v1;
use whyglass_proto::v1::keyframe::Content;
use whyglass_proto::v1::run_event::Event;
use whyglass_server::client::ClientError;
use whyglass_server::grpc::convert::{floats, to_json};

/// A client's error, with the reason and the field that the server named.
pub(super) fn error(error: ClientError) -> Error {
    match error {
        ClientError::Status(status) => from_status(&status),
        other => Error::new(Code::Unavailable, "UNREACHABLE", other.to_string()),
    }
}

fn from_status(status: &Status) -> Error {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let violation = details.bad_request().and_then(|request| request.field_violations.first().cloned());
    let (field, message) = violation.map_or_else(
        || (String::new(), status.message().to_owned()),
        |violation| (violation.field, violation.description),
    );
    let retry_after = details.retry_info().and_then(|info| info.retry_delay);
    Error { retry_after, ..Error::new(code(status.code() as i32), &reason, message).at(field) }
}

fn code(number: i32) -> Code {
    use Code::{
        Aborted, Cancelled, DataLoss, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument, NotFound, Ok,
        OutOfRange, PermissionDenied, ResourceExhausted, Unavailable, Unimplemented, Unknown,
    };
    let known = [
        Ok,
        Cancelled,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        Unavailable,
        DataLoss,
    ];
    known.into_iter().find(|code| code.number() == number).unwrap_or(Unknown)
}

pub(super) fn kind(kind: v1::ArtifactKind) -> ArtifactKind {
    match kind {
        v1::ArtifactKind::AttributionMap | v1::ArtifactKind::Unspecified => ArtifactKind::Map,
        v1::ArtifactKind::Image => ArtifactKind::Image,
        v1::ArtifactKind::Points => ArtifactKind::Points,
        v1::ArtifactKind::Matrix => ArtifactKind::Matrix,
        v1::ArtifactKind::Series => ArtifactKind::Series,
        v1::ArtifactKind::Table => ArtifactKind::Table,
    }
}

/// What a keyframe says besides its numbers.
pub(super) fn meta(frame: &v1::Keyframe) -> ArtifactMeta {
    let layer = (!frame.layer.is_empty()).then(|| frame.layer.clone());
    match kind(frame.kind()) {
        ArtifactKind::Map => ArtifactMeta::Map(MapMeta {
            cell: [frame.cell_height, frame.cell_width],
            signed: frame.signed,
            class: frame.class_index,
            layer,
        }),
        ArtifactKind::Image => {
            let image = frame.image.clone().unwrap_or_default();
            ArtifactMeta::Image(ImageMeta {
                layer,
                channels: image.channels,
                level: image.level,
                objective: image.objective,
            })
        }
        ArtifactKind::Points => {
            let points = frame.points.clone().unwrap_or_default();
            let (items, labels, predictions) = (points.items, points.labels, points.predictions);
            let classes = points.classes.into_iter().collect();
            ArtifactMeta::Points(PointsMeta { items, labels, predictions, classes })
        }
        ArtifactKind::Matrix | ArtifactKind::Series | ArtifactKind::Table => {
            let table = frame.table.clone().unwrap_or_default();
            let [unit, axis] = [table.unit, table.axis].map(|text| (!text.is_empty()).then_some(text));
            ArtifactMeta::Table(TableMeta { rows: table.rows, columns: table.columns, unit, axis })
        }
    }
}

/// `None`: nothing that this program needs to know.
pub(super) fn event(message: v1::RunEvent) -> Result<Option<RunEvent>, Error> {
    let kind = match message.event {
        Some(Event::StateChanged(change)) => EventKind::StateChanged(state(change.state())),
        Some(Event::Started(start)) => EventKind::Started(Arc::new(started(start)?)),
        Some(Event::Progress(progress)) => EventKind::Progress(engine::Progress {
            done: progress.done,
            total: progress.total,
            model_evaluations: progress.model_evaluations,
            stage: progress.stage,
            remaining: progress.remaining.map(duration),
            frames_skipped: progress.frames_skipped,
        }),
        Some(Event::Keyframe(frame)) => match keyframe(frame)? {
            Some(frame) => EventKind::Keyframe(frame),
            None => return Ok(None),
        },
        Some(Event::Tiles(tiles)) => EventKind::Tiles(self::tiles(tiles)?),
        Some(Event::Metrics(metrics)) => EventKind::Metrics(metrics.values.into_iter().collect()),
        Some(Event::Notice(notice)) => {
            let status = notice.status.unwrap_or_default();
            EventKind::Notice { reason: details(&status).0, message: status.message }
        }
        Some(Event::Finished(end)) => EventKind::Finished(Arc::new(finished(end))),
        Some(Event::Heartbeat(_)) | None => return Ok(None),
    };
    let elapsed = message.elapsed.map(duration).unwrap_or_default();
    Ok(Some(RunEvent { run: message.run.into(), sequence: message.sequence, elapsed, kind }))
}

fn state(state: v1::RunState) -> RunState {
    match state {
        v1::RunState::Unspecified | v1::RunState::Queued => RunState::Queued,
        v1::RunState::Running => RunState::Running,
        v1::RunState::Paused => RunState::Paused,
        v1::RunState::Succeeded => RunState::Succeeded,
        v1::RunState::Stopped => RunState::Stopped,
        v1::RunState::Cancelled => RunState::Cancelled,
        v1::RunState::Failed => RunState::Failed,
    }
}

fn started(start: v1::Started) -> Result<engine::Started, Error> {
    let spec = start.resolved.unwrap_or_default();
    let target = match spec.target.and_then(|target| target.target) {
        Some(v1::target::Target::ClassIndex(index)) => Some((index, start.target_label)),
        _ => None,
    };
    let params =
        spec.params.map(|params| to_json(params, "params")).transpose().map_err(|status| from_status(&status))?;
    let score = |score: v1::ClassScore| engine::ClassScore {
        index: score.index,
        label: score.label,
        logit: score.logit,
        probability: score.probability,
    };
    Ok(engine::Started {
        resolved: engine::ResolvedSpec {
            model: spec.model,
            technique: spec.technique,
            dataset: match spec.input {
                Some(v1::run_spec::Input::Dataset(name)) => Some(name.trim_start_matches("datasets/").to_owned()),
                _ => None,
            },
            target,
            params: params.unwrap_or_default(),
            seed: spec.seed.unwrap_or_default(),
            max_duration: spec.max_duration.map(duration).unwrap_or_default(),
        },
        scores: start.scores.into_iter().map(score).collect(),
        start_time: start.start_time.and_then(|time| SystemTime::try_from(time).ok()).unwrap_or(SystemTime::UNIX_EPOCH),
        placement: start.placement.map(|place| engine::Placement {
            original_width: place.original_width,
            original_height: place.original_height,
            x: place.x,
            y: place.y,
            width: place.width,
            height: place.height,
        }),
        input: [start.input_height as usize, start.input_width as usize],
    })
}

/// `None` for a keyframe that is only a reference: the result is read at the end.
fn keyframe(frame: v1::Keyframe) -> Result<Option<engine::Keyframe>, Error> {
    let meta = Arc::new(meta(&frame));
    let kind = kind(frame.kind());
    let tensor = match frame.content {
        Some(Content::Tensor(tensor)) => self::tensor(&tensor)?,
        Some(Content::Picture(picture)) => pixels(&picture.data)?,
        Some(Content::Reference(_)) | None => return Ok(None),
    };
    Ok(Some(engine::Keyframe {
        artifact: frame.artifact.into(),
        kind,
        tensor,
        standard_error: frame.standard_error.as_ref().map(self::tensor).transpose()?,
        meta,
        is_final: frame.r#final,
    }))
}

fn tiles(tiles: v1::Tiles) -> Result<engine::Tiles, Error> {
    let tile = |tile: v1::Tile| {
        Ok(engine::Tile {
            y: tile.y,
            x: tile.x,
            tensor: tensor(&tile.tensor.unwrap_or_default())?,
            standard_error: tile.standard_error.as_ref().map(tensor).transpose()?,
        })
    };
    Ok(engine::Tiles {
        artifact: tiles.artifact.into(),
        kind: ArtifactKind::Map,
        base_sequence: tiles.base_sequence,
        tiles: tiles.tiles.into_iter().map(tile).collect::<Result<_, Error>>()?,
    })
}

pub(super) fn tensor(message: &v1::Tensor) -> Result<Tensor, Error> {
    let (shape, data) = floats(message, "tensor").map_err(|status| from_status(&status))?;
    Ok(Tensor { shape, data: Arc::new(data) })
}

fn pixels(encoded: &[u8]) -> Result<Tensor, Error> {
    let picture = whyglass_imaging::decode(encoded, &whyglass_imaging::Limits::default())
        .map_err(|error| Error::new(Code::DataLoss, "BAD_FRAME", format!("a frame cannot be read: {error}")))?;
    let pixels = whyglass_imaging::Pixels::from(&picture);
    Ok(Tensor { shape: vec![3, pixels.height, pixels.width], data: Arc::new(pixels.data) })
}

fn finished(end: v1::Finished) -> engine::Finished {
    let state = state(end.state());
    let status = end.status.unwrap_or_default();
    let (reason, field) = details(&status);
    let artifact = |artifact: v1::ArtifactReference| engine::ArtifactReference {
        id: artifact.name.rsplit('/').next().unwrap_or_default().into(),
        // Only its name is known here; the rest comes with its keyframes.
        kind: ArtifactKind::Map,
        shape: Vec::new(),
        size_bytes: artifact.size_bytes,
    };
    engine::Finished {
        state,
        status: engine::Outcome { code: code(status.code), reason, field, message: status.message },
        complete: end.complete,
        manifest: end.manifest,
        artifacts: end.artifacts.into_iter().map(artifact).collect(),
    }
}

/// Reason and field of a status inside a message.
fn details(status: &pb::Status) -> (String, String) {
    let encoded = status.encode_to_vec().into();
    let details = Status::with_details(tonic::Code::Unknown, "", encoded).get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let field = details.bad_request().and_then(|request| request.field_violations.first().cloned());
    (reason, field.map(|violation| violation.field).unwrap_or_default())
}

fn duration(message: prost_types::Duration) -> Duration {
    Duration::try_from(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tonic_types::ErrorDetails;

    #[test]
    fn a_refusal_keeps_its_code_its_reason_and_its_field() {
        let mut details = ErrorDetails::with_error_info("UNKNOWN_PARAMETER", "whyglass", HashMap::new());
        details.add_bad_request_violation("specs[0].params.siz", "did you mean 'size'?");
        let status = Status::with_error_details(tonic::Code::InvalidArgument, "specs[0].params.siz: …", details);
        let error = error(ClientError::Status(status));
        assert_eq!(error.code, Code::InvalidArgument);
        assert_eq!((error.reason.as_str(), error.field.as_str()), ("UNKNOWN_PARAMETER", "specs[0].params.siz"));
        assert_eq!(error.message, "did you mean 'size'?");
    }

    #[test]
    fn every_code_comes_back_by_its_number() {
        for number in (0..=15).filter(|number| ![6, 2].contains(number)) {
            assert_eq!(code(number).number(), number);
        }
        assert_eq!(code(99), Code::Unknown);
    }

    #[test]
    fn a_keyframe_by_reference_is_passed_over_and_a_heartbeat_too() {
        let reference =
            v1::Keyframe { content: Some(Content::Reference("runs/a/artifacts/map".into())), ..Default::default() };
        for kind in [Event::Keyframe(reference), Event::Heartbeat(v1::Heartbeat {})] {
            assert_eq!(event(v1::RunEvent { event: Some(kind), ..Default::default() }).unwrap(), None);
        }
    }

    #[test]
    fn the_way_a_run_ended_is_read_from_its_status() {
        let details = ErrorDetails::with_error_info("STOPPED", "whyglass", HashMap::new());
        let encoded = Status::with_error_details(tonic::Code::Unknown, "enough", details);
        let mut status = pb::Status::decode(encoded.details()).unwrap();
        status.code = 0;
        let artifacts = vec![v1::ArtifactReference { name: "runs/a/artifacts/map".into(), ..Default::default() }];
        let end =
            v1::Finished { state: v1::RunState::Stopped.into(), status: Some(status), artifacts, ..Default::default() };
        let end = finished(end);
        assert_eq!((end.state, end.status.code, end.status.reason.as_str()), (RunState::Stopped, Code::Ok, "STOPPED"));
        assert_eq!(&*end.artifacts[0].id, "map");
    }
}
