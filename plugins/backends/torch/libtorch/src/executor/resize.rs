//! Resize and Upsample, axis by axis: each cell of the result is a sum of some cells of the axis. Which, and how much each
//! counts, is next door, in [`interpolation`](super::interpolation).

use super::call::{Call, wrap};
use super::interpolation::{Axis, Manner};
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};
use whyglass_graph::Attribute;

pub(super) fn resize(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let (manner, axes) = (Manner::of(call)?, checked(call, x)?);
    // Sums are made of numbers that can hold them.
    let own = x.f_kind()?;
    let inner = if manner.picks() || own == Kind::Double { own } else { Kind::Float };
    let mut made = x.f_to_kind(inner)?;
    let mut inside: Option<Torch> = None;
    for (index, axis) in axes.iter().enumerate().filter(|(_, axis)| !axis.is_kept(&manner)) {
        let taps: Vec<Option<Vec<(i64, f64)>>> = (0..axis.to).map(|cell| axis.taps(cell, &manner)).collect();
        made = along(&made, index, &taps)?;
        if taps.iter().any(Option::is_none) {
            let mut shape = vec![1; axes.len()];
            shape[index] = axis.to;
            let seen: Vec<bool> = taps.iter().map(Option::is_some).collect();
            let seen = Torch::f_from_slice(&seen)?.f_to_device(call.device)?.f_reshape(shape)?;
            inside = Some(match inside {
                Some(inside) => inside.f_logical_and(&seen)?,
                None => seen,
            });
        }
    }
    if let Some(inside) = inside {
        let outside = f64::from(call.node.float("extrapolation_value", 0.0));
        made = made.f_where_self(&inside, &Torch::f_full([0_i64; 0], outside, (inner, call.device))?)?;
    }
    Ok(made.f_to_kind(own)?)
}

/// `x` with axis `index` made of `taps`: for each cell of the result the cells that it is made of, with their weights.
fn along(x: &Torch, index: usize, taps: &[Option<Vec<(i64, f64)>>]) -> Result<Torch> {
    let most = taps.iter().flatten().map(Vec::len).max().unwrap_or(0).max(1);
    let mut shape = vec![1; x.dim()];
    shape[index] = taps.len() as i64;
    let mut sum: Option<Torch> = None;
    for tap in 0..most {
        let at =
            |taps: &Option<Vec<(i64, f64)>>| taps.as_ref().and_then(|taps| taps.get(tap).copied()).unwrap_or((0, 0.0));
        let (cells, weights): (Vec<i64>, Vec<f64>) = taps.iter().map(at).unzip();
        let picked = x.f_index_select(index as i64, &Torch::f_from_slice(&cells)?.f_to_device(x.device())?)?;
        if most == 1 {
            return Ok(picked);
        }
        let weights = Torch::f_from_slice(&weights)?.f_to_kind(x.f_kind()?)?.f_to_device(x.device())?;
        let term = picked.f_mul(&weights.f_reshape(&shape)?)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&term)?,
            None => term,
        });
    }
    sum.ok_or_else(|| TorchError::Graph("a cell that is made of nothing".to_owned()))
}

/// Cells of a result: a file that asks for more is refused before memory is taken for it.
const MOST: i64 = 1 << 30;

/// How each axis of `x` is resized.
///
/// # Errors
/// If the result were larger than [`MOST`] cells, or of cells that there are not.
fn checked(call: &Call<'_>, x: &Torch) -> Result<Vec<Axis>> {
    let plan = plan(call, x)?;
    let cells = plan.iter().try_fold(1_i64, |cells, axis| cells.checked_mul(axis.to));
    let fits =
        cells.is_some_and(|cells| (0..=MOST).contains(&cells)) && plan.iter().all(|axis| (0..=MOST).contains(&axis.to));
    let from_nothing = plan.iter().any(|axis| axis.from == 0 && axis.to > 0);
    if fits && !from_nothing && plan.iter().all(|axis| axis.scale.is_finite()) {
        return Ok(plan);
    }
    let sizes: Vec<i64> = plan.iter().map(|axis| axis.to).collect();
    Err(TorchError::Graph(format!("{:?} resized to {sizes:?}", x.size())))
}

fn plan(call: &Call<'_>, x: &Torch) -> Result<Vec<Axis>> {
    let mut plan: Vec<Axis> =
        x.size().iter().map(|size| Axis { from: *size, to: *size, scale: 1.0, region: (0.0, 1.0) }).collect();
    let chosen: Vec<usize> = match call.node.ints("axes") {
        Some(axes) => axes.iter().map(|axis| Ok(wrap(*axis, x.dim())? as usize)).collect::<Result<_>>()?,
        None => (0..x.dim()).collect(),
    };
    let fits = |what: &str, count: usize, wanted: usize| match count == wanted {
        true => Ok(()),
        false => Err(TorchError::Graph(format!("{count} {what} where {wanted} are needed"))),
    };
    if call.opset >= 11
        && let Some(region) = call.optional_tensor(1).map(numbers).transpose()?.filter(|region| !region.is_empty())
    {
        fits("bounds of a region", region.len(), 2 * chosen.len())?;
        for (index, axis) in chosen.iter().enumerate() {
            plan[*axis].region = (region[index], region[index + chosen.len()]);
        }
    }
    let scales = match call.node.attributes.get("scales") {
        Some(Attribute::Floats(scales)) => scales.clone(),
        _ => call.optional_tensor(if call.opset >= 11 { 2 } else { 1 }).map(numbers).transpose()?.unwrap_or_default(),
    };
    if !scales.is_empty() {
        fits("scales", scales.len(), chosen.len())?;
        for (axis, scale) in chosen.iter().zip(scales) {
            plan[*axis].scale = scale;
            plan[*axis].to = (plan[*axis].from as f32 * scale).floor() as i64;
        }
        return Ok(plan);
    }
    let sizes = call.input(3)?.ints()?;
    fits("sizes", sizes.len(), chosen.len())?;
    let ratios = chosen.iter().zip(&sizes).map(|(axis, size)| *size as f32 / plan[*axis].from as f32);
    let common = match call.node.string("keep_aspect_ratio_policy").unwrap_or("stretch") {
        "stretch" => None,
        "not_larger" => ratios.reduce(f32::min),
        "not_smaller" => ratios.reduce(f32::max),
        other => return call.unsupported(format!("with the keep_aspect_ratio_policy {other:?}")),
    };
    for (axis, size) in chosen.iter().zip(sizes) {
        let from = plan[*axis].from as f32;
        plan[*axis].to = common.map_or(size, |scale| (scale * from).round() as i64);
        plan[*axis].scale = common.unwrap_or(size as f32 / from);
    }
    Ok(plan)
}

fn numbers(tensor: &Torch) -> Result<Vec<f32>> {
    let flat = tensor.f_detach()?.f_to_kind(Kind::Float)?.f_reshape([-1])?.f_to_device(tch::Device::Cpu)?;
    let mut numbers = vec![0.0; flat.size()[0] as usize];
    let count = numbers.len();
    flat.f_copy_data(&mut numbers, count)?;
    Ok(numbers)
}
