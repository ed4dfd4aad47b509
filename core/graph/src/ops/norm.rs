//! Operators made of p-norms: LpNormalization, LpPool, GlobalLpPool; and LRN, which divides by one over channels.

use super::{Geometry, Operator, Step, conv_input, window};
use crate::builder::Builder;
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// 1, 0 or -1; in every opset.
pub(super) fn sign(b: &mut Builder<'_>, x: ValueId) -> Result<ValueId, Error> {
    let zero = b.scalar(0.0);
    let positive = b.is_greater(x, zero)?;
    let negative = b.is_less(x, zero)?;
    b.sub(positive, negative)
}

/// The derivative of |x|ᵖ / p: sign(x)·|x|ᵖ⁻¹.
fn slope(b: &mut Builder<'_>, x: ValueId, p: i64) -> Result<ValueId, Error> {
    match p {
        1 => sign(b, x),
        2 => Ok(x),
        _ => {
            let (sign, magnitude) = (sign(b, x)?, b.unary("Abs", x)?);
            let exponent = b.scalar((p - 1) as f32);
            let power = b.binary("Pow", magnitude, exponent)?;
            b.mul(sign, power)
        }
    }
}

/// A norm to divide by: 1 where it is 0, so that nothing flows there, as PyTorch has it.
pub(super) fn divisor(b: &mut Builder<'_>, norm: ValueId) -> Result<ValueId, Error> {
    let tiny = b.scalar(f32::MIN_POSITIVE);
    let dead = b.is_less(norm, tiny)?;
    b.add(norm, dead)
}

/// y¹⁻ᵖ, which makes the derivative of a sum of powers that of its root.
fn of_root(b: &mut Builder<'_>, y: ValueId, p: i64) -> Result<Option<ValueId>, Error> {
    if p == 1 {
        return Ok(None);
    }
    let (norm, exponent) = (divisor(b, y)?, b.scalar((1 - p) as f32));
    b.binary("Pow", norm, exponent).map(Some)
}

/// x divided by its norm along an axis.
pub(super) struct LpNormalization;

impl Operator for LpNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, y, g) = (step.input(0)?, step.output()?, step.cotangent()?);
        let (axis, rank) = (step.node.int("axis", -1), b.shape(x)?.len() as i64);
        let axes = [if axis < 0 { axis + rank } else { axis }];
        let p = step.node.int("p", 2);
        let magnitude = if p == 1 { b.unary("Abs", x)? } else { b.mul(x, x)? };
        let summed = b.reduce_sum(magnitude, &axes)?;
        let norm = if p == 1 { summed } else { b.unary("Sqrt", summed)? };
        let product = b.mul(g, y)?;
        let correlation = b.reduce_sum(product, &axes)?;
        let direction = if p == 1 { sign(b, x)? } else { y };
        let part = b.mul(direction, correlation)?;
        let rest = b.sub(g, part)?;
        let norm = divisor(b, norm)?;
        Ok(vec![Some(b.div(rest, norm)?)])
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 4);
        let x = draw.distinct(&shape);
        let axis = draw.int(0, shape.len() as i64 - 1);
        super::testing::Case::new(draw.opset(7), op)
            .wrt(&shape, &x)
            .attribute("axis", if draw.flag() { axis } else { axis - shape.len() as i64 })
            .attribute("p", draw.int(1, 2))
    }
}

/// The norm of what each window sees.
pub(super) struct LpPool;

impl Operator for LpPool {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let window = window::of_pool(b.graph(), step.node)
            .ok_or_else(|| step.no_derivative("it has no kernel_shape that fits its input"))?;
        let (x, p) = (step.input(0)?, step.node.int("p", 2));
        let shape = b.shape(x)?;
        let mut g = step.cotangent()?;
        if let Some(factor) = of_root(b, step.output()?, p)? {
            g = b.mul(g, factor)?;
        }
        let kernel_shape = [&[shape[1], 1], &*window.kernel].concat();
        let ones = b.derive(&[], format!("ones of {kernel_shape:?}"), || Tensor::filled(&kernel_shape, 1.0));
        let spread = conv_input::gradient(b, g, ones, &window, shape[1], &shape[2..])?;
        let slope = slope(b, x, p)?;
        Ok(vec![Some(b.mul(spread, slope)?)])
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        window::geometry(window::of_pool(graph, node))
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let p = draw.int(1, 3);
        super::pool_tests::pool(op, draw).attribute("p", p)
    }
}

pub(super) struct GlobalLpPool;

impl Operator for GlobalLpPool {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, p) = (step.input(0)?, step.node.int("p", 2));
        let mut g = step.cotangent()?;
        if let Some(factor) = of_root(b, step.output()?, p)? {
            g = b.mul(g, factor)?;
        }
        let slope = slope(b, x, p)?;
        Ok(vec![Some(b.mul(slope, g)?)])
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Global
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let p = draw.int(1, 3);
        super::pool_tests::global(op, draw).attribute("p", p)
    }
}

/// x / (bias + alpha/size · sum of the squares of `size` neighbouring channels) ^ beta.
pub(super) struct Lrn;

impl Lrn {
    /// Which channels are neighbours of which: 1 in row `c`, column `n` where `n` counts for `c`.
    fn neighbours(channels: i64, size: i64, transposed: bool) -> Vec<f32> {
        let (before, after) = ((size - 1) / 2, size / 2);
        let counts = |c: i64, n: i64| (c - before..=c + after).contains(&n);
        (0..channels * channels)
            .map(|cell| (cell / channels, cell % channels))
            .map(|(row, column)| if transposed { counts(column, row) } else { counts(row, column) })
            .map(|counts| f32::from(u8::from(counts)))
            .collect()
    }
}

impl Operator for Lrn {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, g) = (step.input(0)?, step.cotangent()?);
        let channels = b.shape(x)?[1];
        let size = step.node.int("size", 1);
        let (alpha, beta) = (step.node.float("alpha", 1e-4), step.node.float("beta", 0.75));
        let band = b.floats(&[channels, channels], &Self::neighbours(channels, size, false));
        let transposed = b.floats(&[channels, channels], &Self::neighbours(channels, size, true));
        let square = b.mul(x, x)?;
        let summed = b.along_axis(square, 1, band)?;
        let scaled = b.scale(summed, alpha / size as f32)?;
        let divisor = b.offset(scaled, step.node.float("bias", 1.0))?;
        let exponent = b.scalar(-beta);
        let power = b.binary("Pow", divisor, exponent)?;
        let direct = b.mul(g, power)?;
        let each = b.mul(direct, x)?;
        let each = b.div(each, divisor)?;
        let spread = b.along_axis(each, 1, transposed)?;
        let part = b.mul(spread, x)?;
        let part = b.scale(part, 2.0 * alpha * beta / size as f32)?;
        Ok(vec![Some(b.sub(direct, part)?)])
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = [draw.int(1, 2), draw.int(1, 6), draw.int(1, 2), draw.int(1, 2)];
        let x = draw.distinct(&shape);
        super::testing::Case::new(draw.opset(7), op)
            .wrt(&shape, &x)
            .attribute("size", draw.int(1, 5))
            .attribute("alpha", 0.4_f32)
            .attribute("beta", 0.8_f32)
            .attribute("bias", 1.5_f32)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, check, gradients};

    #[test]
    fn where_a_norm_is_0_nothing_flows() {
        for op in ["LpPool", "GlobalLpPool", "LpNormalization", "ReduceL2"] {
            let case = Case::new(18, op).wrt(&[1, 1, 2, 2], &[0.0; 4]);
            let case = if op == "LpPool" { case.attribute("kernel_shape", vec![2, 2]) } else { case };
            let one = if op == "LpNormalization" { vec![1.0; 4] } else { vec![1.0] };
            assert!(gradients(&case, &[one])[0].iter().all(|value| value.is_finite()), "{op}");
        }
    }

    #[test]
    fn norms_agree_with_central_differences() {
        check(&["LpNormalization", "LpPool", "LpPool", "GlobalLpPool", "LRN"]);
    }
}
