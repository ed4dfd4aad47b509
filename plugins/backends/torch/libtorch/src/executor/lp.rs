//! Norms of order p: of windows, of planes, and what divides by one.

use super::call::Call;
use super::pool::{sums, window};
use super::{Result, TorchError};
use tch::Tensor as Torch;

/// p, which is at least 1.
fn order(call: &Call<'_>) -> Result<i64> {
    match call.node.int("p", 2) {
        p if p >= 1 => Ok(p),
        p => Err(TorchError::Graph(format!("a norm of order {p}"))),
    }
}

pub(super) fn pool(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let (window, p) = (window(call, x)?, order(call)?);
    let powers = if p == 1 { x.f_abs()? } else { x.f_abs()?.f_pow_tensor_scalar(p)? };
    let sums = sums(call, &powers, &window)?;
    Ok(if p == 1 { sums } else { sums.f_pow_tensor_scalar(1.0 / p as f64)? })
}

pub(super) fn global(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axes: Vec<i64> = (2..x.dim() as i64).collect();
    Ok(x.f_norm_scalaropt_dim(order(call)?, axes, true)?)
}

/// Where all is zero, zero stays.
pub(super) fn normalization(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let norm = x.f_norm_scalaropt_dim(order(call)?, [call.axis(-1, x.dim())?], true)?;
    let divisor = norm.f_ones_like()?.f_where_self(&norm.f_eq_tensor(&norm.f_zeros_like()?)?, &norm)?;
    Ok(x.f_div(&divisor)?)
}
