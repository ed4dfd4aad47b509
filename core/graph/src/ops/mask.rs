//! Masks: which units of a rectifier let a gradient pass.
//!
//! An engine may have a kernel for it. In ONNX's own operators, comparisons leave the blocked layout of engines that have
//! one. A steep HardSigmoid says the same and does not, and it is made in one go with the convolution and the sum in front
//! of it.

use crate::builder::{Builder, Phases, Window};
use crate::own::Mask;
use crate::{Error, ValueId};

type Made = Result<ValueId, Error>;

/// A power of two that takes every difference of float32 numbers of ordinary size to 1 and beyond.
const STEEP: f32 = 1.329_228e36; // 2¹²⁰
/// Bounds up to here, times [`STEEP`], are still numbers.
const FARTHEST: f32 = 64.0;
/// Layouts are blocked by 8 or 16 channels; other counts would not be kept in one anyway.
const BLOCK: i64 = 8;

/// `g` where `lower < x < upper`, else 0. Every mask of a rectifier is made here.
///
/// Where there are both bounds, `x` lies within them, as the output of the rectifier does.
pub(super) fn masked(
    b: &mut Builder<'_>,
    g: ValueId,
    x: ValueId,
    lower: Option<ValueId>,
    upper: Option<ValueId>,
) -> Made {
    let made = whole(b, g, x, lower, upper)?;
    if let Some(phases) = b.phases_of(g).filter(|_| made != g)
        && in_blocks(b, x)?.is_some()
    {
        let mut parts = Vec::with_capacity(phases.parts.len());
        for (index, part) in phases.parts.into_iter().enumerate() {
            let x = b.phase(x, phases.stride, index)?;
            parts.push(whole(b, part, x, lower, upper)?);
        }
        b.is_also(made, Phases { stride: phases.stride, parts });
    }
    Ok(made)
}

fn whole(b: &mut Builder<'_>, g: ValueId, x: ValueId, lower: Option<ValueId>, upper: Option<ValueId>) -> Made {
    if b.kernels().mask
        && let Some(lower) = lower.map_or(Some(f32::NEG_INFINITY), |lower| number(b, lower))
        && let Some(upper) = upper.map_or(Some(f32::INFINITY), |upper| number(b, upper))
        && (lower, upper) != (f32::NEG_INFINITY, f32::INFINITY)
    {
        return b.mask(g, x, Mask { lower, upper });
    }
    let mask = match (lower, upper) {
        (None, None) => return Ok(g),
        (Some(lower), None) => above(b, x, lower)?,
        (None, Some(upper)) => below(b, x, upper)?,
        (Some(lower), Some(upper)) => match (near(b, lower), near(b, upper), in_blocks(b, x)?) {
            (Some(lower), Some(upper), Some(channels)) if lower < upper => inside(b, x, channels, lower, upper)?,
            _ => {
                let (above, below) = (above(b, x, lower)?, below(b, x, upper)?);
                b.mul(above, below)?
            }
        },
    };
    b.mul(g, mask)
}

/// 1 where `x > bound`, else 0. Exact but for differences below 2⁻¹²⁰.
fn above(b: &mut Builder<'_>, x: ValueId, bound: ValueId) -> Made {
    match near(b, bound) {
        Some(bound) => b.hard_sigmoid(x, STEEP, -STEEP * bound),
        None => b.is_greater(x, bound),
    }
}

/// 1 where `x < bound`, else 0.
fn below(b: &mut Builder<'_>, x: ValueId, bound: ValueId) -> Made {
    match near(b, bound) {
        Some(bound) => b.hard_sigmoid(x, -STEEP, STEEP * bound),
        None => b.is_less(x, bound),
    }
}

/// 1 where `lower < x < upper`, else 0, of an `x` that is never above `upper`: in fewer passes over memory than two masks
/// and their product.
///
/// With t = 1 where x has reached `upper` (is above the float before it), t − scale·(x − lower) is below 0 inside and 0
/// or more at both ends, where the scale takes the whole range to less than 1.
fn inside(b: &mut Builder<'_>, x: ValueId, channels: i64, lower: f32, upper: f32) -> Made {
    let reached = b.hard_sigmoid(x, STEEP, -STEEP * upper.next_down())?;
    // A power of two: products with it are exact, so the sign is right next to the bounds too.
    let scale = 0.5 * (-(upper - lower).log2().ceil()).exp2();
    let count = channels as usize;
    let weights = b.floats(&[channels, 1, 1, 1], &vec![-scale; count]);
    let bias = b.floats(&[channels], &vec![scale * lower; count]);
    let risen = b.conv_with_bias(x, weights, bias, &Window::dense(&[1, 1]), channels)?;
    let ends = b.add(risen, reached)?;
    b.hard_sigmoid(ends, -STEEP, 0.0)
}

/// The bound, where it is one number known beforehand.
fn number(b: &Builder<'_>, bound: ValueId) -> Option<f32> {
    let tensor = b.constant(bound).filter(|tensor| tensor.len() == 1 && tensor.shape().len() <= 1)?;
    tensor.to_f64().first().map(|bound| *bound as f32)
}

/// The bound, where it is one number known beforehand and not too far from 0.
fn near(b: &Builder<'_>, bound: ValueId) -> Option<f32> {
    number(b, bound).filter(|bound| bound.abs() <= FARTHEST)
}

/// The number of channels, for feature maps with whole blocks of them.
fn in_blocks(b: &Builder<'_>, x: ValueId) -> Result<Option<i64>, Error> {
    Ok(match b.shape(x)?[..] {
        [_, channels, _, _] if channels % BLOCK == 0 => Some(channels),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DerivedConstants;
    use crate::reference::ReferenceRuntime;
    use crate::{CompileOptions, Graph, OwnKernels, Runtime, Tensor};

    /// The mask of `values` (of one channel, repeated over `channels`), and how many operators make it.
    fn mask(opset: i64, channels: usize, bounds: [Option<f32>; 2], values: &[f32]) -> (Vec<f32>, Vec<String>) {
        mask_with(OwnKernels::default(), opset, channels, bounds, values)
    }

    fn mask_with(
        kernels: OwnKernels,
        opset: i64,
        channels: usize,
        bounds: [Option<f32>; 2],
        values: &[f32],
    ) -> (Vec<f32>, Vec<String>) {
        let shape = vec![1, channels as i64, 1, values.len() as i64];
        let mut graph = Graph { opset, ..Default::default() };
        let x = graph.add_value("x", Some(shape.clone()));
        graph.inputs = vec![x];
        let derived = DerivedConstants::default();
        let mut b = Builder::new(graph, &derived).with_kernels(kernels);
        let ones = b.floats(&shape, &vec![1.0; channels * values.len()]);
        let [lower, upper] = bounds.map(|bound| bound.map(|bound| b.scalar(bound)));
        let made = masked(&mut b, ones, x, lower, upper).unwrap();
        let mut graph = b.finish();
        graph.outputs = vec![made];
        let program = ReferenceRuntime.compile(&graph, CompileOptions { optimise: true, threads: 1 }).unwrap();
        let outputs = ReferenceRuntime.execute(&program, &[Tensor::f32(&shape, &values.repeat(channels))]).unwrap();
        let made = outputs[0].to_f64().into_iter().map(|v| v as f32).collect();
        (made, graph.nodes.into_iter().map(|node| node.op).collect())
    }

    #[test]
    fn every_form_opens_strictly_between_the_bounds() {
        let values = [0.0, 1e-30, 0.5, 5.999_999_5, 6.0];
        let open = [0.0, 1.0, 1.0, 1.0, 0.0];
        for opset in [7, 11, 18] {
            let bounds = [Some(0.0), Some(6.0)];
            let (products, ops) = mask(opset, 3, bounds, &values);
            assert_eq!((products, ops.concat().contains("Conv")), (open.repeat(3), false), "opset {opset}");
            let (blocks, ops) = mask(opset, 8, bounds, &values);
            assert_eq!((blocks, ops.concat().contains("Conv")), (open.repeat(8), true), "opset {opset}, in blocks");
        }
        for channels in [3, 8] {
            let moved = [-1.0, -0.999_999_9, 0.0, 0.499_999_97, 0.5];
            assert_eq!(mask(13, channels, [Some(-1.0), Some(0.5)], &moved).0, open.repeat(channels));
        }
    }

    #[test]
    fn one_bound_holds_on_its_own_side_only() {
        let values = [-1e30, -1e-30, 0.0, 1e-30, 1e30];
        assert_eq!(mask(13, 1, [Some(0.0), None], &values).0, [0.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(mask(13, 1, [None, Some(0.0)], &values).0, [1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn an_engine_with_a_kernel_gets_one_operator() {
        let own = OwnKernels::ALL;
        for (channels, bounds) in [(8, [Some(0.0), Some(6.0)]), (3, [Some(0.0), None]), (1, [None, Some(1e30)])] {
            let values = [-1.0, 0.0, 1e-30, 5.999_999_5, 6.0, 1e30];
            let (made, ops) = mask_with(own, 13, channels, bounds, &values);
            assert_eq!(ops, ["Mask"]);
            let [lower, upper] = [bounds[0].unwrap_or(f32::MIN), bounds[1].unwrap_or(f32::MAX)];
            let open = values.map(|x| f32::from(u8::from(lower < x && x < upper)));
            assert_eq!(made, open.repeat(channels));
        }
        assert!(mask_with(own, 13, 1, [None, None], &[1.0]).1.is_empty());
    }

    #[test]
    fn bounds_that_cannot_be_scaled_are_compared_with() {
        let (made, ops) = mask(13, 8, [Some(-100.0), Some(100.0)], &[-100.0, 0.0, 100.0]);
        assert_eq!(made, [0.0, 1.0, 0.0].repeat(8));
        assert!(ops.iter().any(|op| op == "Greater") && ops.iter().any(|op| op == "Less"), "{ops:?}");
    }
}
