//! Operators that read at indices: Gather, GatherElements, GatherND, TopK, Compress. Backwards they add there.

use super::parts::{axis_of, pointwise_if_space_is_kept};
use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// Up to here a product with a matrix of zeros and ones is cheap.
const SMALL: i64 = 1 << 22;

/// One known index is a pad, several known ones a product with a matrix of zeros and ones.
pub(super) struct Gather;

impl Operator for Gather {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        let axis = axis_of(step.node, 0, shape.len());
        let (indices, size) = (step.input(1)?, shape[axis]);
        let count: i64 = b.shape(indices)?.iter().product();
        let mut picked = shape.clone();
        picked[axis] = count;
        let g = b.reshape(step.cotangent()?, &picked)?;
        let known = b.constant(indices).and_then(|indices| indices.to_i64());
        let Some(known) = known.filter(|_| size * count <= SMALL || b.opset() < 16) else {
            let flat = b.reshape(indices, &[count])?;
            return Ok(vec![Some(b.add_slices_at(g, axis, flat, size)?)]);
        };
        let known: Vec<i64> = known.iter().map(|index| if *index < 0 { index + size } else { *index }).collect();
        if let [index] = known[..] {
            let (mut before, mut after) = (vec![0; shape.len()], vec![0; shape.len()]);
            before[axis] = index;
            after[axis] = size - 1 - index;
            return Ok(vec![Some(b.pad(g, &before, &after, 0.0)?)]);
        }
        let sources: Vec<Option<i64>> = known.into_iter().map(Some).collect();
        Ok(vec![Some(b.scatter_axis(g, axis, &sources, size)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        pointwise_if_space_is_kept(graph, node)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let axis = draw.int(0, shape.len() as i64 - 1);
        let size = shape[axis as usize];
        let indices_shape = draw.shape(0, 2);
        let count = indices_shape.iter().product::<i64>();
        let opset = draw.opset(7);
        let case = super::testing::Case::new(opset, op).wrt(&shape, &x).attribute("axis", axis);
        let lowest = if opset >= 11 { -size } else { 0 };
        let indices: Vec<i64> = (0..count).map(|_| draw.int(lowest, size - 1)).collect();
        let indices = Tensor::i64(&indices_shape, &indices);
        if draw.flag() { case.constant(indices) } else { case.fed(indices) }
    }
}

/// One index per element.
pub(super) struct GatherElements;

impl Operator for GatherElements {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        let axis = axis_of(step.node, 0, shape.len());
        Ok(vec![Some(b.add_at(step.cotangent()?, axis, step.input(1)?, &shape)?)])
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
        let axis = draw.int(0, shape.len() as i64 - 1);
        let size = shape[axis as usize];
        let mut picked: Vec<i64> = shape.iter().map(|size| draw.int(1, *size)).collect();
        picked[axis as usize] = draw.int(1, 4);
        let indices: Vec<i64> = (0..picked.iter().product()).map(|_: i64| draw.int(-size, size - 1)).collect();
        let case = super::testing::Case::new(draw.opset(11), op).wrt(&shape, &x).attribute("axis", axis);
        case.constant(Tensor::i64(&picked, &indices))
    }
}

/// One tuple of indices per slice.
pub(super) struct GatherNd;

impl GatherNd {
    /// The indices with those of the batch in front, where `batch` leading axes go along.
    fn whole_indices(b: &mut Builder<'_>, indices: ValueId, batch: usize) -> Result<ValueId, Error> {
        if batch == 0 {
            return Ok(indices);
        }
        let mut shape = b.shape(indices)?;
        let rows: i64 = shape[..batch].iter().product();
        let mut numbers = Vec::new();
        for row in 0..rows {
            let mut rest = row;
            let mut tuple: Vec<i64> = shape[..batch]
                .iter()
                .rev()
                .map(|size| {
                    let number = rest % size;
                    rest /= size;
                    number
                })
                .collect();
            tuple.reverse();
            numbers.extend(tuple);
        }
        let last = shape.len() - 1;
        let mut of_rows = vec![1; shape.len()];
        of_rows[..batch].copy_from_slice(&shape[..batch]);
        of_rows[last] = batch as i64;
        let numbers = b.tensor(Tensor::i64(&of_rows, &numbers));
        let depth = shape[last];
        shape[last] = batch as i64;
        let numbers = b.expand(numbers, &shape)?;
        shape[last] = depth;
        b.concat(&[numbers, indices], last)
    }
}

impl Operator for GatherNd {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        if b.opset() < 16 {
            return Err(step.no_derivative("adding at indices begins with operator set 16: export the model with that"));
        }
        let batch = usize::try_from(step.node.int("batch_dims", 0)).unwrap_or_default();
        let indices = Self::whole_indices(b, step.input(1)?, batch)?;
        let zeros = b.zeros(&shape);
        let inputs = [zeros, indices, step.cotangent()?];
        Ok(vec![Some(b.node("ScatterND", &inputs, [("reduction", "add".into())], shape))])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn remark(&self, _op: &str) -> &'static str {
        "derivative from operator set 16 on"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let rank = shape.len() as i64;
        let batch = draw.int(0, rank - 1) as usize;
        let depth = draw.int(1, rank - batch as i64) as usize;
        let rows = draw.shape(0, 1);
        let indices_shape = [&shape[..batch], &rows, &[depth as i64]].concat();
        let tuples: i64 = indices_shape[..indices_shape.len() - 1].iter().product();
        let sizes = &shape[batch..batch + depth];
        let indices: Vec<i64> =
            (0..tuples).flat_map(|_| sizes.to_vec()).map(|size| draw.int(-size, size - 1)).collect();
        let case = super::testing::Case::new(draw.opset(16), op).wrt(&shape, &x);
        case.constant(Tensor::i64(&indices_shape, &indices)).attribute("batch_dims", batch as i64)
    }
}

/// The largest or smallest elements along an axis. Only its values carry a derivative.
pub(super) struct TopK;

impl Operator for TopK {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (g, shape) = (step.cotangent()?, b.shape(step.input(0)?)?);
        let axis = axis_of(step.node, -1, shape.len());
        let picked = b.shape(g)?;
        let indices = b.further_output(step.output()?, 1, picked)?;
        Ok(vec![Some(b.add_at(g, axis, indices, &shape)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn remark(&self, _op: &str) -> &'static str {
        "by its values"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let axis = draw.int(0, shape.len() as i64 - 1);
        let opset = draw.opset(7);
        let k = draw.int(1, shape[axis as usize]);
        let case = super::testing::Case::new(opset, op).wrt(&shape, &x).attribute("axis", axis).outputs(2);
        if opset < 10 {
            return case.attribute("k", k);
        }
        let case = case.constant(Tensor::i64(&[1], &[k]));
        if opset >= 11 && draw.flag() { case.attribute("largest", 0) } else { case }
    }
}

/// The elements, or slices along an axis, for which a known condition holds.
pub(super) struct Compress;

impl Operator for Compress {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        let condition = b.constant(step.input(1)?).and_then(|condition| condition.to_i64());
        let condition = condition.ok_or_else(|| step.no_derivative("its condition is computed"))?;
        let kept: Vec<Option<i64>> =
            (0..).zip(&condition).filter(|(_, holds)| **holds != 0).map(|(index, _)| Some(index)).collect();
        let g = step.cotangent()?;
        let made = if step.node.attributes.contains_key("axis") {
            let axis = axis_of(step.node, 0, shape.len());
            b.scatter_axis(g, axis, &kept, shape[axis])?
        } else {
            b.scatter_axis(g, 0, &kept, shape.iter().product())?
        };
        Ok(vec![Some(b.reshape(made, &shape)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn remark(&self, _op: &str) -> &'static str {
        "its condition must be known"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let x = draw.distinct(&shape);
        let axis = draw.flag().then(|| draw.int(0, shape.len() as i64 - 1));
        let size = axis.map_or(shape.iter().product(), |axis| shape[axis as usize]);
        let mut condition: Vec<u8> = (0..size).map(|_| u8::from(draw.flag())).collect();
        condition[0] = 1;
        let condition = Tensor::new(crate::Dtype::Bool, vec![size], condition.into());
        let case = super::testing::Case::new(draw.opset(9), op).wrt(&shape, &x).constant(condition);
        match axis {
            Some(axis) => case.attribute("axis", axis),
            None => case,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn reading_at_indices_agrees_with_central_differences() {
        check(&["Gather", "Gather", "GatherElements", "GatherND", "TopK", "Compress"]);
    }
}
