//! Writing at indices that are values.

use super::call::Call;
use super::indexing::{tuples, wrapped};
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};

/// What becomes of an element that is written to.
#[derive(Clone, Copy, PartialEq)]
enum Reduction {
    None,
    Add,
    /// As libtorch calls it.
    Other(&'static str),
}

impl Reduction {
    fn of(call: &Call<'_>) -> Result<Self> {
        Ok(match call.node.string("reduction").unwrap_or("none") {
            "none" => Self::None,
            "add" => Self::Add,
            "mul" => Self::Other("prod"),
            "min" => Self::Other("amin"),
            "max" => Self::Other("amax"),
            other => return call.unsupported(format!("with the reduction {other:?}")),
        })
    }

    /// `updates` written to the rows of `x`.
    fn write(self, x: &Torch, rows: &Torch, updates: &Torch) -> Result<Torch> {
        Ok(match self {
            Self::None => x.f_index_copy(0, rows, updates)?,
            Self::Add => x.f_index_add(0, rows, updates)?,
            Self::Other(name) => x.f_index_reduce(0, rows, updates, name, true)?,
        })
    }
}

pub(super) fn elements(call: &Call<'_>) -> Result<Torch> {
    let (x, updates) = (call.tensor(0)?, call.tensor(2)?);
    let axis = call.axis(0, x.dim())?;
    let indices = wrapped(call.tensor(1)?, x.size()[axis as usize])?;
    match Reduction::of(call)? {
        Reduction::None => Ok(x.f_scatter(axis, &indices, updates)?),
        Reduction::Add => Ok(x.f_scatter_add(axis, &indices, updates)?),
        reduction => {
            let rows = places(&x.size(), axis as usize, &indices)?.f_reshape([-1])?;
            let written = reduction.write(&x.f_reshape([-1])?, &rows, &updates.f_reshape([-1])?)?;
            Ok(written.f_reshape(x.size())?)
        }
    }
}

/// Where each of `indices` along `axis` lies in a flat tensor that was of `sizes`.
fn places(sizes: &[i64], axis: usize, indices: &Torch) -> Result<Torch> {
    if indices.dim() != sizes.len() {
        return Err(TorchError::Graph(format!("indices of rank {} into {sizes:?}", indices.dim())));
    }
    let mut places = indices.f_zeros_like()?;
    for (other, size) in sizes.iter().enumerate() {
        let mut shape = vec![1; sizes.len()];
        shape[other] = -1;
        let options = (Kind::Int64, indices.device());
        let along = match other == axis {
            true => indices.shallow_clone(),
            false => Torch::f_arange_start_step(0_i64, indices.size()[other], 1_i64, options)?.f_reshape(shape)?,
        };
        places = places.f_mul_scalar(*size)?.f_add(&along)?;
    }
    Ok(places)
}

pub(super) fn nd(call: &Call<'_>) -> Result<Torch> {
    let (x, updates) = (call.tensor(0)?, call.tensor(2)?);
    let sizes = x.size();
    let (depth, flat) = tuples(x, call.tensor(1)?)?;
    let inner: i64 = sizes[depth..].iter().product();
    let (rows, updates) = (x.f_reshape([-1, inner])?, updates.f_reshape([-1, inner])?);
    Ok(Reduction::of(call)?.write(&rows, &flat, &updates)?.f_reshape(sizes)?)
}
