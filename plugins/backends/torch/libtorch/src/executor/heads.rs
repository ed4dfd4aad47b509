//! Several heads in one tensor: N×heads×positions×width, or N×positions×(heads·width), side by side.

use super::{Result, TorchError};
use tch::Tensor as Torch;

/// `x` as N×heads×positions×width. `heads` counts where `x` has three axes.
pub(super) fn by_head(x: &Torch, heads: i64) -> Result<Torch> {
    match *x.size() {
        [_, _, _, _] => Ok(x.shallow_clone()),
        [rows, positions, all] if heads > 0 && all % heads == 0 => {
            Ok(x.f_reshape([rows, positions, heads, all / heads])?.f_transpose(1, 2)?)
        }
        ref sizes => Err(TorchError::Graph(format!("{sizes:?} is not split into {heads} heads"))),
    }
}

/// The other way, where the tensor that it comes from has three axes.
pub(super) fn side_by_side(x: Torch, rank: usize) -> Result<Torch> {
    match *x.size() {
        [rows, heads, positions, width] if rank == 3 => {
            Ok(x.f_transpose(1, 2)?.f_reshape([rows, positions, heads * width])?)
        }
        _ => Ok(x),
    }
}
