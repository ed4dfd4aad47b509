//! What the nodes are given.

use whyglass_graph::{Attribute, Dtype, Tensor};

/// An input of a node.
#[derive(Clone, Debug)]
pub(crate) enum In {
    /// Differentiated by.
    By(Tensor),
    Fixed(Tensor),
    Missing,
}

/// Numbers without a pattern, away from 0 and from one another.
fn numbers(shape: &[i64], seed: usize) -> Vec<f32> {
    let value = |i: usize| {
        let place = ((i + seed) * 379 % 997) as f32 / 997.0;
        let (size, negative) = (0.15 + 2.0 * place, (i + seed) * 7 % 11 < 5);
        if negative { -size } else { size }
    };
    (0..shape.iter().product::<i64>() as usize).map(value).collect()
}

pub(crate) fn floats(shape: &[i64], seed: usize) -> Tensor {
    Tensor::f32(shape, &numbers(shape, seed))
}

fn by(shape: &[i64], change: impl Fn(f32) -> f32) -> In {
    let seed = shape.iter().fold(1, |seed, size| 3 * seed + *size as usize);
    In::By(Tensor::f32(shape, &numbers(shape, seed).into_iter().map(change).collect::<Vec<_>>()))
}

/// Of either sign, no two alike, none near 0.
pub(crate) fn any(shape: &[i64]) -> In {
    by(shape, |number| number)
}

/// The same, above 0.
pub(crate) fn positive(shape: &[i64]) -> In {
    by(shape, f32::abs)
}

/// From -0.94 to 0.94.
pub(crate) fn within_one(shape: &[i64]) -> In {
    by(shape, |number| number / 2.3)
}

/// From 1.15 on.
pub(crate) fn above_one(shape: &[i64]) -> In {
    by(shape, |number| number.abs() + 1.0)
}

pub(crate) fn fixed(tensor: Tensor) -> In {
    In::Fixed(tensor)
}

/// A list of integers that is known.
pub(crate) fn list(values: &[i64]) -> In {
    In::Fixed(Tensor::i64(&[values.len() as i64], values))
}

/// An integer that is known.
pub(crate) fn scalar(value: i64) -> In {
    In::Fixed(Tensor::i64(&[], &[value]))
}

/// Truth values that are known.
pub(crate) fn bools(shape: &[i64]) -> In {
    let bytes: Vec<u8> = (0..shape.iter().product::<i64>()).map(|i| u8::from(i % 3 != 1)).collect();
    In::Fixed(Tensor::new(Dtype::Bool, shape.to_vec(), bytes.into()))
}

pub(crate) fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

pub(crate) fn float(value: f32) -> Attribute {
    Attribute::Float(value)
}

pub(crate) fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

pub(crate) fn text(value: &str) -> Attribute {
    Attribute::String(value.as_bytes().to_vec())
}
