//! Operators that move elements.

use super::Result;
use super::call::{Call, wrap, wrap_end};
use super::value::Value;
use tch::{Kind, Tensor as Torch};

pub(super) fn identity(call: &Call<'_>) -> Result<Vec<Value>> {
    Ok(vec![call.input(0)?.share()])
}

pub(super) fn reshape(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let sizes = x.size();
    let mut shape = call.list("shape", 1)?.unwrap_or_default();
    if call.node.int("allowzero", 0) == 0 {
        for (axis, size) in shape.iter_mut().enumerate().filter(|(_, size)| **size == 0) {
            *size = sizes.get(axis).copied().unwrap_or(0);
        }
    }
    Ok(x.f_reshape(shape)?)
}

pub(super) fn flatten(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axis = wrap_end(call.node.int("axis", 1), x.dim())? as usize;
    let rows: i64 = x.size()[..axis].iter().product();
    let columns: i64 = x.size()[axis..].iter().product();
    Ok(x.f_reshape([rows, columns])?)
}

pub(super) fn squeeze(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let sizes = x.size();
    let shape: Vec<i64> = match call.list("axes", 1)? {
        Some(axes) => {
            let axes: Vec<i64> = axes.iter().map(|axis| wrap(*axis, x.dim())).collect::<Result<_>>()?;
            (0..sizes.len()).filter(|axis| !axes.contains(&(*axis as i64))).map(|axis| sizes[axis]).collect()
        }
        None => sizes.into_iter().filter(|size| *size != 1).collect(),
    };
    Ok(x.f_reshape(shape)?)
}

pub(super) fn unsqueeze(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axes = call.list("axes", 1)?.unwrap_or_default();
    let total = x.dim() + axes.len();
    let axes: Vec<i64> = axes.iter().map(|axis| wrap(*axis, total)).collect::<Result<_>>()?;
    let mut sizes = x.size().into_iter();
    let shape: Vec<i64> =
        (0..total as i64).map(|axis| if axes.contains(&axis) { 1 } else { sizes.next().unwrap_or(1) }).collect();
    Ok(x.f_reshape(shape)?)
}

pub(super) fn transpose(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let permutation = call.node.ints("perm").map_or_else(|| (0..x.dim() as i64).rev().collect(), <[i64]>::to_vec);
    Ok(x.f_permute(permutation)?)
}

pub(super) fn expand(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let target = call.input(1)?.ints()?;
    let (own, rank) = (x.size(), x.dim().max(target.len()));
    let at = |sizes: &[i64], axis: usize| (axis + sizes.len()).checked_sub(rank).map_or(1, |index| sizes[index]);
    // A size of 1 on either side gives way to the other.
    let shape: Vec<i64> =
        (0..rank).map(|axis| if at(&target, axis) == 1 { at(&own, axis) } else { at(&target, axis) }).collect();
    Ok(x.f_broadcast_to(shape)?)
}

pub(super) fn tile(call: &Call<'_>) -> Result<Torch> {
    Ok(call.tensor(0)?.f_repeat(call.input(1)?.ints()?)?)
}

pub(super) fn concat(call: &Call<'_>) -> Result<Torch> {
    let parts: Vec<&Torch> = (0..call.inputs.len()).map(|index| call.tensor(index)).collect::<Result<_>>()?;
    let axis = call.axis(1, call.tensor(0)?.dim())?;
    Ok(Torch::f_cat(&parts, axis)?)
}

pub(super) fn split(call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = call.axis(0, x.dim())?;
    let size = x.size()[axis as usize];
    let parts = call.node.outputs.len() as i64;
    let even = (size + parts - 1) / parts;
    let sizes = match call.list("split", 1)? {
        Some(sizes) => sizes,
        None => (0..parts).map(|part| even.min(size - part * even)).collect(),
    };
    Ok(x.f_split_with_sizes(sizes, axis)?.into_iter().map(Value::of).collect())
}

pub(super) fn slice(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let starts = call.list("starts", 1)?.unwrap_or_default();
    let ends = call.list("ends", 2)?.unwrap_or_default();
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    let mut result = x.shallow_clone();
    for index in 0..starts.len() {
        let axis = wrap(axes[index], x.dim())?;
        let size = x.size()[axis as usize];
        let bound = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (start, end, step) = (bound(starts[index]), bound(ends[index]), steps[index]);
        result = if step > 0 {
            let (start, end) = (start.clamp(0, size), end.clamp(0, size));
            result.f_slice(axis, start, end.max(start), step)?
        } else {
            // libtorch knows no negative steps: the indices are spelled out.
            let (mut at, end) = (start.min(size - 1), end.max(-1));
            let mut indices = Vec::new();
            while at > end {
                indices.push(at);
                at += step;
            }
            result.f_index_select(axis, &Torch::f_from_slice(&indices)?.f_to_device(call.device)?)?
        };
    }
    Ok(result)
}

pub(super) fn pad(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let given = call.list("pads", 1)?.unwrap_or_default();
    let axes: Vec<i64> = match call.optional(3) {
        Some(axes) => axes.ints()?.iter().map(|axis| wrap(*axis, x.dim())).collect::<Result<_>>()?,
        None => (0..x.dim() as i64).collect(),
    };
    let (mut before, mut after) = (vec![0; x.dim()], vec![0; x.dim()]);
    for (index, axis) in axes.iter().enumerate() {
        before[*axis as usize] = given[index];
        after[*axis as usize] = given[index + axes.len()];
    }
    let mode = call.node.string("mode").unwrap_or("constant");
    if mode == "constant" {
        let value = match call.optional_tensor(2) {
            Some(value) => value.f_detach()?.f_to_kind(Kind::Double)?.f_reshape([0_i64; 0])?.f_double_value(&[])?,
            None => f64::from(call.node.float("value", 0.0)),
        };
        let pads: Vec<i64> = (0..x.dim()).rev().flat_map(|axis| [before[axis], after[axis]]).collect();
        return Ok(x.f_pad(pads, "constant", value)?);
    }
    // What libtorch has for these covers some ranks only: along each axis, the indices that are read.
    let mut result = x.shallow_clone();
    for axis in 0..x.dim() {
        let (size, first, last) = (x.size()[axis], -before[axis], x.size()[axis] + after[axis]);
        if (first, last) == (0, size) {
            continue;
        }
        let source = |at: i64| match mode {
            "edge" => Ok(at.clamp(0, size - 1)),
            "wrap" => Ok(at.rem_euclid(size)),
            "reflect" => {
                let period = (2 * (size - 1)).max(1);
                let within = at.rem_euclid(period);
                Ok(within.min(period - within))
            }
            other => call.unsupported(format!("with the mode {other:?}")),
        };
        let indices = (first..last).map(source).collect::<Result<Vec<i64>>>()?;
        result = result.f_index_select(axis as i64, &Torch::f_from_slice(&indices)?.f_to_device(call.device)?)?;
    }
    Ok(result)
}

pub(super) fn blocks(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let size = call.node.int("blocksize", 1);
    let &[n, c, h, w] = x.size().as_slice() else { return call.unsupported("of other than N×C×H×W") };
    if call.node.op == "SpaceToDepth" {
        let apart = x.f_reshape([n, c, h / size, size, w / size, size])?.f_permute([0, 3, 5, 1, 2, 4])?;
        return Ok(apart.f_reshape([n, c * size * size, h / size, w / size])?);
    }
    let depth = c / (size * size);
    let together = if call.node.string("mode") == Some("CRD") {
        x.f_reshape([n, depth, size, size, h, w])?.f_permute([0, 1, 4, 2, 5, 3])?
    } else {
        x.f_reshape([n, size, size, depth, h, w])?.f_permute([0, 3, 4, 1, 5, 2])?
    };
    Ok(together.f_reshape([n, depth, h * size, w * size])?)
}

pub(super) fn triangle(call: &Call<'_>) -> Result<Torch> {
    let k = call.optional(1).map(Value::ints).transpose()?.and_then(|k| k.first().copied()).unwrap_or(0);
    let x = call.tensor(0)?;
    Ok(if call.node.int("upper", 1) != 0 { x.f_triu(k)? } else { x.f_tril(k)? })
}
