//! Operators that only move elements, each to one place: reshapes, Transpose, DepthToSpace and back, Cast; and Expand and
//! Tile, which move them to several.

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// Whether `node` leaves an N×C×H×W value's height and width as they are.
pub(super) fn keeps_space(graph: &Graph, node: &Node) -> bool {
    let shape = |value: Option<Option<ValueId>>| value.flatten().and_then(|value| graph.shape(value));
    match (shape(node.inputs.first().copied()), shape(node.outputs.first().copied())) {
        (Some([_, _, h, w]), Some([_, _, height, width])) => (h, w) == (height, width),
        _ => false,
    }
}

fn spatial(graph: &Graph, node: &Node) -> Geometry {
    if keeps_space(graph, node) { Geometry::Pointwise } else { Geometry::Opaque }
}

/// Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout: the same elements in the same order.
pub(super) struct Reshaping;

impl Operator for Reshaping {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        Ok(vec![Some(b.reshape(step.cotangent()?, &shape)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        if matches!(&*node.op, "Identity" | "Dropout") { Geometry::Pointwise } else { spatial(graph, node) }
    }

    fn remark(&self, op: &str) -> &'static str {
        if op == "Dropout" { "as it is at inference" } else { "" }
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let opset = draw.opset(7);
        let mut shape = draw.shape(1, 4);
        if op == "Squeeze" {
            shape.insert(1, 1);
        }
        let x = draw.distinct(&shape);
        let case = super::testing::Case::new(opset, op).wrt(&shape, &x);
        match op {
            "Reshape" => case.constant(crate::Tensor::i64(&[2], &[0, -1])),
            "Flatten" => case.attribute("axis", draw.int(0, shape.len() as i64)),
            "Squeeze" | "Unsqueeze" if opset >= 13 => case.constant(crate::Tensor::i64(&[1], &[1])),
            "Squeeze" | "Unsqueeze" => case.attribute("axes", vec![1]),
            _ => case,
        }
    }
}

/// Between floating-point types. To any other type nothing flows.
pub(super) struct Cast;

impl Operator for Cast {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        Ok(vec![Some(b.as_float(step.cotangent()?)?)])
    }

    fn carries(&self, _graph: &Graph, node: &Node, _index: usize) -> bool {
        matches!(node.int("to", 1), 1 | 10 | 11 | 16)
    }

    fn remark(&self, _op: &str) -> &'static str {
        "between floating-point types"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let to = draw.pick(&[1, 11, 7]);
        super::testing::Case::new(draw.opset(7), op).wrt(&shape, &x).attribute("to", to)
    }
}

/// To the type of its second input.
pub(super) struct CastLike;

impl Operator for CastLike {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        Ok(vec![Some(b.as_float(step.cotangent()?)?)])
    }

    fn carries(&self, graph: &Graph, node: &Node, index: usize) -> bool {
        let like = node.input(1).and_then(|like| graph.constant(like));
        index == 0 && like.is_none_or(|like| like.to_i64().is_none())
    }

    fn remark(&self, _op: &str) -> &'static str {
        "between floating-point types"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let like = if draw.flag() { crate::Tensor::f64(&[], &[0.0]) } else { crate::Tensor::i64(&[], &[0]) };
        super::testing::Case::new(draw.opset(15), op).wrt(&shape, &x).constant(like)
    }
}

pub(super) struct Transpose;

impl Operator for Transpose {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let rank = b.shape(step.input(0)?)?.len();
        let reversed: Vec<i64> = (0..rank as i64).rev().collect();
        let permutation = step.node.ints("perm").unwrap_or(&reversed);
        let mut inverse = vec![0; rank];
        for (to, from) in permutation.iter().enumerate() {
            inverse[*from as usize] = to as i64;
        }
        Ok(vec![Some(b.transpose(step.cotangent()?, &inverse)?)])
    }

    fn geometry(&self, _graph: &Graph, node: &Node) -> Geometry {
        if matches!(node.ints("perm"), Some([_, _, 2, 3])) { Geometry::Pointwise } else { Geometry::Opaque }
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 4);
        let x = draw.distinct(&shape);
        let case = super::testing::Case::new(draw.opset(7), op).wrt(&shape, &x);
        if draw.flag() {
            return case;
        }
        let mut permutation: Vec<i64> = (0..shape.len() as i64).collect();
        for index in (1..permutation.len()).rev() {
            permutation.swap(index, draw.int(0, index as i64) as usize);
        }
        case.attribute("perm", permutation)
    }
}

/// DepthToSpace and SpaceToDepth, by a transpose of six axes.
pub(super) struct Blocks;

impl Operator for Blocks {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (g, size) = (step.cotangent()?, step.node.int("blocksize", 1));
        let shape = b.shape(step.input(0)?)?;
        let made = if step.node.op == "DepthToSpace" {
            let (c, h, w) = (shape[1] / (size * size), shape[2], shape[3]);
            let split = b.reshape(g, &[shape[0], c, h, size, w, size])?;
            let column_row_depth = step.node.string("mode") == Some("CRD");
            b.transpose(split, if column_row_depth { &[0, 1, 3, 5, 2, 4] } else { &[0, 3, 5, 1, 2, 4] })?
        } else {
            let (c, h, w) = (shape[1], shape[2] / size, shape[3] / size);
            let split = b.reshape(g, &[shape[0], size, size, c, h, w])?;
            b.transpose(split, &[0, 3, 4, 1, 5, 2])?
        };
        Ok(vec![Some(b.reshape(made, &shape)?)])
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let (size, opset) = (draw.int(1, 3), draw.opset(7));
        let mut shape = [draw.int(1, 2), draw.int(1, 2), draw.int(1, 2), draw.int(1, 2)];
        if op == "DepthToSpace" {
            shape[1] *= size * size;
        } else {
            shape[2] *= size;
            shape[3] *= size;
        }
        let x = draw.distinct(&shape);
        let case = super::testing::Case::new(opset, op).wrt(&shape, &x).attribute("blocksize", size);
        if op == "DepthToSpace" && opset >= 11 && draw.flag() { case.attribute("mode", "CRD") } else { case }
    }
}

/// Expand: broadcasting.
pub(super) struct Expand;

impl Operator for Expand {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        Ok(vec![Some(b.sum_to(step.cotangent()?, &shape)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        spatial(graph, node)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let target = draw.shape(1, 4);
        let shape = draw.broadcastable(&target);
        let x = draw.distinct(&shape);
        let target = crate::Tensor::i64(&[target.len() as i64], &target);
        super::testing::Case::new(draw.opset(8), op).wrt(&shape, &x).constant(target)
    }
}

/// Tile: copies side by side.
pub(super) struct Tile;

impl Operator for Tile {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        let tiled = b.shape(step.cotangent()?)?;
        let split: Vec<i64> = shape.iter().zip(&tiled).flat_map(|(size, all)| [all / size, *size]).collect();
        let axes: Vec<i64> = (0..split.len() as i64).step_by(2).filter(|axis| split[*axis as usize] > 1).collect();
        let copies = b.reshape(step.cotangent()?, &split)?;
        let summed = b.reduce_sum(copies, &axes)?;
        Ok(vec![Some(b.reshape(summed, &shape)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        spatial(graph, node)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let repeats: Vec<i64> = shape.iter().map(|_| draw.int(1, 3)).collect();
        let repeats = crate::Tensor::i64(&[repeats.len() as i64], &repeats);
        super::testing::Case::new(draw.opset(7), op).wrt(&shape, &x).constant(repeats)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn moves_of_elements_agree_with_central_differences() {
        check(&["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "CastLike", "Transpose"]);
        check(&["DepthToSpace", "SpaceToDepth", "Expand", "Tile"]);
    }
}
