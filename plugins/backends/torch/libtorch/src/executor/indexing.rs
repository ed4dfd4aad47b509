//! Reading at indices that are values.

use super::call::Call;
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};

/// Negative indices count from the end of an axis of `size`.
///
/// # Errors
/// If one lies outside of it.
pub(super) fn wrapped(indices: &Torch, size: i64) -> Result<Torch> {
    let indices = indices.f_to_kind(Kind::Int64)?;
    let zero = Torch::f_zeros([0_i64; 0], (Kind::Int64, indices.device()))?;
    let wrapped = indices.f_add_scalar(size)?.f_where_self(&indices.f_lt_tensor(&zero)?, &indices)?;
    let outside = wrapped.f_lt(0)?.f_logical_or(&wrapped.f_ge(size)?)?;
    if outside.numel() > 0 && outside.f_any()?.f_int64_value(&[])? != 0 {
        return Err(TorchError::Graph(format!("an index outside of an axis of {size}")));
    }
    Ok(wrapped)
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
    let batch = call.node.int("batch_dims", 0) as usize;
    let (sizes, count) = (x.size(), indices.size());
    if batch >= count.len() || batch >= sizes.len() {
        return Err(TorchError::Graph(format!("{batch} batch_dims of {sizes:?} and {count:?}")));
    }
    // The batch is one axis in front, which each tuple names first.
    let rows: i64 = sizes[..batch].iter().product();
    let x = x.f_reshape([&[rows], &sizes[batch..]].concat())?;
    let indices = indices.f_to_kind(Kind::Int64)?.f_reshape([rows, -1, count[count.len() - 1]])?;
    let row = Torch::f_arange_start_step(0_i64, rows, 1_i64, (Kind::Int64, x.device()))?;
    let row = row.f_reshape([-1, 1, 1])?.f_expand([-1, indices.size()[1], 1], false)?;
    let (depth, flat) = tuples(&x, &Torch::f_cat(&[row, indices], 2)?)?;
    let left = &x.size()[depth..];
    let cells = x.f_reshape([&[-1], left].concat())?;
    Ok(cells.f_index_select(0, &flat)?.f_reshape([&count[..count.len() - 1], left].concat())?)
}

/// How many axes a tuple of indices names, and where in them, flattened, each tuple points.
pub(super) fn tuples(x: &Torch, indices: &Torch) -> Result<(usize, Torch)> {
    let sizes = x.size();
    let depth =
        indices.size().last().copied().ok_or_else(|| TorchError::Graph("indices of rank 0".to_owned()))? as usize;
    if depth > sizes.len() {
        return Err(TorchError::Graph(format!("indices of {depth} axes into {sizes:?}")));
    }
    let columns = indices.f_reshape([-1, depth as i64])?;
    let mut flat = Torch::f_zeros([columns.size()[0]], (Kind::Int64, x.device()))?;
    for (axis, size) in sizes[..depth].iter().enumerate() {
        let column = wrapped(&columns.f_select(1, axis as i64)?, *size)?;
        flat = flat.f_mul_scalar(*size)?.f_add(&column)?;
    }
    Ok((depth, flat))
}
