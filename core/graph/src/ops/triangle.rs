//! Trilu, which keeps a triangle of each matrix, and CumSum, which multiplies with one: each is nearly its own transpose.

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Attribute, Error, Graph, Node, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

pub(super) struct Trilu;

impl Operator for Trilu {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let g = step.cotangent()?;
        let shape = b.shape(g)?;
        let inputs: Vec<ValueId> = [Some(g), step.node.input(1)].into_iter().flatten().collect();
        Ok(vec![Some(b.node("Trilu", &inputs, [("upper", step.node.int("upper", 1).into())], shape))])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(2, 4);
        let x = draw.distinct(&shape);
        let case = super::testing::Case::new(draw.opset(14), op).wrt(&shape, &x).attribute("upper", draw.int(0, 1));
        if draw.flag() { case.constant(crate::Tensor::i64(&[], &[draw.int(-2, 2)])) } else { case }
    }
}

/// Sums of all before, or of all behind; backwards it is the other one.
pub(super) struct CumSum;

impl Operator for CumSum {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let g = step.cotangent()?;
        let shape = b.shape(g)?;
        let reverse = Attribute::Int(i64::from(step.node.int("reverse", 0) == 0));
        let attributes = [("reverse", reverse), ("exclusive", step.node.int("exclusive", 0).into())];
        Ok(vec![Some(b.node("CumSum", &[g, step.input(1)?], attributes, shape))])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let rank = shape.len() as i64;
        super::testing::Case::new(draw.opset(11), op)
            .wrt(&shape, &x)
            .constant(crate::Tensor::i64(&[], &[draw.int(-rank, rank - 1)]))
            .attribute("reverse", draw.int(0, 1))
            .attribute("exclusive", draw.int(0, 1))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn triangles_agree_with_central_differences() {
        check(&["Trilu", "CumSum"]);
    }
}
