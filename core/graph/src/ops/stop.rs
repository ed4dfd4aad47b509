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
            "Shape" | "Size" | "ArgMax" | "ArgMin" | "ConstantOfShape" | "EyeLike" | "Hardmax" | "NonZero"
            | "OneHot" | "Range" => Geometry::Opaque,
            _ => Geometry::Pointwise,
        }
    }

    fn flows(&self) -> bool {
        false
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::example(op, draw)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, away_from, check};
    use crate::{Dtype, Tensor};

    pub(super) fn example(op: &str, draw: &mut Draw) -> Case {
        let rank = if op == "EyeLike" { 2 } else { draw.int(1, 3) };
        let shape = draw.shape(rank, rank);
        let count = shape.iter().product::<i64>();
        let truth = |draw: &mut Draw| {
            let bits: Vec<u8> = (0..count).map(|_| u8::from(draw.flag())).collect();
            Tensor::new(Dtype::Bool, shape.clone(), bits.into())
        };
        let integers = |draw: &mut Draw| {
            let numbers: Vec<i64> = (0..count).map(|_| draw.int(0, 5)).collect();
            Tensor::i64(&shape, &numbers)
        };
        let case = Case::new(draw.opset(if op.starts_with("Bitwise") { 18 } else { 13 }), op);
        match op {
            "Not" => return case.constant(truth(draw)),
            "And" | "Or" | "Xor" => return case.constant(truth(draw)).constant(truth(draw)),
            "BitwiseNot" => return case.constant(integers(draw)),
            "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => return case.constant(integers(draw)).constant(integers(draw)),
            "BitShift" => {
                return case.constant(integers(draw)).constant(integers(draw)).attribute("direction", "LEFT");
            }
            "ConstantOfShape" => return case.constant(Tensor::i64(&[rank], &shape)),
            "Range" => {
                let number = |number: i64| Tensor::i64(&[], &[number]);
                return case.constant(number(1)).constant(number(draw.int(3, 9))).constant(number(2));
            }
            "OneHot" => {
                let depth = Tensor::i64(&[], &[6]);
                return case.constant(integers(draw)).constant(depth).constant(Tensor::f32(&[2], &[0.0, 1.0]));
            }
            _ => {}
        }
        let mut x = draw.distinct(&shape);
        // Off the steps of rounding.
        away_from(&mut x, &[-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]);
        let case = case.wrt(&shape, &x);
        match op {
            "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" => case.constant(draw.weights(&shape)),
            _ => case,
        }
    }

    #[test]
    fn nothing_flows_through_steps() {
        check(&["Floor", "Round", "Sign", "Greater", "Shape", "ArgMax"]);
    }
}
