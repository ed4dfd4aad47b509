//! The accumulated state of a run's artifacts, from the keyframes and tiles that its technique emits. Everything that a
//! plugin says of an artifact is checked here; what cannot be is refused and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::event::{ArtifactMeta, ArtifactState, EventKind, Keyframe, Tensor, Tile, Tiles};
use crate::emission::{Frame, violation};
use crate::error::Result;
use crate::json::{ArtifactDescriptor, ArtifactKind};

/// The longest meta: that of points, which names a dataset's items.
const META: usize = 1 << 20;

struct Artifact {
    state: ArtifactState,
    /// When it last changed.
    elapsed: Duration,
}

/// What a run has produced so far.
pub(super) struct Artifacts {
    declared: Vec<ArtifactDescriptor>,
    bytes_each: usize,
    artifacts: Vec<Artifact>,
}

impl Artifacts {
    /// `bytes_each`: the largest an artifact may be.
    pub(super) fn new(declared: Vec<ArtifactDescriptor>, bytes_each: usize) -> Self {
        Self { declared, bytes_each, artifacts: Vec::new() }
    }

    /// Takes a whole artifact; the event to record.
    pub(super) fn keyframe(&mut self, frame: &Frame<'_>, sequence: u64, elapsed: Duration) -> Result<EventKind> {
        let kind = self.declared_kind(frame)?;
        check_shape(kind, &frame.shape)?;
        let bytes = size_of_val(frame.data);
        if bytes > self.bytes_each {
            return Err(violation(format!(
                "'{}' has {bytes} bytes, more than the limit of {}",
                frame.artifact, self.bytes_each
            )));
        }
        let meta = Arc::new(meta(kind, frame.meta)?);
        let tensor = owned(&frame.shape, frame.data);
        let standard_error = frame.standard_error.map(|error| owned(&frame.shape, error));
        let id: Arc<str> = match self.find(frame.artifact) {
            Some(known) => Arc::clone(&known.state.id),
            None => Arc::from(frame.artifact),
        };
        let state = ArtifactState {
            id: Arc::clone(&id),
            kind,
            tensor: tensor.clone(),
            standard_error: standard_error.clone(),
            meta: Arc::clone(&meta),
            last_sequence: sequence,
            is_final: false,
        };
        match self.artifacts.iter_mut().find(|known| known.state.id == id) {
            Some(known) => *known = Artifact { state, elapsed },
            None => self.artifacts.push(Artifact { state, elapsed }),
        }
        Ok(EventKind::Keyframe(Keyframe { artifact: id, kind, tensor, standard_error, meta, is_final: false }))
    }

    /// Takes a part of an artifact; the event to record.
    pub(super) fn tile(
        &mut self,
        frame: &Frame<'_>,
        (y, x): (u32, u32),
        sequence: u64,
        elapsed: Duration,
    ) -> Result<EventKind> {
        let kind = self.declared_kind(frame)?;
        if !frame.meta.is_empty() {
            return Err(violation(format!("a tile of '{}' has meta, which only keyframes have", frame.artifact)));
        }
        let artifact = self.artifacts.iter_mut().find(|known| *known.state.id == *frame.artifact);
        let Some(artifact) = artifact else {
            return Err(violation(format!("'{}' begins with a tile: its first event is a keyframe", frame.artifact)));
        };
        let state = &mut artifact.state;
        let region = Region::new(&state.tensor.shape, &frame.shape, y as usize, x as usize).ok_or_else(|| {
            violation(format!(
                "a tile of shape {:?} at ({y}, {x}) does not lie in '{}' of shape {:?}",
                frame.shape, frame.artifact, state.tensor.shape
            ))
        })?;
        region.copy(frame.data, writable(&mut state.tensor));
        match (&mut state.standard_error, frame.standard_error) {
            (None, None) => {}
            (Some(error), Some(part)) => region.copy(part, writable(error)),
            (Some(error), None) => {
                region.copy(&vec![f32::NAN; frame.data.len()], writable(error));
            }
            (empty @ None, Some(part)) => {
                let mut data = vec![f32::NAN; state.tensor.data.len()];
                region.copy(part, &mut data);
                *empty = Some(Tensor { shape: state.tensor.shape.clone(), data: Arc::new(data) });
            }
        }
        let base_sequence = std::mem::replace(&mut state.last_sequence, sequence);
        artifact.elapsed = elapsed;
        let tile = Tile {
            y,
            x,
            tensor: owned(&frame.shape, frame.data),
            standard_error: frame.standard_error.map(|error| owned(&frame.shape, error)),
        };
        Ok(EventKind::Tiles(Tiles { artifact: Arc::clone(&state.id), kind, base_sequence, tiles: vec![tile] }))
    }

    fn declared_kind(&self, frame: &Frame<'_>) -> Result<ArtifactKind> {
        let name = frame.artifact;
        let Some(declared) = self.declared.iter().find(|declared| declared.id == name) else {
            let name: String = name.chars().take(80).collect();
            return Err(violation(format!("the artifact {name:?} is not one that it declares")));
        };
        match ArtifactKind::from_code(frame.kind) {
            Some(kind) if kind == declared.kind => Ok(kind),
            _ => Err(violation(format!("'{name}' is declared as {:?}, sent as kind {}", declared.kind, frame.kind))),
        }
    }

    fn find(&self, id: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| *artifact.state.id == *id)
    }

    /// The state of one artifact.
    pub(super) fn state(&self, id: &str) -> Option<&ArtifactState> {
        self.find(id).map(|artifact| &artifact.state)
    }

    /// A keyframe of one artifact as it stands, and when it last changed.
    pub(super) fn as_keyframe(&self, id: &str) -> Option<(u64, Duration, Keyframe)> {
        let artifact = self.find(id)?;
        let state = &artifact.state;
        let keyframe = Keyframe {
            artifact: Arc::clone(&state.id),
            kind: state.kind,
            tensor: state.tensor.clone(),
            standard_error: state.standard_error.clone(),
            meta: Arc::clone(&state.meta),
            is_final: state.is_final,
        };
        Some((state.last_sequence, artifact.elapsed, keyframe))
    }

    /// In the order of their first keyframes.
    pub(super) fn states(&self) -> impl Iterator<Item = &ArtifactState> {
        self.artifacts.iter().map(|artifact| &artifact.state)
    }

    /// Declares one as final, changed by the event `sequence`.
    pub(super) fn finish(&mut self, id: &str, sequence: u64, elapsed: Duration) {
        if let Some(artifact) = self.artifacts.iter_mut().find(|artifact| *artifact.state.id == *id) {
            artifact.state.is_final = true;
            artifact.state.last_sequence = sequence;
            artifact.elapsed = elapsed;
        }
    }

    /// The first artifact with a number that is not finite.
    pub(super) fn not_finite(&self) -> Option<&str> {
        let bad = |state: &&ArtifactState| state.tensor.data.iter().any(|value| !value.is_finite());
        self.states().find(bad).map(|state| &*state.id)
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |tensor: &Tensor| tensor.bytes();
        self.states().map(|state| of(&state.tensor) + state.standard_error.as_ref().map_or(0, of)).sum()
    }
}

fn owned(shape: &[usize], data: &[f32]) -> Tensor {
    Tensor { shape: shape.to_vec(), data: Arc::new(data.to_vec()) }
}

/// What watchers still hold of it stays as it is.
fn writable(tensor: &mut Tensor) -> &mut [f32] {
    let data: &mut Vec<f32> = Arc::make_mut(&mut tensor.data);
    data
}

fn check_shape(kind: ArtifactKind, shape: &[usize]) -> Result<()> {
    let wanted = match kind {
        ArtifactKind::Map => "H×W",
        ArtifactKind::Image => "3×H×W",
        ArtifactKind::Points => "n×2 or n×3",
        ArtifactKind::Matrix => "C×C",
        ArtifactKind::Series | ArtifactKind::Table => "n×k",
    };
    let fits = match (kind, shape) {
        (ArtifactKind::Map | ArtifactKind::Series | ArtifactKind::Table, [_, _]) => true,
        (ArtifactKind::Image, [channels, _, _]) => *channels == 3,
        (ArtifactKind::Points, [_, columns]) => matches!(columns, 2 | 3),
        (ArtifactKind::Matrix, [rows, columns]) => rows == columns,
        _ => false,
    };
    if fits && !shape.contains(&0) {
        return Ok(());
    }
    Err(violation(format!("a {kind:?} has shape {shape:?}, {wanted} is wanted")))
}

fn meta(kind: ArtifactKind, text: &str) -> Result<ArtifactMeta> {
    let meta = match kind {
        ArtifactKind::Map => ArtifactMeta::Map(parse(text)?),
        ArtifactKind::Image => ArtifactMeta::Image(parse(text)?),
        ArtifactKind::Points => ArtifactMeta::Points(parse(text)?),
        ArtifactKind::Matrix | ArtifactKind::Series | ArtifactKind::Table => ArtifactMeta::Table(parse(text)?),
    };
    if let ArtifactMeta::Map(map) = &meta
        && !map.cell.iter().all(|side| side.is_finite() && *side > 0.0)
    {
        return Err(violation(format!("a map's cell is {:?}: input pixels per cell, y and x, are wanted", map.cell)));
    }
    Ok(meta)
}

fn parse<T: DeserializeOwned + Default>(text: &str) -> Result<T> {
    match text.len() {
        0 => Ok(T::default()),
        1..=META => serde_json::from_str(text).map_err(|error| violation(format!("its meta: {error}"))),
        n => Err(violation(format!("its meta has {n} bytes, more than {META}"))),
    }
}

/// A rectangle in the last two axes of a tensor; what is before them is whole.
struct Region {
    planes: usize,
    /// Of the whole.
    height: usize,
    width: usize,
    y: usize,
    x: usize,
    /// Of the part.
    rows: usize,
    columns: usize,
}

impl Region {
    /// `None`: the part does not lie in the whole.
    fn new(whole: &[usize], part: &[usize], y: usize, x: usize) -> Option<Self> {
        let (&[ref planes @ .., height, width], &[ref parts @ .., rows, columns]) = (whole, part) else { return None };
        let inside = |at: usize, length: usize, limit: usize| {
            length > 0 && at.checked_add(length).is_some_and(|end| end <= limit)
        };
        (planes == parts && inside(y, rows, height) && inside(x, columns, width)).then(|| Self {
            planes: planes.iter().product(),
            height,
            width,
            y,
            x,
            rows,
            columns,
        })
    }

    fn copy(&self, part: &[f32], whole: &mut [f32]) {
        for plane in 0..self.planes {
            for row in 0..self.rows {
                let from = (plane * self.rows + row) * self.columns;
                let to = (plane * self.height + self.y + row) * self.width + self.x;
                whole[to..to + self.columns].copy_from_slice(&part[from..from + self.columns]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: u32 = whyglass_abi::WG_ARTIFACT_MAP;
    const IMAGE: u32 = whyglass_abi::WG_ARTIFACT_IMAGE;
    const CELL: &str = r#"{"cell":[1,1]}"#;

    fn artifacts() -> Artifacts {
        let declare = |id: &str, kind| ArtifactDescriptor { id: id.into(), kind, ..Default::default() };
        Artifacts::new(vec![declare("map", ArtifactKind::Map), declare("dream", ArtifactKind::Image)], 1024)
    }

    fn frame<'a>(artifact: &'a str, kind: u32, shape: &[usize], data: &'a [f32], meta: &'a str) -> Frame<'a> {
        Frame { artifact, kind, shape: shape.to_vec(), data, standard_error: None, meta }
    }

    fn refusal(result: Result<EventKind>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.reason, "INVALID_EVENT");
        error.message
    }

    #[test]
    fn tiles_replace_cells_and_leave_what_was_sent_before_alone() {
        let mut all = artifacts();
        let EventKind::Keyframe(first) =
            all.keyframe(&frame("map", MAP, &[2, 3], &[0.0; 6], CELL), 1, Duration::ZERO).unwrap()
        else {
            panic!("a keyframe")
        };
        let EventKind::Tiles(tiles) =
            all.tile(&frame("map", MAP, &[2, 1], &[5.0, 6.0], ""), (0, 2), 2, Duration::ZERO).unwrap()
        else {
            panic!("tiles")
        };
        assert_eq!(*first.tensor.data, [0.0; 6]);
        assert_eq!(*all.state("map").unwrap().tensor.data, [0.0, 0.0, 5.0, 0.0, 0.0, 6.0]);
        assert_eq!((tiles.base_sequence, all.state("map").unwrap().last_sequence), (1, 2));
    }

    #[test]
    fn an_image_tile_replaces_every_channel() {
        let mut all = artifacts();
        all.keyframe(&frame("dream", IMAGE, &[3, 1, 2], &[0.0; 6], ""), 1, Duration::ZERO).unwrap();
        all.tile(&frame("dream", IMAGE, &[3, 1, 1], &[1.0, 2.0, 3.0], ""), (0, 1), 2, Duration::ZERO).unwrap();
        assert_eq!(*all.state("dream").unwrap().tensor.data, [0.0, 1.0, 0.0, 2.0, 0.0, 3.0]);
    }

    #[test]
    fn hostile_frames_are_refused_and_change_nothing() {
        let mut all = artifacts();
        let mut keyframe = |name, kind, shape: &[usize], data, meta| {
            refusal(all.keyframe(&frame(name, kind, shape, data, meta), 1, Duration::ZERO))
        };
        assert!(keyframe("../../x", MAP, &[1, 1], &[0.0], CELL).contains("not one that it declares"));
        assert!(keyframe("map", IMAGE, &[3, 1, 1], &[0.0; 3], "").contains("declared as Map"));
        assert!(keyframe("map", 99, &[1, 1], &[0.0], CELL).contains("kind 99"));
        assert!(keyframe("map", MAP, &[4], &[0.0; 4], CELL).contains("H×W"));
        assert!(keyframe("map", MAP, &[0, 4], &[], CELL).contains("H×W"));
        assert!(keyframe("map", MAP, &[1, 1], &[0.0], "{\"cell\":[1,1],\"html\":1}").contains("html"));
        assert!(keyframe("map", MAP, &[1, 1], &[0.0], "").contains("cell"));
        assert!(keyframe("map", MAP, &[1, 1], &[0.0], "{").contains("meta"));
        assert!(keyframe("map", MAP, &[16, 17], &[0.0; 272], CELL).contains("more than the limit"));
        assert!(keyframe("dream", IMAGE, &[4, 1, 1], &[0.0; 4], "").contains("3×H×W"));
        assert_eq!(all.states().count(), 0);
    }

    #[test]
    fn a_tile_outside_its_artifact_is_refused() {
        let mut all = artifacts();
        let part = [1.0; 4];
        let tile = frame("map", MAP, &[2, 2], &part, "");
        assert!(refusal(all.tile(&tile, (0, 0), 1, Duration::ZERO)).contains("begins with a tile"));
        all.keyframe(&frame("map", MAP, &[2, 3], &[0.0; 6], CELL), 1, Duration::ZERO).unwrap();
        for at in [(1, 0), (0, 2), (u32::MAX, 0), (0, u32::MAX)] {
            assert!(refusal(all.tile(&tile, at, 2, Duration::ZERO)).contains("does not lie in"), "{at:?}");
        }
        assert!(refusal(all.tile(&frame("map", MAP, &[4], &part, ""), (0, 0), 2, Duration::ZERO)).contains("lie"));
        assert_eq!(*all.state("map").unwrap().tensor.data, [0.0; 6]);
    }

    #[test]
    fn a_standard_error_follows_its_tiles() {
        let mut all = artifacts();
        all.keyframe(&frame("map", MAP, &[1, 2], &[0.0; 2], CELL), 1, Duration::ZERO).unwrap();
        let tile = Frame { standard_error: Some(&[0.5]), ..frame("map", MAP, &[1, 1], &[1.0], "") };
        all.tile(&tile, (0, 1), 2, Duration::ZERO).unwrap();
        let error = all.state("map").unwrap().standard_error.clone().unwrap();
        assert!(error.data[0].is_nan() && error.data[1] == 0.5);
        assert_eq!(all.not_finite(), None);
    }
}
