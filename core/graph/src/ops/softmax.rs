//! Softmax and LogSoftmax. Before opset 13 they flatten everything from the axis on.

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// The axes over which the values add up to 1.
fn axes(opset: i64, node: &Node, rank: i64) -> Vec<i64> {
    let axis = node.int("axis", if opset >= 13 { -1 } else { 1 });
    let axis = if axis < 0 { axis + rank } else { axis };
    if opset >= 13 { vec![axis] } else { (axis..rank).collect() }
}

/// Whether space survives: over the channels only.
fn geometry(graph: &Graph, node: &Node) -> Geometry {
    let rank = node.input(0).and_then(|x| graph.shape(x)).map_or(0, <[i64]>::len) as i64;
    if rank == 4 && axes(graph.opset, node, rank) == [1] { Geometry::Pointwise } else { Geometry::Opaque }
}

pub(super) struct Softmax;

impl Operator for Softmax {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (y, g) = (step.output()?, step.cotangent()?);
        let axes = axes(b.opset(), step.node, b.shape(y)?.len() as i64);
        let weighted = b.mul(g, y)?;
        let mean = b.reduce_sum(weighted, &axes)?;
        let centred = b.sub(g, mean)?;
        Ok(vec![Some(b.mul(centred, y)?)])
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        geometry(graph, node)
    }

    fn remark(&self, _op: &str) -> &'static str {
        "before operator set 13 over all axes from the given one on"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::example(op, draw)
    }
}

pub(super) struct LogSoftmax;

impl Operator for LogSoftmax {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (y, g) = (step.output()?, step.cotangent()?);
        let axes = axes(b.opset(), step.node, b.shape(y)?.len() as i64);
        let sum = b.reduce_sum(g, &axes)?;
        let probabilities = b.unary("Exp", y)?;
        let part = b.mul(probabilities, sum)?;
        Ok(vec![Some(b.sub(g, part)?)])
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        geometry(graph, node)
    }

    fn remark(&self, _op: &str) -> &'static str {
        "before operator set 13 over all axes from the given one on"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::example(op, draw)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, check};

    pub(super) fn example(op: &str, draw: &mut Draw) -> Case {
        let shape = draw.shape(2, 4);
        let x = draw.distinct(&shape);
        let case = Case::new(draw.opset(7), op).wrt(&shape, &x);
        // Negative axes exist from opset 11 on.
        let rank = shape.len() as i64;
        match draw.int(0, 2) {
            0 => case,
            1 if case.opset >= 11 => case.attribute("axis", -draw.int(1, rank)),
            _ => case.attribute("axis", draw.int(0, rank - 1)),
        }
    }

    #[test]
    fn softmaxes_agree_with_central_differences() {
        check(&["Softmax", "LogSoftmax"]);
    }
}
