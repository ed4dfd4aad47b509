//! Resize and Upsample, cell by cell. Coordinates are float32, as in the engines.

use super::array::{Array, flat, positions};
use super::{Call, Result, fail, wrap};
use crate::Attribute;

/// The scale and the size of each axis.
fn plan(call: &Call<'_>, x: &Array) -> Result<Vec<(f32, usize)>> {
    let scales_at = if call.opset >= 11 { 2 } else { 1 };
    let scales: Option<Vec<f32>> = match (call.node.attributes.get("scales"), call.optional(scales_at)) {
        (Some(Attribute::Floats(scales)), _) => Some(scales.clone()),
        (_, Some(scales)) if scales.len() > 0 => Some(scales.floats()?.iter().map(|scale| *scale as f32).collect()),
        _ => None,
    };
    let mut plan: Vec<(f32, usize)> = x.shape.iter().map(|size| (1.0, *size)).collect();
    let axes: Vec<usize> = match call.node.ints("axes") {
        Some(axes) => axes.iter().map(|axis| wrap(*axis, x.rank())).collect::<Result<_>>()?,
        None => (0..x.rank()).collect(),
    };
    if let Some(scales) = scales {
        for (axis, scale) in axes.iter().zip(scales) {
            plan[*axis] = (scale, (x.shape[*axis] as f32 * scale).floor() as usize);
        }
        return Ok(plan);
    }
    let sizes = call.input(3)?.ints()?;
    let ratios: Vec<f32> = axes.iter().zip(sizes).map(|(axis, size)| *size as f32 / x.shape[*axis] as f32).collect();
    let policy = call.node.string("keep_aspect_ratio_policy").unwrap_or("stretch");
    for (index, axis) in axes.iter().enumerate() {
        let scale = match policy {
            "not_larger" => ratios.iter().copied().fold(f32::INFINITY, f32::min),
            "not_smaller" => ratios.iter().copied().fold(0.0, f32::max),
            _ => ratios[index],
        };
        let size = if policy == "stretch" { sizes[index] as f32 } else { (scale * x.shape[*axis] as f32).round() };
        plan[*axis] = (scale, size as usize);
    }
    Ok(plan)
}

fn original(mode: &str, at: usize, scale: f32, from: usize, to: usize, roi: (f32, f32)) -> f32 {
    let (at, last) = (at as f32, from as f32 - 1.0);
    match mode {
        "asymmetric" => at / scale,
        "align_corners" => at * last / (to as f32 - 1.0).max(1.0),
        "pytorch_half_pixel" if to == 1 => 0.0,
        "tf_half_pixel_for_nn" => (at + 0.5) / scale,
        "tf_crop_and_resize" if to == 1 => 0.5 * (roi.0 + roi.1) * last,
        "tf_crop_and_resize" => roi.0 * last + at * (roi.1 - roi.0) * last / (to as f32 - 1.0),
        "half_pixel_symmetric" => {
            let adjustment = to as f32 / (scale * from as f32);
            from as f32 / 2.0 * (1.0 - adjustment) + (at + 0.5) / scale - 0.5
        }
        _ => (at + 0.5) / scale - 0.5,
    }
}

/// The value between the cells of `line` at `x`.
fn interpolate(call: &Call<'_>, line: &[f64], x: f32, scale: f32) -> f64 {
    let last = line.len() as i64 - 1;
    let at = |cell: i64| line[cell.clamp(0, last) as usize];
    let mode = call.node.string("mode").unwrap_or("nearest");
    if mode == "nearest" {
        let fraction = x - x.floor();
        let rounding = if call.opset < 11 { "outward" } else { call.node.string("nearest_mode").unwrap_or("") };
        let up = match rounding {
            "floor" => false,
            "ceil" => fraction > 0.0,
            "round_prefer_ceil" => fraction >= 0.5,
            "outward" => scale < 1.0 && fraction > 0.0,
            _ => fraction > 0.5,
        };
        return at(x.floor() as i64 + i64::from(up));
    }
    let a = f64::from(call.node.float("cubic_coeff_a", -0.75));
    let cubic = |d: f64| match d {
        d if d <= 1.0 => (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0,
        d if d < 2.0 => a * d.powi(3) - 5.0 * a * d.powi(2) + 8.0 * a * d - 4.0 * a,
        _ => 0.0,
    };
    let kernel = |d: f64| if mode == "cubic" { cubic(d) } else { (1.0 - d).max(0.0) };
    let squeeze = if call.node.int("antialias", 0) != 0 { f64::from(scale.min(1.0)) } else { 1.0 };
    let reach = (2.0 / squeeze).ceil() as i64 + 1;
    let excludes = call.node.int("exclude_outside", 0) != 0;
    let (mut sum, mut total) = (0.0, 0.0);
    for cell in x.floor() as i64 - reach..=x.floor() as i64 + reach {
        let weight = kernel((f64::from(x) - cell as f64).abs() * squeeze);
        if !excludes || (0..=last).contains(&cell) {
            sum += weight * at(cell);
            total += weight;
        }
    }
    sum / total
}

pub(super) fn resize(call: &Call<'_>) -> Result<Array> {
    let mut x = call.input(0)?.clone();
    let plan = plan(call, &x)?;
    let mode = if call.opset < 11 {
        "asymmetric"
    } else {
        call.node.string("coordinate_transformation_mode").unwrap_or("half_pixel")
    };
    let roi: Vec<f32> = match call.optional(1) {
        Some(roi) if mode == "tf_crop_and_resize" => roi.floats()?.iter().map(|number| *number as f32).collect(),
        _ => Vec::new(),
    };
    if !roi.is_empty() && roi.len() != 2 * plan.len() {
        return fail("a region of interest per axis is needed");
    }
    let outside = f64::from(call.node.float("extrapolation_value", 0.0));
    let mut extrapolated: Vec<Vec<bool>> = Vec::new();
    for (axis, (scale, size)) in plan.iter().enumerate() {
        let from = x.shape[axis];
        let region = if roi.is_empty() { (0.0, 1.0) } else { (roi[axis], roi[axis + plan.len()]) };
        let places: Vec<f32> = (0..*size).map(|at| original(mode, at, *scale, from, *size, region)).collect();
        let beyond = |place: &f32| mode == "tf_crop_and_resize" && (*place < 0.0 || *place > from as f32 - 1.0);
        extrapolated.push(places.iter().map(beyond).collect());
        if from == *size && *scale == 1.0 && roi.is_empty() {
            continue;
        }
        let mut shape = x.shape.clone();
        shape[axis] = *size;
        let data = x.floats()?;
        let mut result = Vec::with_capacity(shape.iter().product());
        for mut position in positions(&shape) {
            let place = places[position[axis]];
            let line: Vec<f64> = (0..from)
                .map(|cell| {
                    position[axis] = cell;
                    data[flat(&position, &x.shape)]
                })
                .collect();
            result.push(interpolate(call, &line, place, *scale));
        }
        x = Array::float(shape, result);
    }
    let data = x.floats()?.to_vec();
    let cells = positions(&x.shape).zip(data).map(|(position, value)| {
        let beyond = position.iter().zip(&extrapolated).any(|(at, beyond)| beyond[*at]);
        if beyond { outside } else { value }
    });
    Ok(Array::float(x.shape.clone(), cells.collect()))
}
