//! Events of runs as messages. Maps travel as numbers; frames of images as JPEG while the run is running and as PNG at
//! its end; what is too large for one event travels as a reference.

use bytes::Bytes;
use whyglass_engine as engine;
use whyglass_engine::json::ArtifactKind;
use whyglass_imaging as imaging;
use whyglass_proto::v1;
use whyglass_proto::v1::keyframe::Content;
use whyglass_proto::v1::run_event::Event;

use super::catalog::kind;
use super::run::{finished, progress, started, state};
use super::{duration_message, tensor};
use crate::grpc::names::{artifact_name, run_name};
use crate::grpc::status::from_notice;

const JPEG_QUALITY: u8 = 85;

/// What it takes to make an event into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::grpc) enum Frame {
    /// Next to nothing.
    Cheap,
    /// A picture has to be encoded: not on a thread that others wait for.
    Picture,
}

impl Frame {
    pub(in crate::grpc) fn of(event: &engine::RunEvent) -> Self {
        match &event.kind {
            engine::EventKind::Keyframe(frame) if frame.kind == ArtifactKind::Image => Self::Picture,
            _ => Self::Cheap,
        }
    }
}

/// Says that a stream is alive. It belongs to no run.
pub(in crate::grpc) fn heartbeat() -> v1::RunEvent {
    v1::RunEvent { event: Some(Event::Heartbeat(v1::Heartbeat {})), ..Default::default() }
}

/// The message of an event; keyframes of more than `limit` bytes become references.
pub(in crate::grpc) fn event(event: &engine::RunEvent, limit: usize) -> v1::RunEvent {
    let message = match &event.kind {
        engine::EventKind::StateChanged(new) => Event::StateChanged(v1::StateChanged { state: state(*new).into() }),
        engine::EventKind::Started(start) => Event::Started(started(start)),
        engine::EventKind::Progress(done) => Event::Progress(progress(done)),
        engine::EventKind::Keyframe(frame) => Event::Keyframe(keyframe(&event.run, frame, limit)),
        engine::EventKind::Tiles(parts) => Event::Tiles(tiles(parts)),
        engine::EventKind::Metrics(values) => {
            Event::Metrics(v1::Metrics { values: values.iter().map(|(name, value)| (name.clone(), *value)).collect() })
        }
        engine::EventKind::Notice { reason, message } => {
            Event::Notice(v1::Notice { status: Some(from_notice(reason, message)) })
        }
        engine::EventKind::Finished(end) => Event::Finished(finished(&event.run, end)),
    };
    v1::RunEvent {
        run: run_name(&event.run),
        sequence: event.sequence,
        elapsed: Some(duration_message(event.elapsed)),
        event: Some(message),
    }
}

fn keyframe(run: &str, frame: &engine::Keyframe, limit: usize) -> v1::Keyframe {
    let reference = || Content::Reference(artifact_name(run, &frame.artifact));
    let picture = if frame.kind == ArtifactKind::Image { picture(frame) } else { None };
    let content = match picture {
        Some(picture) if picture.data.len() > limit => reference(),
        Some(picture) => Content::Picture(picture),
        None if bytes_of(frame) > limit => reference(),
        None => Content::Tensor(tensor(&frame.tensor)),
    };
    let referred = matches!(content, Content::Reference(_));
    let mut message = v1::Keyframe {
        artifact: frame.artifact.to_string(),
        content: Some(content),
        standard_error: frame.standard_error.as_ref().filter(|_| !referred).map(tensor),
        r#final: frame.is_final,
        kind: kind(frame.kind).into(),
        ..Default::default()
    };
    describe(&mut message, &frame.meta);
    message
}

fn bytes_of(frame: &engine::Keyframe) -> usize {
    frame.tensor.bytes() + frame.standard_error.as_ref().map_or(0, engine::Tensor::bytes)
}

fn describe(message: &mut v1::Keyframe, meta: &engine::ArtifactMeta) {
    match meta {
        engine::ArtifactMeta::Map(map) => {
            [message.cell_height, message.cell_width] = map.cell;
            message.signed = map.signed;
            message.class_index = map.class;
            message.layer = map.layer.clone().unwrap_or_default();
        }
        engine::ArtifactMeta::Image(image) => {
            message.layer = image.layer.clone().unwrap_or_default();
            message.image = Some(v1::ImageMeta {
                channels: image.channels.clone(),
                level: image.level,
                objective: image.objective,
            });
        }
        engine::ArtifactMeta::Points(points) => {
            message.points = Some(v1::PointsMeta {
                items: points.items.clone(),
                labels: points.labels.clone(),
                predictions: points.predictions.clone(),
                classes: points.classes.clone().into_iter().collect(),
            });
        }
        engine::ArtifactMeta::Table(table) => {
            message.table = Some(v1::TableMeta {
                rows: table.rows.clone(),
                columns: table.columns.clone(),
                unit: table.unit.clone().unwrap_or_default(),
                axis: table.axis.clone().unwrap_or_default(),
            });
        }
    }
}

/// The frame as a file; `None` for what is no picture or cannot be encoded, which then travels as numbers.
fn picture(frame: &engine::Keyframe) -> Option<v1::EncodedImage> {
    let &[3, height, width] = frame.tensor.shape.as_slice() else { return None };
    let pixels = imaging::Pixels::new(height, width, frame.tensor.data.to_vec()).ok()?.to_picture();
    let (format, data) = if frame.is_final {
        (v1::ImageFormat::Png, imaging::encode_png(&pixels).ok()?)
    } else {
        (v1::ImageFormat::Jpeg, imaging::encode_jpeg(&pixels, JPEG_QUALITY).ok()?)
    };
    Some(v1::EncodedImage {
        format: format.into(),
        data: Bytes::from(data),
        width: pixels.width(),
        height: pixels.height(),
    })
}

fn tiles(parts: &engine::Tiles) -> v1::Tiles {
    let tile = |tile: &engine::Tile| v1::Tile {
        y: tile.y,
        x: tile.x,
        tensor: Some(tensor(&tile.tensor)),
        standard_error: tile.standard_error.as_ref().map(tensor),
    };
    v1::Tiles {
        artifact: parts.artifact.to_string(),
        base_sequence: parts.base_sequence,
        tiles: parts.tiles.iter().map(tile).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use whyglass_engine::json::{ImageMeta, MapMeta};

    fn frame(kind: ArtifactKind, shape: &[usize], is_final: bool) -> engine::Keyframe {
        let data = (0..shape.iter().product()).map(|i| (i % 97) as f32 / 97.0).collect();
        let meta = match kind {
            ArtifactKind::Image => engine::ArtifactMeta::Image(ImageMeta { level: Some(2), ..Default::default() }),
            _ => engine::ArtifactMeta::Map(MapMeta { cell: [32.0, 16.0], signed: true, ..Default::default() }),
        };
        engine::Keyframe {
            artifact: "a".into(),
            kind,
            tensor: engine::Tensor { shape: shape.to_vec(), data: Arc::new(data) },
            standard_error: None,
            meta: Arc::new(meta),
            is_final,
        }
    }

    #[test]
    fn maps_travel_as_numbers_with_their_cells() {
        let message = keyframe("r", &frame(ArtifactKind::Map, &[7, 7], false), 1 << 20);
        assert!(matches!(message.content, Some(Content::Tensor(ref tensor)) if tensor.data.len() == 196));
        assert_eq!((message.cell_height, message.cell_width, message.signed), (32.0, 16.0, true));
    }

    #[test]
    fn dreams_travel_as_jpeg_while_running_and_as_png_at_their_end() {
        for (is_final, format, magic) in
            [(false, v1::ImageFormat::Jpeg, &[0xff, 0xd8, 0xff][..]), (true, v1::ImageFormat::Png, b"\x89PNG")]
        {
            let message = keyframe("r", &frame(ArtifactKind::Image, &[3, 20, 30], is_final), 1 << 20);
            let Some(Content::Picture(picture)) = message.content else { panic!("no picture") };
            assert_eq!(picture.format(), format);
            assert!(picture.data.starts_with(magic));
            assert_eq!((picture.width, picture.height), (30, 20));
            assert_eq!(message.image.expect("meta").level, Some(2));
        }
    }

    #[test]
    fn what_is_too_large_for_an_event_is_a_reference() {
        let message = keyframe("r", &frame(ArtifactKind::Map, &[64, 64], false), 4096);
        assert_eq!(message.content, Some(Content::Reference("runs/r/artifacts/a".to_owned())));
        let message = keyframe("r", &frame(ArtifactKind::Image, &[3, 64, 64], true), 16);
        assert_eq!(message.content, Some(Content::Reference("runs/r/artifacts/a".to_owned())));
    }

    #[test]
    fn only_pictures_are_work() {
        let event = |frame| engine::RunEvent {
            run: "r".into(),
            sequence: 1,
            elapsed: std::time::Duration::ZERO,
            kind: engine::EventKind::Keyframe(frame),
        };
        assert_eq!(Frame::of(&event(frame(ArtifactKind::Map, &[2, 2], false))), Frame::Cheap);
        assert_eq!(Frame::of(&event(frame(ArtifactKind::Image, &[3, 2, 2], false))), Frame::Picture);
    }
}
