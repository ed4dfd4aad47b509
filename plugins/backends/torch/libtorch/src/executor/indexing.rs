//! Reading and writing at indices that are values.

use super::call::Call;
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};

/// Negative indices count from the end of an axis of `size`.
fn wrapped(indices: &Torch, size: i64) -> Result<Torch> {
    let indices = indices.f_to_kind(Kind::Int64)?;
    let zero = Torch::f_zeros([0_i64; 0], (Kind::Int64, indices.device()))?;
    Ok(indices.f_add_scalar(size)?.f_where_self(&indices.f_lt_tensor(&zero)?, &indices)?)
}

pub(super) fn gather(call: &Call<'_>) -> Result<Torch> {
    let (x, indices) = (call.tensor(0)?, call.tensor(1)?);
    let axis = call.axis(0, x.dim())?;
    let sizes = x.size();
    let flat = wrapped(indices, sizes[axis as usize])?.f_reshape([-1])?;
    let shape = [&sizes[..axis as usize], &indices.size(), &sizes[axis as usize + 1..]].concat();
    Ok(x.f_index_select(axis, &flat)?.f_reshape(shape)?)
}

pub(super) fn gather_elements(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axis = call.axis(0, x.dim())?;
    Ok(x.f_gather(axis, &wrapped(call.tensor(1)?, x.size()[axis as usize])?, false)?)
}

pub(super) fn gather_nd(call: &Call<'_>) -> Result<Torch> {
    let (x, indices) = (call.tensor(0)?, call.tensor(1)?);
    if call.node.int("batch_dims", 0) != 0 {
        return call.unsupported("with batch_dims");
    }
    let (depth, flat) = tuples(x, indices)?;
    let sizes = x.size();
    let rows = x.f_reshape([&[-1][..], &sizes[depth..]].concat())?;
    let count = indices.size();
    Ok(rows.f_index_select(0, &flat)?.f_reshape([&count[..count.len() - 1], &sizes[depth..]].concat())?)
}

/// How many axes a tuple of indices names, and where in them, flattened, each tuple points.
fn tuples(x: &Torch, indices: &Torch) -> Result<(usize, Torch)> {
    let sizes = x.size();
    let depth =
        indices.size().last().copied().ok_or_else(|| TorchError::Graph("indices of rank 0".to_owned()))? as usize;
    let columns = indices.f_reshape([-1, depth as i64])?;
    let mut flat = Torch::f_zeros([columns.size()[0]], (Kind::Int64, x.device()))?;
    for (axis, size) in sizes[..depth].iter().enumerate() {
        let column = wrapped(&columns.f_select(1, axis as i64)?, *size)?;
        flat = flat.f_mul_scalar(*size)?.f_add(&column)?;
    }
    Ok((depth, flat))
}

pub(super) fn scatter_elements(call: &Call<'_>) -> Result<Torch> {
    let (x, updates) = (call.tensor(0)?, call.tensor(2)?);
    let axis = call.axis(0, x.dim())?;
    let indices = wrapped(call.tensor(1)?, x.size()[axis as usize])?;
    match call.node.string("reduction").unwrap_or("none") {
        "none" => Ok(x.f_scatter(axis, &indices, updates)?),
        "add" => Ok(x.f_scatter_add(axis, &indices, updates)?),
        other => call.unsupported(format!("with the reduction {other:?}")),
    }
}

pub(super) fn scatter_nd(call: &Call<'_>) -> Result<Torch> {
    let (x, updates) = (call.tensor(0)?, call.tensor(2)?);
    let sizes = x.size();
    let (depth, flat) = tuples(x, call.tensor(1)?)?;
    let inner: i64 = sizes[depth..].iter().product();
    let (rows, updates) = (x.f_reshape([-1, inner])?, updates.f_reshape([-1, inner])?);
    let written = match call.node.string("reduction").unwrap_or("none") {
        "none" => rows.f_index_copy(0, &flat, &updates)?,
        "add" => rows.f_index_add(0, &flat, &updates)?,
        other => return call.unsupported(format!("with the reduction {other:?}")),
    };
    Ok(written.f_reshape(sizes)?)
}
