//! Reductions over axes, and what is made of them.

use super::call::{Call, wrap};
use super::value::{Value, is_float};
use super::{Result, TorchError};
use tch::Tensor as Torch;

pub(super) fn reduce(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let given = call.list("axes", 1)?.unwrap_or_default();
    let keep = call.node.int("keepdims", 1) != 0;
    let axes: Vec<i64> = match given.is_empty() {
        // Over no axis at all: each element is reduced by itself.
        true if call.node.int("noop_with_empty_axes", 0) != 0 => return alone(call, x),
        true => (0..x.dim() as i64).collect(),
        false => given.iter().map(|axis| wrap(*axis, x.dim())).collect::<Result<_>>()?,
    };
    // libtorch reads an empty list as all axes; a scalar has none.
    if axes.is_empty() {
        return alone(call, x);
    }
    let sum = |x: &Torch| x.f_sum_dim_intlist(&axes[..], keep, x.f_kind()?);
    Ok(match &*call.node.op {
        "ReduceSum" => sum(x)?,
        "ReduceMean" => x.f_mean_dim(&axes[..], keep, None)?,
        "ReduceMax" | "ReduceMin" if axes.iter().any(|axis| x.size()[*axis as usize] == 0) => nothing(call, &sum(x)?)?,
        "ReduceMax" => x.f_amax(&axes, keep)?,
        "ReduceMin" => x.f_amin(&axes, keep)?,
        "ReduceL1" => sum(&x.f_abs()?)?,
        "ReduceL2" => sum(&x.f_square()?)?.f_sqrt()?,
        "ReduceSumSquare" => sum(&x.f_square()?)?,
        "ReduceLogSum" => sum(x)?.f_log()?,
        "ReduceLogSumExp" => x.f_logsumexp(&axes, keep)?,
        _ => {
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            let mut product = x.shallow_clone();
            for axis in sorted.into_iter().rev() {
                product = product.f_prod_dim_int(axis, keep, None)?;
            }
            product
        }
    })
}

/// The largest, or the smallest, of nothing: what no number is beyond.
fn nothing(call: &Call<'_>, like: &Torch) -> Result<Torch> {
    if !is_float(like)? {
        return call.unsupported("of no integers");
    }
    let bound = if call.node.op == "ReduceMax" { f64::NEG_INFINITY } else { f64::INFINITY };
    Ok(like.f_full_like(bound)?)
}

fn alone(call: &Call<'_>, x: &Torch) -> Result<Torch> {
    Ok(match &*call.node.op {
        "ReduceL1" | "ReduceL2" => x.f_abs()?,
        "ReduceSumSquare" => x.f_square()?,
        "ReduceLogSum" => x.f_log()?,
        _ => x.shallow_clone(),
    })
}

pub(super) fn extreme(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let flag = |name: &str, default: i64| call.node.int(name, default) != 0;
    let (last, keep) = (flag("select_last_index", 0), flag("keepdims", 1));
    place(x, call.axis(0, x.dim())?, call.node.op == "ArgMax", last, keep)
}

/// Where along an axis the largest is, or the smallest. Of equal ones libtorch takes any; ONNX takes the first, or the last.
pub(super) fn place(x: &Torch, axis: i64, largest: bool, last: bool, keep: bool) -> Result<Torch> {
    // The places of the extreme say which.
    let extreme = if largest { x.f_amax([axis], true)? } else { x.f_amin([axis], true)? };
    let size = x.size()[axis as usize];
    let mut shape = vec![1; x.dim()];
    shape[axis as usize] = size;
    let options = (tch::Kind::Int64, x.device());
    let places = Torch::f_arange_start_step(0_i64, size, 1_i64, options)?.f_reshape(shape)?;
    let outside = Torch::f_full([0_i64; 0], if last { -1 } else { size }, options)?;
    let candidates = places.f_where_self(&x.f_eq_tensor(&extreme)?, &outside)?;
    Ok(if last { candidates.f_amax([axis], keep)? } else { candidates.f_amin([axis], keep)? })
}

pub(super) fn softmax(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let apply = |x: &Torch, axis: i64| {
        if call.node.op == "Softmax" { x.f_softmax(axis, None) } else { x.f_log_softmax(axis, None) }
    };
    if call.opset >= 13 {
        return Ok(apply(x, call.axis(-1, x.dim())?)?);
    }
    // Before opset 13 everything from the axis on is one row.
    let shape = x.size();
    let axis = call.axis(1, x.dim())? as usize;
    let rows: i64 = shape[..axis].iter().product();
    Ok(apply(&x.f_reshape([rows, -1])?, 1)?.f_reshape(shape)?)
}

pub(super) fn cumulated(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axis = call.input(1)?.ints()?.first().copied().unwrap_or(0);
    let axis = wrap(axis, x.dim())?;
    let reverse = call.node.int("reverse", 0) != 0;
    let turned = if reverse { x.f_flip([axis])? } else { x.shallow_clone() };
    let mut sums = turned.f_cumsum(axis, x.f_kind()?)?;
    if call.node.int("exclusive", 0) != 0 {
        sums = sums.f_sub(&turned)?;
    }
    Ok(if reverse { sums.f_flip([axis])? } else { sums })
}

pub(super) fn top(call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = call.axis(-1, x.dim())?;
    let k = match call.node.attributes.get("k") {
        Some(_) => call.node.int("k", 1),
        None => call.input(1)?.ints()?.first().copied().ok_or_else(|| TorchError::Graph("k is empty".to_owned()))?,
    };
    // Of equal ones the first comes first, which libtorch's own selection does not promise.
    let (values, indices) = x.f_sort_stable(true, axis, call.node.int("largest", 1) != 0)?;
    let first = |sorted: Torch| Ok::<_, TorchError>(Value::of(sorted.f_narrow(axis, 0, k)?));
    Ok(vec![first(values)?, first(indices)?])
}
