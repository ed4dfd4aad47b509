//! Normalisations.

use super::array::{Array, flat, positions};
use super::{Call, Result, wrap};
use std::collections::BTreeMap;

fn epsilon(call: &Call<'_>) -> f64 {
    f64::from(call.node.float("epsilon", 1e-5))
}

/// Brings each run of `cells` to mean 0 and variance 1.
fn standardise(data: &[f64], cells: usize, epsilon: f64) -> Vec<f64> {
    let mut result = Vec::with_capacity(data.len());
    for run in data.chunks(cells) {
        let mean = run.iter().sum::<f64>() / cells as f64;
        let variance = run.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / cells as f64;
        result.extend(run.iter().map(|value| (value - mean) / (variance + epsilon).sqrt()));
    }
    result
}

/// Divides `run` by the root of the mean of its squares.
fn by_root(run: &[f64], epsilon: f64) -> Vec<f64> {
    let mean = run.iter().map(|value| value * value).sum::<f64>() / run.len() as f64;
    run.iter().map(|value| value / (mean + epsilon).sqrt()).collect()
}

pub(super) fn batch(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let (scale, bias) = (call.input(1)?.floats()?, call.input(2)?.floats()?);
    let (mean, variance) = (call.input(3)?.floats()?, call.input(4)?.floats()?);
    let plane: usize = x.shape[2..].iter().product();
    let data = x.floats()?.iter().enumerate().map(|(index, value)| {
        let c = index / plane % x.shape[1];
        (value - mean[c]) / (variance[c] + epsilon(call)).sqrt() * scale[c] + bias[c]
    });
    Ok(Array::float(x.shape.clone(), data.collect()))
}

pub(super) fn layer(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let axis = call.axis(-1, x.rank())?;
    let cells = x.shape[axis..].iter().product();
    let mut data = match &*call.node.op {
        "LayerNormalization" => standardise(x.floats()?, cells, epsilon(call)),
        _ => x.floats()?.chunks(cells).flat_map(|run| by_root(run, epsilon(call))).collect(),
    };
    let scale = call.input(1)?.broadcast(&x.shape)?;
    let bias = call.optional(2).map(|bias| bias.broadcast(&x.shape)).transpose()?;
    for (index, value) in data.iter_mut().enumerate() {
        *value *= scale.floats()?[index];
        if let Some(bias) = &bias {
            *value += bias.floats()?[index];
        }
    }
    Ok(Array::float(x.shape.clone(), data))
}

/// Instances are groups of one channel.
pub(super) fn group(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let instance = call.node.op == "InstanceNormalization";
    let channels = x.shape[1];
    let groups = if instance { channels } else { call.node.int("num_groups", 1) as usize };
    let per_picture: usize = x.shape[1..].iter().product();
    let mut data = standardise(x.floats()?, per_picture / groups, epsilon(call));
    let (scale, bias) = (call.input(1)?.floats()?, call.input(2)?.floats()?);
    let plane = per_picture / channels;
    for (index, value) in data.iter_mut().enumerate() {
        let of = index / plane % channels / (channels / scale.len());
        *value = *value * scale[of] + bias[of];
    }
    Ok(Array::float(x.shape.clone(), data))
}

/// The runs of cells that agree in all but `axes`, by flat index.
fn runs(shape: &[usize], axes: &[usize]) -> Vec<Vec<usize>> {
    let mut runs: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (index, mut position) in positions(shape).enumerate() {
        axes.iter().for_each(|axis| position[*axis] = 0);
        runs.entry(position).or_default().push(index);
    }
    runs.into_values().collect()
}

pub(super) fn mean_variance(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let axes = call.node.ints("axes").unwrap_or(&[0, 2, 3]);
    let axes: Vec<usize> = axes.iter().map(|axis| wrap(*axis, x.rank())).collect::<Result<_>>()?;
    let data = x.floats()?;
    let mut result = vec![0.0; data.len()];
    for run in runs(&x.shape, &axes) {
        let values: Vec<f64> = run.iter().map(|index| data[*index]).collect();
        let normal = standardise(&values, values.len(), 1e-18);
        run.iter().zip(normal).for_each(|(index, value)| result[*index] = value);
    }
    Ok(Array::float(x.shape.clone(), result))
}

pub(super) fn by_norm(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let (axis, p) = (call.axis(-1, x.rank())?, call.node.int("p", 2) as i32);
    let data = x.floats()?;
    let mut result = vec![0.0; data.len()];
    for run in runs(&x.shape, &[axis]) {
        let sum: f64 = run.iter().map(|index| data[*index].abs().powi(p)).sum();
        let norm = if p == 1 { sum } else { sum.sqrt() };
        run.iter().for_each(|index| result[*index] = if norm == 0.0 { 0.0 } else { data[*index] / norm });
    }
    Ok(Array::float(x.shape.clone(), result))
}

pub(super) fn local_response(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let number = |name: &str, default: f32| f64::from(call.node.float(name, default));
    let (alpha, beta, bias) = (number("alpha", 1e-4), number("beta", 0.75), number("bias", 1.0));
    let size = call.node.int("size", 1);
    let data = x.floats()?;
    let cells = positions(&x.shape).zip(data).map(|(position, value)| {
        let (low, high) = (position[1] as i64 - (size - 1) / 2, position[1] as i64 + size / 2);
        let neighbours = (low.max(0)..=high.min(x.shape[1] as i64 - 1)).map(|channel| {
            let mut at = position.clone();
            at[1] = channel as usize;
            data[flat(&at, &x.shape)].powi(2)
        });
        value / (bias + alpha / size as f64 * neighbours.sum::<f64>()).powf(beta)
    });
    Ok(Array::float(x.shape.clone(), cells.collect()))
}
