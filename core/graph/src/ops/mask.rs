//! Masks: which units of a rectifier let a gradient pass. In two forms that say the same, one that any value can take,
//! and one that stays in the blocked layout of engines that have one.

use crate::builder::{Builder, Window};
use crate::{Error, ValueId};

type Made = Result<ValueId, Error>;

/// A power of two that takes every difference of float32 numbers of ordinary size to 1 and beyond.
const STEEP: f32 = 1.329_228e36; // 2¹²⁰
/// Bounds up to here, times [`STEEP`], are still numbers.
const FARTHEST: f64 = 64.0;
/// Layouts are blocked by 8 or 16 channels; other counts would not be kept in one anyway.
const BLOCK: i64 = 8;

/// `g` where `lower < x < upper`, else 0. Every mask of a rectifier is made here.
pub(super) fn masked(
    b: &mut Builder<'_>,
    g: ValueId,
    x: ValueId,
    lower: Option<ValueId>,
    upper: Option<ValueId>,
) -> Made {
    let above = lower.map(|lower| open(b, x, lower, Side::Above)).transpose()?;
    let below = upper.map(|upper| open(b, x, upper, Side::Below)).transpose()?;
    match (above, below) {
        (Some(above), Some(below)) => {
            let mask = b.mul(above, below)?;
            b.mul(g, mask)
        }
        (Some(mask), None) | (None, Some(mask)) => b.mul(g, mask),
        (None, None) => Ok(g),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Above,
    Below,
}

/// 1 where `x` lies strictly on the `side` of `bound`, else 0.
fn open(b: &mut Builder<'_>, x: ValueId, bound: ValueId, side: Side) -> Made {
    if let Some((channels, bound)) = blocked(b, x, bound)? {
        return steep(b, x, channels, bound, side);
    }
    match side {
        Side::Above => b.is_greater(x, bound),
        Side::Below => b.is_less(x, bound),
    }
}

/// The number of channels and the bound, where the blocked form serves: feature maps with whole blocks of channels, and
/// one bound known beforehand.
fn blocked(b: &Builder<'_>, x: ValueId, bound: ValueId) -> Result<Option<(i64, f64)>, Error> {
    let shape = b.shape(x)?;
    let bound = b.constant(bound).map(|tensor| tensor.to_f64());
    Ok(match (&shape[..], bound.as_deref()) {
        (&[_, channels, _, _], Some(&[bound])) if channels % BLOCK == 0 && bound.abs() <= FARTHEST => {
            Some((channels, bound))
        }
        _ => None,
    })
}

/// clip(2¹²⁰ · (x − bound), 0, 1), or of bound − x: comparisons leave a blocked layout, a depthwise convolution and a
/// Clip (which engines fuse) do not. Exact but for differences below 2⁻¹²⁰.
fn steep(b: &mut Builder<'_>, x: ValueId, channels: i64, bound: f64, side: Side) -> Made {
    let slope = if side == Side::Above { STEEP } else { -STEEP };
    let count = channels as usize;
    let weights = b.floats(&[channels, 1, 1, 1], &vec![slope; count]);
    let bias = b.floats(&[channels], &vec![(-f64::from(slope) * bound) as f32; count]);
    let scaled = b.conv_with_bias(x, weights, bias, &Window::dense(&[1, 1]), channels)?;
    b.clip(scaled, 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DerivedConstants;
    use crate::reference::ReferenceRuntime;
    use crate::{CompileOptions, Graph, Runtime, Tensor};

    /// The mask of `values` (of one channel, repeated over `channels`), for bounds 0 and 6.
    fn mask(opset: i64, channels: usize, values: &[f32]) -> Vec<f32> {
        let shape = vec![1, channels as i64, 1, values.len() as i64];
        let mut graph = Graph { opset, ..Default::default() };
        let x = graph.add_value("x", Some(shape.clone()));
        graph.inputs = vec![x];
        let derived = DerivedConstants::default();
        let mut b = Builder::new(graph, &derived);
        let ones = b.floats(&shape, &vec![1.0; channels * values.len()]);
        let (zero, six) = (b.scalar(0.0), b.scalar(6.0));
        let made = masked(&mut b, ones, x, Some(zero), Some(six)).unwrap();
        let mut graph = b.finish();
        let compared = graph.nodes.iter().any(|node| node.op == "Greater");
        assert_eq!(compared, !channels.is_multiple_of(8), "{channels} channels take the other form");
        graph.outputs = vec![made];
        let program = ReferenceRuntime.compile(&graph, CompileOptions { optimise: true, threads: 1 }).unwrap();
        let outputs = ReferenceRuntime.execute(&program, &[Tensor::f32(&shape, &values.repeat(channels))]).unwrap();
        outputs[0].to_f64().into_iter().map(|v| v as f32).collect()
    }

    #[test]
    fn both_forms_open_strictly_between_the_bounds() {
        let values = [-1.0, -1e-30, 0.0, 1e-30, 0.5, 5.999_999, 6.0, 6.000_001, 1e30];
        let open = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        for opset in [7, 10, 11, 13, 18] {
            assert_eq!(mask(opset, 3, &values), open.repeat(3), "opset {opset}");
            assert_eq!(mask(opset, 8, &values), open.repeat(8), "opset {opset}, in blocks");
        }
    }
}
