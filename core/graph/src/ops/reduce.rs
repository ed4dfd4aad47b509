//! Reductions over axes: sums, means, extrema, norms.

use super::norm::{divisor, sign};
use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};

/// The axes that `node` reduces an input of `rank` over, in whichever way they are given; `None` if they are computed.
pub(super) fn axes(graph: &Graph, node: &Node, rank: usize) -> Option<Vec<i64>> {
    let given = match (node.ints("axes"), node.input(1)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(input)) => graph.constant(input)?.to_i64()?,
        (None, None) => Vec::new(),
    };
    if given.is_empty() {
        let all = if node.int("noop_with_empty_axes", 0) != 0 { 0 } else { rank as i64 };
        return Some((0..all).collect());
    }
    let mut axes: Vec<i64> = given.iter().map(|axis| if *axis < 0 { axis + rank as i64 } else { *axis }).collect();
    axes.sort_unstable();
    Some(axes)
}

/// What the cotangent, with the reduced axes kept, is multiplied with; everything else is common.
pub(super) struct Reduction(fn(&mut Builder<'_>, Reduced) -> Result<ValueId, Error>);

/// A reduction under way.
pub(super) struct Reduced {
    x: ValueId,
    /// Output and cotangent, with the reduced axes of size 1.
    y: ValueId,
    g: ValueId,
    axes: Vec<i64>,
    /// Cells of the input per cell of the output.
    count: i64,
}

pub(super) static SUM: Reduction = Reduction(|_, r| Ok(r.g));
pub(super) static MEAN: Reduction = Reduction(|b, r| b.scale(r.g, 1.0 / r.count as f32));
pub(super) static SUM_SQUARE: Reduction = Reduction(|b, r| {
    let double = b.scale(r.g, 2.0)?;
    b.mul(r.x, double)
});
pub(super) static L1: Reduction = Reduction(|b, r| {
    let sign = sign(b, r.x)?;
    b.mul(sign, r.g)
});
pub(super) static LOG_SUM: Reduction = Reduction(|b, r| {
    let sum = b.unary("Exp", r.y)?;
    b.div(r.g, sum)
});
/// The product of the others, which is not y / x where a factor is 0.
pub(super) static PRODUCT: Reduction = Reduction(|b, r| {
    let zero = b.scalar(0.0);
    let magnitude = b.unary("Abs", r.x)?;
    let alive = b.is_greater(magnitude, zero)?;
    let dead = b.complement(1.0, alive)?;
    let factors = b.add(r.x, dead)?;
    let product = b.reduce_product(factors, &r.axes)?;
    let zeros = b.reduce_sum(dead, &r.axes)?;
    // Only where all the others are not 0: none is for those that are not, one (itself) for those that are.
    let others = b.sub(zeros, dead)?;
    let half = b.scalar(0.5);
    let open = b.is_less(others, half)?;
    let rest = b.div(product, factors)?;
    let slope = b.mul(rest, open)?;
    b.mul(slope, r.g)
});
pub(super) static L2: Reduction = Reduction(|b, r| {
    let norm = divisor(b, r.y)?;
    let share = b.div(r.g, norm)?;
    b.mul(r.x, share)
});
pub(super) static LOG_SUM_EXP: Reduction = Reduction(|b, r| {
    let below = b.sub(r.x, r.y)?;
    let probabilities = b.unary("Exp", below)?;
    b.mul(probabilities, r.g)
});
/// ReduceMax and ReduceMin: equal ones share.
pub(super) static EXTREMUM: Reduction = Reduction(|b, r| {
    let equal = b.binary("Less", r.x, r.y)?;
    let more = b.binary("Greater", r.x, r.y)?;
    let differ = b.binary("Or", equal, more)?;
    let same = b.unary("Not", differ)?;
    let mask = b.as_float(same)?;
    let winners = b.reduce_sum(mask, &r.axes)?;
    let share = b.div(r.g, winners)?;
    b.mul(mask, share)
});

impl Operator for Reduction {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error> {
        let x = step.input(0)?;
        let shape = b.shape(x)?;
        let axes =
            axes(b.graph(), step.node, shape.len()).ok_or_else(|| step.no_derivative("its axes are computed"))?;
        let mut kept = shape.clone();
        for axis in &axes {
            kept[*axis as usize] = 1;
        }
        let count = axes.iter().map(|axis| shape[*axis as usize]).product();
        let g = b.reshape(step.cotangent()?, &kept)?;
        let y = b.reshape(step.output()?, &kept)?;
        let made = (self.0)(b, Reduced { x, y, g, axes, count })?;
        Ok(vec![Some(b.expand(made, &shape)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        let rank = node.input(0).and_then(|x| graph.shape(x)).map_or(0, <[i64]>::len);
        match axes(graph, node, rank).as_deref() {
            Some([1]) if rank == 4 && node.int("keepdims", 1) != 0 => Geometry::Pointwise,
            Some([2, 3] | [1, 2, 3]) if rank == 4 => Geometry::Global,
            _ => Geometry::Opaque,
        }
    }

    fn remark(&self, _op: &str) -> &'static str {
        "axes must be known"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 4);
        let mut x = draw.distinct(&shape);
        match op {
            "ReduceLogSum" => x.iter_mut().for_each(|x| *x = x.abs() + 0.1),
            "ReduceProd" => {
                for _ in 0..draw.int(0, 2) {
                    let last = x.len() as i64 - 1;
                    x[draw.int(0, last) as usize] = 0.0;
                }
            }
            _ => {}
        }
        let opset = draw.opset(7);
        let mut case = super::testing::Case::new(opset, op).wrt(&shape, &x);
        let rank = shape.len() as i64;
        let mut axes: Vec<i64> = (0..rank).filter(|_| draw.flag()).collect();
        if opset >= 11 && draw.flag() {
            axes.iter_mut().for_each(|axis| *axis -= rank);
        }
        let as_input = opset >= if op == "ReduceSum" { 13 } else { 18 };
        if axes.is_empty() && as_input && draw.flag() {
            case = case.attribute("noop_with_empty_axes", 1);
        } else if !axes.is_empty() && as_input {
            case = case.constant(crate::Tensor::i64(&[axes.len() as i64], &axes));
        } else if !axes.is_empty() {
            case = case.attribute("axes", axes);
        }
        if draw.flag() { case.attribute("keepdims", 0) } else { case }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn reductions_agree_with_central_differences() {
        check(&["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"]);
        check(&["ReduceL1", "ReduceProd", "ReduceLogSum"]);
    }
}
