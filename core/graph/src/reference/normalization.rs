//! Normalisations.

use super::array::Array;
use super::{Call, Result};

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
    let mut data = standardise(x.floats()?, x.shape[axis..].iter().product(), epsilon(call));
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
