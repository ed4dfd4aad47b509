//! Operators that write at indices: ScatterElements and ScatterND. What is overwritten passes nothing on.

use super::parts::axis_of;
use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// Both; they differ in how indices are written.
pub(super) struct Scatter;

impl Operator for Scatter {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (indices, g) = (step.input(1)?, step.cotangent()?);
        let shape = b.shape(g)?;
        let updates = b.shape(step.input(2)?)?;
        let adds = match step.node.string("reduction").unwrap_or("none") {
            "none" => false,
            "add" => true,
            other => return Err(step.no_derivative(format!("its reduction is {other:?}; none and add are covered"))),
        };
        let by_element = (step.node.op == "ScatterElements").then(|| axis_of(step.node, 0, shape.len()) as i64);
        let mut made = vec![None, None, None];
        if step.wants(0) {
            made[0] = Some(match by_element {
                _ if adds => g,
                Some(axis) => {
                    let zeros = b.zeros(&updates);
                    b.node("ScatterElements", &[g, indices, zeros], [("axis", axis.into())], shape)
                }
                None => {
                    let zeros = b.zeros(&updates);
                    b.node("ScatterND", &[g, indices, zeros], [], shape)
                }
            });
        }
        if step.wants(2) {
            made[2] = Some(match by_element {
                Some(axis) => b.node("GatherElements", &[g, indices], [("axis", axis.into())], updates),
                None => b.node("GatherND", &[g, indices], [], updates),
            });
        }
        Ok(made)
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index != 1
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn remark(&self, _op: &str) -> &'static str {
        "derivative for the reductions none and add"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let opset = draw.opset(11);
        let adds = opset >= 16 && draw.flag();
        let (indices, updates) =
            if op == "ScatterND" { tests::tuples(draw, &shape, adds) } else { tests::elements(draw, &shape, adds) };
        let (x, new) = (draw.distinct(&shape), draw.distinct(&updates));
        let case = super::testing::Case::new(opset, op).wrt(&shape, &x).constant(indices).wrt(&updates, &new);
        if adds { case.attribute("reduction", "add") } else { case }
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;
    use crate::ops::testing::{Draw, check};

    /// Indices along axis 0, no two of a line the same unless they may repeat, and the shape of the updates.
    pub(super) fn elements(draw: &mut Draw, shape: &[i64], repeat: bool) -> (Tensor, Vec<i64>) {
        let size = shape[0];
        let mut updates: Vec<i64> = shape.iter().map(|size| draw.int(1, *size)).collect();
        let lines: i64 = updates[1..].iter().product();
        if repeat {
            updates[0] = draw.int(1, 4);
        }
        let shift = draw.int(0, size - 1);
        let indices: Vec<i64> = (0..updates[0] * lines)
            .map(|at| if repeat { draw.int(-size, size - 1) } else { (at / lines + at % lines + shift) % size })
            .collect();
        (Tensor::i64(&updates, &indices), updates)
    }

    /// Tuples for the first axes of `shape`, and the shape of the updates.
    pub(super) fn tuples(draw: &mut Draw, shape: &[i64], repeat: bool) -> (Tensor, Vec<i64>) {
        let depth = draw.int(1, shape.len() as i64) as usize;
        let places: i64 = shape[..depth].iter().product();
        let rows = if repeat { draw.int(1, 4) } else { draw.int(1, places) };
        let shift = draw.int(0, places - 1);
        let mut indices = Vec::new();
        for row in 0..rows {
            let mut place = if repeat { draw.int(0, places - 1) } else { (row + shift) % places };
            let mut tuple = Vec::new();
            for size in shape[..depth].iter().rev() {
                tuple.push(place % size);
                place /= size;
            }
            tuple.reverse();
            indices.extend(tuple);
        }
        (Tensor::i64(&[rows, depth as i64], &indices), [&[rows], &shape[depth..]].concat())
    }

    #[test]
    fn writing_at_indices_agrees_with_central_differences() {
        check(&["ScatterElements", "ScatterND"]);
    }
}
