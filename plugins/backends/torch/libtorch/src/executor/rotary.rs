//! RotaryEmbedding: pairs of numbers turned by angles that depend on the position.

use super::call::Call;
use super::heads::{by_head, side_by_side};
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};

pub(super) fn rotary(call: &Call<'_>) -> Result<Torch> {
    let given = call.tensor(0)?;
    let x = by_head(given, call.node.int("num_heads", 0))?;
    let width = x.size()[3];
    let turned = match call.node.int("rotary_embedding_dim", 0) {
        0 => width,
        turned if turned % 2 == 0 && (0..=width).contains(&turned) => turned,
        turned => return Err(TorchError::Graph(format!("{turned} of {width} numbers are to be turned"))),
    };
    let (part, rest) = (x.f_narrow(3, 0, turned)?, x.f_narrow(3, turned, width - turned)?);
    let (cosines, sines) = (angles(call, 1)?, angles(call, 2)?);
    // The two of a pair lie beside each other, or half of the width apart.
    let (first, second) = if call.node.int("interleaved", 0) != 0 {
        (part.f_slice(3, 0, turned, 2)?, part.f_slice(3, 1, turned, 2)?)
    } else {
        (part.f_narrow(3, 0, turned / 2)?, part.f_narrow(3, turned / 2, turned / 2)?)
    };
    let real = first.f_mul(&cosines)?.f_sub(&second.f_mul(&sines)?)?;
    let imaginary = first.f_mul(&sines)?.f_add(&second.f_mul(&cosines)?)?;
    let part = if call.node.int("interleaved", 0) != 0 {
        Torch::f_stack(&[real, imaginary], 4)?.f_reshape(part.size())?
    } else {
        Torch::f_cat(&[real, imaginary], 3)?
    };
    side_by_side(Torch::f_cat(&[part, rest], 3)?, given.dim())
}

/// The cache at `index` as N×1×positions×pairs: by position already, or looked up by the numbers of the positions.
fn angles(call: &Call<'_>, index: usize) -> Result<Torch> {
    let cache = call.tensor(index)?;
    let by_position = match call.optional_tensor(3) {
        None => cache.shallow_clone(),
        Some(numbers) => {
            let rows = cache.f_index_select(0, &numbers.f_to_kind(Kind::Int64)?.f_reshape([-1])?)?;
            rows.f_reshape([numbers.size(), vec![-1]].concat())?
        }
    };
    Ok(by_position.f_unsqueeze(1)?)
}
