//! Artifacts while they grow, rebuilt from events: what `--frames` draws.

use std::collections::BTreeMap;
use std::sync::Arc;

use whyglass_engine::{ArtifactState, Keyframe, Tensor, Tile, Tiles};

/// The artifacts of one run as the events so far have left them.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    artifacts: BTreeMap<Arc<str>, ArtifactState>,
}

impl Frames {
    /// An artifact as it stands.
    pub(crate) fn get(&self, artifact: &str) -> Option<&ArtifactState> {
        self.artifacts.get(artifact)
    }

    pub(crate) fn keyframe(&mut self, frame: &Keyframe, sequence: u64) {
        let state = ArtifactState {
            id: Arc::clone(&frame.artifact),
            kind: frame.kind,
            tensor: frame.tensor.clone(),
            standard_error: frame.standard_error.clone(),
            meta: Arc::clone(&frame.meta),
            last_sequence: sequence,
            is_final: frame.is_final,
        };
        self.artifacts.insert(Arc::clone(&frame.artifact), state);
    }

    /// `None` for tiles of an artifact that no keyframe has announced.
    pub(crate) fn tiles(&mut self, tiles: &Tiles, sequence: u64) -> Option<&ArtifactState> {
        let state = self.artifacts.get_mut(&tiles.artifact)?;
        for tile in &tiles.tiles {
            place(&mut state.tensor, tile);
        }
        state.last_sequence = sequence;
        Some(state)
    }
}

/// Puts a tile into the last two dimensions of a tensor; what would lie outside is left out.
fn place(whole: &mut Tensor, tile: &Tile) {
    let (Some(&[height, width]), Some(&[rows, columns])) = (whole.shape.last_chunk(), tile.tensor.shape.last_chunk())
    else {
        return;
    };
    let (top, left) = (tile.y as usize, tile.x as usize);
    if width == 0 || columns == 0 || left + columns > width || top + rows > height {
        return;
    }
    let cells = Arc::make_mut(&mut whole.data);
    let planes = cells.chunks_exact_mut(height * width).zip(tile.tensor.data.chunks_exact(rows * columns));
    for (plane, part) in planes {
        for (row, line) in part.chunks_exact(columns).enumerate() {
            let start = (top + row) * width + left;
            plane[start..start + columns].copy_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_engine::ArtifactMeta;
    use whyglass_engine::json::{ArtifactKind, MapMeta};

    fn tensor(shape: &[usize], data: &[f32]) -> Tensor {
        Tensor { shape: shape.to_vec(), data: Arc::new(data.to_vec()) }
    }

    #[test]
    fn tiles_replace_the_cells_that_they_cover() {
        let mut frames = Frames::default();
        let keyframe = Keyframe {
            artifact: "map".into(),
            kind: ArtifactKind::Map,
            tensor: tensor(&[2, 3], &[0.0; 6]),
            standard_error: None,
            meta: Arc::new(ArtifactMeta::Map(MapMeta::default())),
            is_final: false,
        };
        frames.keyframe(&keyframe, 1);
        let tile =
            |y, x, shape: &[usize], data: &[f32]| Tile { y, x, tensor: tensor(shape, data), standard_error: None };
        let tiles = Tiles {
            artifact: "map".into(),
            kind: ArtifactKind::Map,
            base_sequence: 1,
            tiles: vec![
                tile(1, 1, &[1, 2], &[5.0, 6.0]),
                tile(0, 0, &[1, 1], &[7.0]),
                tile(1, 2, &[1, 2], &[9.0, 9.0]),
            ],
        };
        let state = frames.tiles(&tiles, 2).unwrap();
        assert_eq!(*state.tensor.data, [7.0, 0.0, 0.0, 0.0, 5.0, 6.0]);
        // The keyframe's own numbers are shared with other watchers and must not change.
        assert_eq!(*keyframe.tensor.data, [0.0; 6]);
        assert!(frames.tiles(&Tiles { artifact: "other".into(), ..tiles }, 3).is_none());
    }
}
