//! Rows with one cell that is set: by an index (OneHot), or where a row is largest (Hardmax).

use super::call::{Call, wrap, wrap_end};
use super::{Result, TorchError, reduce};
use tch::{Kind, Tensor as Torch};

/// The places 0 to `size` along `axis` of a tensor of `rank` axes.
fn places(size: i64, axis: i64, rank: usize, like: &Torch) -> Result<Torch> {
    let mut shape = vec![1; rank];
    shape[axis as usize] = size;
    Ok(Torch::f_arange_start_step(0_i64, size, 1_i64, (Kind::Int64, like.device()))?.f_reshape(shape)?)
}

/// Indices out of range set nothing.
pub(super) fn one_hot(call: &Call<'_>) -> Result<Torch> {
    let (indices, values) = (call.tensor(0)?.f_to_kind(Kind::Int64)?, call.tensor(2)?);
    let depth = call.input(1)?.ints()?.first().copied();
    let depth = depth.ok_or_else(|| TorchError::Graph("its depth is empty".to_owned()))?;
    let rank = indices.dim() + 1;
    let axis = wrap(call.node.int("axis", -1), rank)?;
    let zero = Torch::f_zeros([0_i64; 0], (Kind::Int64, indices.device()))?;
    let wrapped = indices.f_add_scalar(depth)?.f_where_self(&indices.f_lt_tensor(&zero)?, &indices)?;
    let set = places(depth, axis, rank, &indices)?.f_eq_tensor(&wrapped.f_unsqueeze(axis)?)?;
    Ok(values.f_select(0, 1)?.f_where_self(&set, &values.f_select(0, 0)?)?)
}

/// Of equal maxima the first is set.
pub(super) fn hardmax(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    if call.opset >= 13 {
        return largest(x, call.axis(-1, x.dim())?);
    }
    // Before opset 13 everything from the axis on is one row.
    let axis = wrap_end(call.node.int("axis", 1), x.dim())? as usize;
    let rows: i64 = x.size()[..axis].iter().product();
    Ok(largest(&x.f_reshape([rows, -1])?, 1)?.f_reshape(x.size())?)
}

fn largest(x: &Torch, axis: i64) -> Result<Torch> {
    let first = reduce::place(x, axis, true, false, true)?;
    Ok(places(x.size()[axis as usize], axis, x.dim(), x)?.f_eq_tensor(&first)?.f_to_kind(x.f_kind()?)?)
}
