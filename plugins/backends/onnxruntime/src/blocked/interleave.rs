//! The engine's kernel for [`whyglass::Interleave`](whyglass_graph::own), in blocks and outside of them.

use super::lanes::{LANES, SIDE_BY_SIDE};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::{TensorElementType, TensorValueType, ValueType};
use parking_lot::Mutex;
use whyglass_graph::own;

/// A map of more rows or columns than this is none that anybody means.
const MOST: i64 = 1 << 24;

pub(super) struct Interleave;

impl Operator for Interleave {
    type Kernel<'attr> = InterleaveKernel;

    fn name(&self) -> &str {
        own::INTERLEAVE
    }

    /// The phases that are given.
    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::variadic(1).homogenous(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<InterleaveKernel> {
        let wanted = |name: &str| ort::Error::new(format!("a map of phases without a sensible {name}"));
        let within = |number: i64, least: i64, most: i64| {
            usize::try_from(number).ok().filter(|_| (least..=most).contains(&number))
        };
        let stride = node.get("stride").and_then(|stride| within(stride, 1, MOST));
        let stride = stride.ok_or_else(|| wanted("stride"))?;
        let size: Option<Vec<i64>> = node.get("size");
        let Some(&[Some(rows), Some(columns)]) =
            size.map(|size| size.into_iter().map(|length| within(length, 0, MOST)).collect::<Vec<_>>()).as_deref()
        else {
            return Err(wanted("size"));
        };
        let phases: Option<Vec<i64>> = node.get("phases");
        let most = (stride * stride - 1) as i64;
        let phases = phases.unwrap_or_default().into_iter().map(|phase| within(phase, 0, most));
        let phases = phases.collect::<Option<Vec<_>>>().ok_or_else(|| wanted("list of phases"))?;
        let in_blocks = node.get::<i64>(SIDE_BY_SIDE) == Some(LANES as i64);
        Ok(InterleaveKernel { stride, phases, size: [rows, columns], in_blocks })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let Some(mut like) = context.inputs().first().cloned() else { return Ok(()) };
        let size: Vec<i64> = context.attr("size")?;
        match (&mut like, &size[..]) {
            (ValueType::Tensor { shape, .. }, &[rows, columns]) if shape.len() == 4 => {
                *shape = [shape[0], shape[1], rows, columns].into();
                context.set_output(0, &like)
            }
            _ => Ok(()),
        }
    }
}

/// It must never have anything that changes: one session runs in several threads at once, each of which gets it as `&mut`.
pub(super) struct InterleaveKernel {
    stride: usize,
    phases: Vec<usize>,
    /// Rows and columns of the map.
    size: [usize; 2],
    in_blocks: bool,
}

/// Where a phase begins in the map, its columns, and its numbers.
struct Part<'a> {
    row: usize,
    column: usize,
    columns: usize,
    plane: usize,
    numbers: &'a [f32],
}

impl Kernel for InterleaveKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let side_by_side = if self.in_blocks { LANES } else { 1 };
        let wrong = |shape: &[i64]| ort::Error::new(format!("a phase of {shape:?} of a map of {:?}", self.size));
        let given = (0..self.phases.len()).map(|index| {
            let phase = context.input(index)?.ok_or_else(|| ort::Error::new("a map without one of its phases"))?;
            phase.downcast::<TensorValueType<f32>>()
        });
        let given = given.collect::<ort::Result<Vec<_>>>()?;
        let [images, channels] = match given.first().map(|phase| &phase.shape()[..]) {
            Some(&[images, channels, _, _]) if channels % side_by_side as i64 == 0 => [images, channels],
            shape => return Err(wrong(shape.unwrap_or_default())),
        };
        let [rows, columns] = self.size;
        let parts = self.phases.iter().zip(&given).map(|(phase, given)| {
            let (row, column) = (phase / self.stride, phase % self.stride);
            // As many cells of the map as lie on the phase, or more, which are left out.
            let cells = |length: usize, first: usize| length.saturating_sub(first).div_ceil(self.stride);
            let &[its_images, its_channels, its_rows, its_columns] = &given.shape()[..] else {
                return Err(wrong(given.shape()));
            };
            let [its_rows, its_columns] = [its_rows, its_columns].map(|length| usize::try_from(length).unwrap_or(0));
            let is_enough = its_rows >= cells(rows, row) && its_columns >= cells(columns, column);
            if [its_images, its_channels] != [images, channels] || !is_enough {
                return Err(wrong(given.shape()));
            }
            let plane = its_rows * its_columns * side_by_side;
            Ok(Part { row, column, columns: its_columns, plane, numbers: given.extract_tensor().1 })
        });
        let parts = parts.collect::<ort::Result<Vec<_>>>()?;
        let map = context.output(0, [images, channels, rows as i64, columns as i64])?;
        let mut map = map.ok_or_else(|| ort::Error::new("a map without a place"))?;
        let (_, map) = map.try_extract_tensor_mut::<f32>()?;
        if map.is_empty() {
            return Ok(());
        }
        let planes: Vec<_> = map.chunks_exact_mut(rows * columns * side_by_side).map(Mutex::new).collect();
        context.par_for(planes.len(), 0, |index| {
            let mut plane = planes[index].lock();
            if self.in_blocks {
                self.lay::<LANES>(&parts, index, &mut plane)
            } else {
                self.lay::<1>(&parts, index, &mut plane)
            }
        })
    }
}

impl InterleaveKernel {
    /// Plane `index`, of which `N` channels lie side by side.
    fn lay<const N: usize>(&self, parts: &[Part<'_>], index: usize, plane: &mut [f32]) {
        if parts.len() < self.stride * self.stride {
            plane.fill(0.0);
        }
        let (lines, columns) = (plane.as_chunks_mut::<N>().0, self.size[1]);
        for part in parts.iter().filter(|part| part.column < columns) {
            let numbers = &part.numbers[index * part.plane..][..part.plane];
            let from = numbers.as_chunks::<N>().0.chunks(part.columns);
            let lines = lines.chunks_exact_mut(columns).skip(part.row).step_by(self.stride);
            for (line, from) in lines.zip(from) {
                let cells = line[part.column..].iter_mut().step_by(self.stride);
                cells.zip(from).for_each(|(cell, number)| *cell = *number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::are_known;
    use crate::blocked::stay::stay_in_blocks;
    use crate::blocked::testing::{Optimised, gradient, numbers, runtime};
    use whyglass_graph::builder::Window;
    use whyglass_graph::{Builder, DerivedConstants, Graph};

    /// The gradient of a strided convolution from so many `channels` between two of 1×1.
    fn strided(channels: i64, size: [i64; 2], window: &Window) -> Graph {
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = vec![graph.add_value("x", Some(vec![2, 16, size[0], size[1]]))];
        let (x, derived) = (graph.inputs[0], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let pointwise = Window::dense(&[1, 1]);
        let mix = b.floats(&[channels, 16, 1, 1], &numbers(channels * 16, 3, 1.0));
        let mixed = b.conv(x, mix, &pointwise, 1).unwrap();
        let taps = channels * 32 * window.kernel.iter().product::<i64>();
        let weights = b.floats(&[32, channels, window.kernel[0], window.kernel[1]], &numbers(taps, 5, 1.0));
        let end = b.conv(mixed, weights, window, 1).unwrap();
        gradient(&Graph { outputs: vec![end], ..b.finish() }, vec![])
    }

    #[test]
    fn phases_become_a_map_in_blocks_and_outside() {
        let runtime = runtime();
        let by = |stride: i64, window: Window| Window { strides: vec![stride; 2], ..window };
        let padded = Window { before: vec![1; 2], after: vec![1; 2], ..Window::dense(&[3, 3]) };
        // Three phases of four are zero of the second, eight of nine of the last.
        let windows =
            [by(2, padded.clone()), by(2, Window::dense(&[1, 1])), by(3, padded), by(3, Window::dense(&[1, 1]))];
        for window in &windows {
            for (channels, size) in [(32, [8, 8]), (16, [7, 9]), (3, [9, 7]), (24, [5, 6])] {
                let case = format!("{channels} channels of {size:?}, {window:?}");
                let optimised = Optimised::new(&runtime, strided(channels, size, window));
                let nodes = optimised.changed(stay_in_blocks);
                let maps: Vec<_> = nodes.iter().filter(|node| node.op_type == own::INTERLEAVE).collect();
                let in_blocks = maps.iter().flat_map(|node| &node.attribute).filter(|a| a.name == SIDE_BY_SIDE);
                assert_eq!(maps.len(), 1, "{case}");
                assert_eq!(in_blocks.count(), usize::from(channels >= 16 && are_known()), "{case}");
                optimised.check(&runtime, 2, &case);
            }
        }
    }
}
