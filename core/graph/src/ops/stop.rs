//! Operators through which nothing flows: comparisons, shapes, indices, steps. Their derivative is zero or has no
//! meaning, and a path through them ends.

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};

pub(super) struct Stop;

impl Operator for Stop {
    fn vjp(&self, _build: &mut Builder<'_>, _step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error> {
        Ok(Vec::new())
    }

    fn carries(&self, _graph: &Graph, _node: &Node, _index: usize) -> bool {
        false
    }

    fn geometry(&self, _graph: &Graph, node: &Node) -> Geometry {
        match &*node.op {
            "Shape" | "Size" | "ArgMax" | "ArgMin" | "ConstantOfShape" => Geometry::Opaque,
            _ => Geometry::Pointwise,
        }
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        use super::testing::{Case, away_from};
        let shape = draw.shape(1, 3);
        let mut x = draw.distinct(&shape);
        // Off the steps of rounding.
        away_from(&mut x, &[-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]);
        let case = Case::new(draw.opset(11), op).wrt(&shape, &x);
        match op {
            "Greater" | "Less" | "Equal" => case.constant(draw.weights(&shape)),
            _ => case,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn nothing_flows_through_steps() {
        check(&["Floor", "Round", "Sign", "Greater", "Shape", "ArgMax"]);
    }
}
