//! AveragePool and GlobalAveragePool.

use super::{Geometry, Operator, Step, conv_input, window};
use crate::builder::{Builder, Window};
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

pub(super) struct AveragePool;

impl Operator for AveragePool {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let window = window::of_pool(b.graph(), step.node)
            .ok_or_else(|| step.no_derivative("it has no kernel_shape that fits its input"))?;
        let (shape, g) = (b.shape(step.input(0)?)?, step.cotangent()?);
        let (sizes, outputs) = (&shape[2..], b.shape(g)?[2..].to_vec());
        let with_pads = step.node.int("count_include_pad", 0) != 0;
        let counts: Vec<Vec<i64>> =
            (0..sizes.len()).map(|axis| counts(&window, axis, sizes[axis], outputs[axis], with_pads)).collect();
        // A depthwise convolution: of one weight where all windows count the same, else of ones on the divided cotangent.
        let uniform = counts.iter().all(|counts| counts.iter().all(|count| *count == counts[0]));
        let (g, weight) = if uniform {
            (g, 1.0 / counts.iter().map(|counts| counts[0]).product::<i64>() as f32)
        } else {
            (divided(b, g, &counts, &outputs)?, 1.0)
        };
        let kernel_shape = [&[shape[1], 1], &*window.kernel].concat();
        let kernel = b.derive(&[], format!("{kernel_shape:?} of {weight}"), || {
            Tensor::f32(&kernel_shape, &vec![weight; kernel_shape.iter().product::<i64>() as usize])
        });
        Ok(vec![Some(conv_input::gradient(b, g, kernel, &window, shape[1], sizes)?)])
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        window::geometry(window::of_pool(graph, node))
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        super::pool_tests::pool(op, draw)
    }
}

/// How many cells each window along `axis` averages: those on the input, and on the pads too where these count.
pub(crate) fn counts(window: &Window, axis: usize, size: i64, outputs: i64, with_pads: bool) -> Vec<i64> {
    let (low, high) = if with_pads { (-window.before[axis], size + window.after[axis]) } else { (0, size) };
    (0..outputs)
        .map(|output| {
            let start = output * window.strides[axis] - window.before[axis];
            let inside = |cell: &i64| (low..high).contains(&(start + cell * window.dilations[axis]));
            (0..window.kernel[axis]).filter(inside).count() as i64
        })
        .collect()
}

fn divided(b: &mut Builder<'_>, g: ValueId, counts: &[Vec<i64>], outputs: &[i64]) -> Result<ValueId, Error> {
    let mut shares = vec![1.0_f32];
    for counts in counts {
        shares = shares.iter().flat_map(|share| counts.iter().map(move |count| share / *count as f32)).collect();
    }
    let shares = b.floats(&[&[1, 1], outputs].concat(), &shares);
    b.mul(g, shares)
}

pub(super) struct GlobalAveragePool;

impl Operator for GlobalAveragePool {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        let share = b.scale(step.cotangent()?, 1.0 / shape[2..].iter().product::<i64>() as f32)?;
        Ok(vec![Some(b.expand(share, &shape)?)])
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Global
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        super::pool_tests::global(op, draw)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn average_pools_agree_with_central_differences() {
        check(&["AveragePool", "AveragePool", "GlobalAveragePool"]);
    }
}
