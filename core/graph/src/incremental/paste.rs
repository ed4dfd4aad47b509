//! Copies cells: a window of what the picture itself gives, with what an occluder has changed laid over it.

use super::interval::Interval;
use crate::{Dtype, Error, Tensor};
use bytes::Bytes;

/// Values of some cells: rows `at[0]..` and columns `at[1]..` of a grid.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub(super) tensor: Tensor,
    pub(super) at: [i64; 2],
}

/// A tensor under construction. Float32 keeps its alignment, so that engines need not copy it again.
pub(super) enum Canvas {
    F32(Vec<f32>),
    Bytes(Dtype, Vec<u8>),
}

impl Canvas {
    pub(super) fn new(dtype: Dtype, numbers: usize) -> Self {
        if dtype == Dtype::F32 {
            Self::F32(vec![0.0; numbers])
        } else {
            Self::Bytes(dtype, vec![0; numbers * dtype.size()])
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::F32(numbers) => bytemuck::cast_slice_mut(numbers),
            Self::Bytes(_, bytes) => bytes,
        }
    }

    pub(super) fn finish(self, shape: Vec<i64>) -> Tensor {
        match self {
            Self::F32(numbers) => Tensor::from_f32(shape, numbers),
            Self::Bytes(dtype, bytes) => Tensor::new(dtype, shape, Bytes::from(bytes)),
        }
    }

    /// Lays `part` (rows, columns, in the grid's own coordinates) of `patch` where it belongs in picture `row` of this
    /// canvas, which shows `window` of the grid.
    pub(super) fn lay(
        &mut self,
        row: usize,
        window: [Interval; 2],
        patch: &Patch,
        part: [Interval; 2],
    ) -> Result<(), Error> {
        let &[_, channels, height, width] = patch.tensor.shape() else {
            return Err(Error::malformed("the engine returned something other than cells"));
        };
        let element = patch.tensor.dtype().size();
        let part = [0, 1].map(|axis| part[axis].intersection(window[axis]));
        if part.iter().any(|interval| interval.is_empty()) {
            return Ok(());
        }
        let inside = (0..2).all(|axis| {
            let size = if axis == 0 { height } else { width };
            patch.at[axis] <= part[axis].lo && part[axis].hi <= patch.at[axis] + size
        });
        if !inside {
            return Err(Error::malformed("the engine returned a window of another size"));
        }
        let (to_height, to_width) = (window[0].len(), window[1].len());
        let run = part[1].len() as usize * element;
        let source = patch.tensor.bytes();
        let target = self.bytes();
        for channel in 0..channels {
            for y in part[0].lo..part[0].hi {
                let from = ((channel * height + y - patch.at[0]) * width + part[1].lo - patch.at[1]) as usize * element;
                let plane = row as i64 * channels + channel;
                let to =
                    ((plane * to_height + y - window[0].lo) * to_width + part[1].lo - window[1].lo) as usize * element;
                target[to..to + run].copy_from_slice(&source[from..from + run]);
            }
        }
        Ok(())
    }
}
