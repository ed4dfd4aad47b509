//! Operators that take values apart and put them together: Concat, Split, Slice, Pad.

use super::layout::keeps_space;
use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

pub(super) fn axis_of(node: &Node, default: i64, rank: usize) -> usize {
    let axis = node.int("axis", default);
    (if axis < 0 { axis + rank as i64 } else { axis }) as usize
}

pub(super) fn pointwise_if_space_is_kept(graph: &Graph, node: &Node) -> Geometry {
    if keeps_space(graph, node) { Geometry::Pointwise } else { Geometry::Opaque }
}

pub(super) struct Concat;

impl Operator for Concat {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let g = step.cotangent()?;
        let rank = b.shape(g)?.len();
        let axis = axis_of(step.node, 1, rank);
        let mut starts = vec![0; rank];
        let mut made = Vec::new();
        for index in 0..step.node.inputs.len() {
            let shape = b.shape(step.input(index)?)?;
            made.push(step.wants(index).then(|| b.slice(g, &starts, &shape)).transpose()?);
            starts[axis] += shape[axis];
        }
        Ok(made)
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        pointwise_if_space_is_kept(graph, node)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let mut shape = draw.shape(1, 4);
        let axis = draw.int(0, shape.len() as i64 - 1);
        let mut case = super::testing::Case::new(draw.opset(11), op);
        for _ in 0..draw.int(1, 3) {
            shape[axis as usize] = draw.int(1, 3);
            let x = draw.distinct(&shape);
            case = case.wrt(&shape, &x);
        }
        case.attribute("axis", if draw.flag() { axis } else { axis - shape.len() as i64 })
    }
}

pub(super) struct Split;

impl Split {
    /// How long each part is, of `size` together; `None` if that is computed.
    fn sizes(graph: &Graph, node: &Node, size: i64) -> Option<Vec<i64>> {
        match (node.ints("split"), node.input(1)) {
            (Some(sizes), _) => Some(sizes.to_vec()),
            (None, Some(input)) => graph.constant(input)?.to_i64(),
            (None, None) => {
                let parts = node.outputs.len() as i64;
                let each = (size + parts - 1) / parts;
                Some((0..parts).map(|part| each.min(size - part * each)).collect())
            }
        }
    }
}

impl Operator for Split {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        let axis = axis_of(step.node, 0, shape.len());
        let sizes = Self::sizes(b.graph(), step.node, shape[axis])
            .ok_or_else(|| step.no_derivative("the sizes of its parts are computed"))?;
        let mut parts = Vec::new();
        for (size, cotangent) in sizes.into_iter().zip(step.cotangents) {
            let mut part = shape.clone();
            part[axis] = size;
            parts.push((part, *cotangent));
        }
        let given: Vec<usize> = (0..parts.len()).filter(|index| parts[*index].1.is_some()).collect();
        if let ([only], true) = (&*given, parts.len() > 1) {
            let size = |parts: &[(Vec<i64>, Option<ValueId>)]| -> Vec<i64> {
                let mut sizes = vec![0; shape.len()];
                sizes[axis] = parts.iter().map(|(shape, _)| shape[axis]).sum();
                sizes
            };
            let part = parts[*only].1.expect("the one that is given");
            return Ok(vec![Some(b.pad(part, &size(&parts[..*only]), &size(&parts[only + 1..]), 0.0)?)]);
        }
        let parts: Vec<ValueId> =
            parts.into_iter().map(|(shape, cotangent)| cotangent.unwrap_or_else(|| b.zeros(&shape))).collect();
        Ok(vec![Some(b.concat(&parts, axis)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        pointwise_if_space_is_kept(graph, node)
    }

    fn remark(&self, _op: &str) -> &'static str {
        "sizes of the parts must be known"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let mut shape = draw.shape(1, 3);
        let axis = draw.int(0, shape.len() as i64 - 1) as usize;
        let even = draw.int(0, 2) == 0;
        let first = draw.int(1, 3);
        let sizes: Vec<i64> = (0..draw.int(1, 3)).map(|_| if even { first } else { draw.int(1, 3) }).collect();
        shape[axis] = sizes.iter().sum();
        let x = draw.distinct(&shape);
        let outputs = sizes.len();
        let case = super::testing::Case::new(draw.opset(7), op).wrt(&shape, &x).attribute("axis", axis as i64);
        let case = case.outputs(outputs);
        if even {
            // Nobody says how long the parts are; opset 18 asks how many there are.
            return if case.opset >= 18 { case.attribute("num_outputs", outputs as i64) } else { case };
        }
        if case.opset >= 13 {
            return case.constant(crate::Tensor::i64(&[outputs as i64], &sizes));
        }
        case.attribute("split", sizes)
    }
}

pub(super) struct Slice;

impl Slice {
    /// For each axis, the elements that are kept, in order; `None` if they are computed.
    fn kept(graph: &Graph, node: &Node, shape: &[i64]) -> Option<Vec<Vec<i64>>> {
        let list = |name: &str, index: usize| -> Option<Option<Vec<i64>>> {
            if graph.opset < 10 {
                return Some(node.ints(name).map(<[i64]>::to_vec));
            }
            match node.input(index) {
                None => Some(None),
                Some(value) => graph.constant(value)?.to_i64().map(Some),
            }
        };
        let (starts, ends) = (list("starts", 1)??, list("ends", 2)??);
        let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = if graph.opset < 10 { None } else { list("steps", 4)? };
        let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
        let mut kept: Vec<Vec<i64>> = shape.iter().map(|size| (0..*size).collect()).collect();
        for (((start, end), axis), step) in starts.iter().zip(ends).zip(axes).zip(steps) {
            let axis = (if axis < 0 { axis + shape.len() as i64 } else { axis }) as usize;
            let size = *shape.get(axis)?;
            let wrap = |index: i64| if index < 0 { index.saturating_add(size) } else { index };
            let (start, end) = (wrap(*start), wrap(end));
            kept[axis] = if step > 0 {
                (start.clamp(0, size)..end.clamp(0, size)).step_by(usize::try_from(step).ok()?).collect()
            } else {
                let (first, last) = (start.clamp(-1, size - 1), end.clamp(-1, size - 1));
                (last + 1..=first).rev().step_by(usize::try_from(step.checked_neg()?).ok()?).collect()
            };
        }
        Some(kept)
    }
}

impl Operator for Slice {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let shape = b.shape(step.input(0)?)?;
        let kept = Self::kept(b.graph(), step.node, &shape)
            .ok_or_else(|| step.no_derivative("its bounds are computed, or do not fit its input"))?;
        let mut made = step.cotangent()?;
        let (mut before, mut after) = (vec![0; shape.len()], vec![0; shape.len()]);
        for (axis, kept) in kept.iter().enumerate() {
            if kept.windows(2).all(|pair| pair[1] == pair[0] + 1) {
                before[axis] = kept.first().copied().unwrap_or(0);
                after[axis] = shape[axis] - before[axis] - kept.len() as i64;
            } else {
                let sources: Vec<Option<i64>> = kept.iter().copied().map(Some).collect();
                made = b.scatter_axis(made, axis, &sources, shape[axis])?;
            }
        }
        Ok(vec![Some(b.pad(made, &before, &after, 0.0)?)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        pointwise_if_space_is_kept(graph, node)
    }

    fn remark(&self, _op: &str) -> &'static str {
        "bounds must be known"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape: Vec<i64> = draw.shape(1, 4).into_iter().map(|size| size + 2).collect();
        let x = draw.distinct(&shape);
        let opset = draw.opset(7);
        let (mut starts, mut ends, mut steps) = (vec![], vec![], vec![]);
        let axes: Vec<i64> = (0..shape.len() as i64).filter(|axis| *axis == 0 || draw.flag()).collect();
        for axis in &axes {
            let size = shape[*axis as usize];
            let step = if opset >= 10 { draw.pick(&[1, 1, 2, -1, -2, 3]) } else { 1 };
            let (low, high) = (draw.int(0, size - 1), draw.pick(&[size, size - 1, i64::from(i32::MAX)]));
            let low = low.min(size - 2);
            let (start, end) = if step > 0 { (low, high) } else { (high, low) };
            starts.push(if draw.flag() && start < size { start - size } else { start });
            ends.push(if step < 0 && low == 0 { i64::MIN + 1 } else { end });
            steps.push(step);
        }
        let case = super::testing::Case::new(opset, op).wrt(&shape, &x);
        if opset < 10 {
            return case.attribute("starts", starts).attribute("ends", ends).attribute("axes", axes);
        }
        let list = |values: &[i64]| crate::Tensor::i64(&[values.len() as i64], values);
        case.constant(list(&starts)).constant(list(&ends)).constant(list(&axes)).constant(list(&steps))
    }
}

pub(super) struct Pad;

impl Pad {
    /// Elements added before and after each axis; `None` if they are computed.
    fn counts(graph: &Graph, node: &Node, rank: usize) -> Option<(Vec<i64>, Vec<i64>)> {
        let pads = match node.ints("pads") {
            Some(pads) => pads.to_vec(),
            None => graph.constant(node.input(1)?)?.to_i64()?,
        };
        let axes = match node.input(3) {
            Some(axes) => graph.constant(axes)?.to_i64()?,
            None => (0..rank as i64).collect(),
        };
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        for (index, axis) in axes.iter().enumerate() {
            let axis = (if *axis < 0 { axis + rank as i64 } else { *axis }) as usize;
            *before.get_mut(axis)? = *pads.get(index)?;
            *after.get_mut(axis)? = *pads.get(index + axes.len())?;
        }
        Some((before, after))
    }

    /// Which element of an axis of `size` the padded axis shows at `index`.
    fn source(mode: &str, index: i64, size: i64) -> i64 {
        match mode {
            "edge" => index.clamp(0, size - 1),
            "wrap" => index.rem_euclid(size),
            _ if size == 1 => 0,
            _ => {
                let folded = index.rem_euclid(2 * (size - 1));
                folded.min(2 * (size - 1) - folded)
            }
        }
    }
}

impl Operator for Pad {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        if step.wants(2) {
            return Err(step.no_derivative("what it pads with depends on what is differentiated by"));
        }
        let shape = b.shape(step.input(0)?)?;
        let (before, after) = Self::counts(b.graph(), step.node, shape.len())
            .ok_or_else(|| step.no_derivative("its pads are computed, or do not fit its input"))?;
        let mode = step.node.string("mode").unwrap_or("constant");
        let mut made = step.cotangent()?;
        if mode == "constant" {
            let negated = |counts: &[i64]| -> Vec<i64> { counts.iter().map(|count| -count).collect() };
            return Ok(vec![Some(b.pad(made, &negated(&before), &negated(&after), 0.0)?)]);
        }
        for axis in 0..shape.len() {
            if (before[axis], after[axis]) != (0, 0) {
                let shown = -before[axis]..shape[axis] + after[axis];
                let sources: Vec<_> = shown.map(|index| Some(Self::source(mode, index, shape[axis]))).collect();
                made = b.scatter_axis(made, axis, &sources, shape[axis])?;
            }
        }
        Ok(vec![Some(made)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        matches!(index, 0 | 2)
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        match Self::counts(graph, node, 4) {
            Some((before, after)) if node.string("mode").unwrap_or("constant") == "constant" => Geometry::Window {
                kernel: [1, 1],
                strides: [1, 1],
                pads: [before[2], before[3], after[2], after[3]],
                dilations: [1, 1],
            },
            _ => Geometry::Opaque,
        }
    }

    fn remark(&self, _op: &str) -> &'static str {
        "pads must be known"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape: Vec<i64> = draw.shape(1, 4).into_iter().map(|size| size + 2).collect();
        let x = draw.distinct(&shape);
        let mode = draw.pick(&["constant", "constant", "reflect", "edge"]);
        let lowest = if mode == "constant" { -1 } else { 0 };
        let pads: Vec<i64> = (0..2 * shape.len()).map(|_| draw.int(lowest, 2)).collect();
        let case = super::testing::Case::new(draw.opset(7), op).wrt(&shape, &x).attribute("mode", mode);
        if case.opset >= 11 {
            return case.constant(crate::Tensor::i64(&[pads.len() as i64], &pads));
        }
        case.attribute("pads", pads)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn parts_agree_with_central_differences() {
        check(&["Concat", "Split", "Slice", "Slice", "Pad", "Pad"]);
    }
}
