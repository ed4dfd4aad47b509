//! The layers of a [`Chain`](super::Chain), forwards and backwards, in plain loops over one row of a batch.

use crate::{Rule, Tensor};

/// One step of a chain. Weights are row-major.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    /// K×C×3×3 weights, stride 1, padding 1: C×H×W → K×H×W.
    Conv3x3 {
        weights: Vec<f32>,
        bias: Vec<f32>,
        inputs: usize,
    },
    Relu,
    /// K×H×W → K.
    GlobalAveragePool,
    /// Anything, flattened to n → C by C×n weights.
    Linear {
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    Softmax,
}

impl Layer {
    pub(super) fn op(&self) -> &'static str {
        match self {
            Self::Conv3x3 { .. } => "Conv",
            Self::Relu => "Relu",
            Self::GlobalAveragePool => "GlobalAveragePool",
            Self::Linear { .. } => "Gemm",
            Self::Softmax => "Softmax",
        }
    }

    pub(super) fn parameters(&self) -> usize {
        match self {
            Self::Conv3x3 { weights, bias, .. } | Self::Linear { weights, bias } => weights.len() + bias.len(),
            _ => 0,
        }
    }

    /// The shape of a row after it, or why a row of `shape` does not fit.
    pub(super) fn shape(&self, shape: &[usize]) -> Result<Vec<usize>, String> {
        match (self, shape) {
            (Self::Conv3x3 { bias, inputs, .. }, &[channels, height, width]) if channels == *inputs => {
                Ok(vec![bias.len(), height, width])
            }
            (Self::GlobalAveragePool, &[channels, height, width]) if height * width > 0 => Ok(vec![channels]),
            (Self::Linear { weights, bias }, _) if shape.iter().product::<usize>() * bias.len() == weights.len() => {
                Ok(vec![bias.len()])
            }
            (Self::Relu, _) | (Self::Softmax, [_]) => Ok(shape.to_vec()),
            _ => Err(format!("{} does not take a row of shape {shape:?}", self.op())),
        }
    }

    pub(super) fn forward(&self, shape: &[usize], x: &[f32]) -> Vec<f32> {
        match self {
            Self::Conv3x3 { weights, bias, .. } => {
                let area = shape[1] * shape[2];
                let mut y: Vec<f32> = bias.iter().flat_map(|&b| core::iter::repeat_n(b, area)).collect();
                each_tap(shape, bias.len(), |weight, from, to| y[to] += weights[weight] * x[from]);
                y
            }
            Self::Relu => x.iter().map(|v| v.max(0.0)).collect(),
            Self::GlobalAveragePool => {
                let area = shape[1] * shape[2];
                x.chunks(area).map(|plane| plane.iter().sum::<f32>() / area as f32).collect()
            }
            Self::Linear { weights, bias } => {
                let rows = weights.chunks(x.len().max(1));
                rows.zip(bias).map(|(row, b)| b + row.iter().zip(x).map(|(w, v)| w * v).sum::<f32>()).collect()
            }
            Self::Softmax => {
                let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let powers: Vec<f32> = x.iter().map(|v| (v - largest).exp()).collect();
                let sum: f32 = powers.iter().sum();
                powers.iter().map(|p| p / sum).collect()
            }
        }
    }

    /// The cotangent of the input, from that of the output (`g`), the input (`x`) and the output (`y`).
    pub(super) fn backward(&self, shape: &[usize], x: &[f32], y: &[f32], g: &[f32], rule: Rule) -> Vec<f32> {
        match self {
            Self::Conv3x3 { weights, bias, .. } => {
                let mut back = vec![0.0; x.len()];
                each_tap(shape, bias.len(), |weight, from, to| back[from] += weights[weight] * g[to]);
                back
            }
            Self::Relu => {
                let passes = |v: f32, g: f32| match rule {
                    Rule::Standard => v > 0.0,
                    Rule::Guided => v > 0.0 && g > 0.0,
                    Rule::Deconvnet => g > 0.0,
                };
                x.iter().zip(g).map(|(&v, &g)| if passes(v, g) { g } else { 0.0 }).collect()
            }
            Self::GlobalAveragePool => {
                let area = shape[1] * shape[2];
                g.iter().flat_map(|&g| core::iter::repeat_n(g / area as f32, area)).collect()
            }
            Self::Linear { weights, .. } => {
                let mut back = vec![0.0; x.len()];
                for (row, g) in weights.chunks(x.len().max(1)).zip(g) {
                    back.iter_mut().zip(row).for_each(|(b, w)| *b += w * g);
                }
                back
            }
            Self::Softmax => {
                let inner: f32 = y.iter().zip(g).map(|(y, g)| y * g).sum();
                y.iter().zip(g).map(|(y, g)| y * (g - inner)).collect()
            }
        }
    }
}

/// Calls `visit(weight, from, to)` for each product of a 3×3 convolution with padding 1.
fn each_tap(shape: &[usize], outputs: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (channels, height, width) = (shape[0], shape[1], shape[2]);
    for k in 0..outputs {
        for c in 0..channels {
            for dy in 0..3 {
                for dx in 0..3 {
                    for y in 0..height {
                        for x in 0..width {
                            // One less on both sides, so that nothing goes below zero.
                            let (row, column) = (y + dy, x + dx);
                            if (1..=height).contains(&row) && (1..=width).contains(&column) {
                                let from = (c * height + row - 1) * width + column - 1;
                                visit(((k * channels + c) * 3 + dy) * 3 + dx, from, (k * height + y) * width + x);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A batch as a tensor: N rows of `shape`.
pub(super) fn batch(rows: usize, shape: &[usize], data: Vec<f32>) -> Tensor {
    let length = |n: &usize| i64::try_from(*n).expect("lengths fit");
    Tensor::new(core::iter::once(&rows).chain(shape).map(length).collect(), data)
}
