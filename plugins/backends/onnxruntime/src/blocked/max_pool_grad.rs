//! The engine's kernel for [`whyglass::MaxPoolGrad`](whyglass_graph::own), in blocks and outside of them.
//!
//! It looks for the maxima once more instead of being told where they were: the pooling is faster then, and stays in blocks.

use super::lanes::{LANES, SIDE_BY_SIDE};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::{TensorElementType, TensorValueType, ValueType};
use parking_lot::Mutex;
use std::iter::StepBy;
use std::ops::Range;
use whyglass_graph::own;

pub(super) struct MaxPoolGrad;

impl Operator for MaxPoolGrad {
    type Kernel<'attr> = MaxPoolGradKernel;

    fn name(&self) -> &str {
        own::MAX_POOL_GRAD
    }

    /// The gradient of the maxima, and what they are the maxima of.
    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(TensorElementType::Float32) }; 2]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<MaxPoolGradKernel> {
        let axes = |name: &str| {
            let numbers: Option<Vec<i64>> = node.get(name);
            let first_two = numbers.as_ref().and_then(|numbers| numbers.first_chunk::<2>()).copied();
            first_two.ok_or_else(|| ort::Error::new(format!("a pooling without {name} of two axes")))
        };
        let [kernel, strides, dilations, pads] =
            [axes("kernel_shape")?, axes("strides")?, axes("dilations")?, axes("pads")?];
        // What an axis is computed from stays far from what a number can hold.
        let in_range = |least: i64, numbers: [i64; 2]| numbers.iter().all(|number| (least..1 << 24).contains(number));
        if ![kernel, strides, dilations].into_iter().all(|numbers| in_range(1, numbers)) || !in_range(0, pads) {
            return Err(ort::Error::new("a pooling by a window that does not move"));
        }
        let axis = |axis: usize| Axis {
            kernel: kernel[axis],
            stride: strides[axis],
            dilation: dilations[axis],
            before: pads[axis],
        };
        let side_by_side = node.get::<i64>(SIDE_BY_SIDE).unwrap_or(1);
        Ok(MaxPoolGradKernel { axes: [axis(0), axis(1)], in_blocks: side_by_side == LANES as i64 })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        match context.inputs().get(1) {
            // Without dimensions: of one that is not known the engine says the same.
            Some(like @ ValueType::Tensor { shape, .. }) if !shape.is_empty() => context.set_output(0, like),
            _ => Ok(()),
        }
    }
}

/// How the window moves along an axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    kernel: i64,
    stride: i64,
    dilation: i64,
    before: i64,
}

impl Axis {
    /// The cells, of `size`, that the window at `output` sees.
    fn seen(self, output: usize, size: usize) -> StepBy<Range<usize>> {
        let first = output as i64 * self.stride - self.before;
        let outside = ((-first).max(0) + self.dilation - 1) / self.dilation;
        let end = (first + self.kernel * self.dilation).clamp(0, size as i64);
        let start = (first + outside * self.dilation).clamp(0, end);
        (start as usize..end as usize).step_by(self.dilation as usize)
    }
}

/// It must never have anything that changes: one session runs in several threads at once, each of which gets it as `&mut`.
pub(super) struct MaxPoolGradKernel {
    axes: [Axis; 2],
    in_blocks: bool,
}

impl Kernel for MaxPoolGradKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let missing = |what: &str| ort::Error::new(format!("a pooling without its {what}"));
        let given = |index| context.input(index)?.map(|value| value.downcast::<TensorValueType<f32>>()).transpose();
        let g = given(0)?.ok_or_else(|| missing("gradient"))?;
        let x = given(1)?.ok_or_else(|| missing("input"))?;
        let wrong = || ort::Error::new(format!("a gradient of {} for maxima of {}", g.shape(), x.shape()));
        let size = |number: i64| usize::try_from(number).map_err(|_| wrong());
        let side_by_side = if self.in_blocks { LANES } else { 1 };
        let (&[_, channels, rows, columns], &[_, _, x_rows, x_columns]) = (&g.shape()[..], &x.shape()[..]) else {
            return Err(wrong());
        };
        if g.shape()[..2] != x.shape()[..2] || channels % side_by_side as i64 != 0 {
            return Err(wrong());
        }
        let pooled = [size(rows)?, size(columns)?];
        let whole = [size(x_rows)?, size(x_columns)?];
        let mut laid = context.output(0, x.shape().clone())?.ok_or_else(|| missing("place"))?;
        let (_, laid) = laid.try_extract_tensor_mut::<f32>()?;
        let (plane, pooled_plane) =
            (whole.iter().product::<usize>() * side_by_side, pooled.iter().product::<usize>() * side_by_side);
        if plane == 0 || pooled_plane == 0 {
            laid.fill(0.0);
            return Ok(());
        }
        let (g, x) = (g.extract_tensor().1, x.extract_tensor().1);
        let planes: Vec<_> = laid.chunks_exact_mut(plane).map(Mutex::new).collect();
        context.par_for(planes.len(), 0, |index| {
            let (x, g) = (&x[index * plane..][..plane], &g[index * pooled_plane..][..pooled_plane]);
            let mut laid = planes[index].lock();
            if self.in_blocks {
                // SAFETY: there is such an operator only where blocks are known, which takes AVX-512.
                unsafe { self.lay_blocks(x.as_chunks().0, whole, g.as_chunks().0, pooled, laid.as_chunks_mut().0) };
            } else {
                self.lay::<1>(x.as_chunks().0, whole, g.as_chunks().0, pooled, laid.as_chunks_mut().0);
            }
        })
    }
}

impl MaxPoolGradKernel {
    #[target_feature(enable = "avx512f")]
    fn lay_blocks(
        &self,
        x: &[[f32; LANES]],
        whole: [usize; 2],
        g: &[[f32; LANES]],
        pooled: [usize; 2],
        laid: &mut [[f32; LANES]],
    ) {
        self.lay(x, whole, g, pooled, laid);
    }

    /// One plane: of `x`, of the size `whole`, and of `g`, of the size `pooled`.
    #[inline(always)]
    fn lay<const N: usize>(
        &self,
        x: &[[f32; N]],
        whole: [usize; 2],
        g: &[[f32; N]],
        pooled: [usize; 2],
        laid: &mut [[f32; N]],
    ) {
        laid.fill([0.0; N]);
        for (row, g) in g.chunks_exact(pooled[1]).enumerate() {
            for (column, g) in g.iter().enumerate() {
                let (rows, columns) = (self.axes[0].seen(row, whole[0]), self.axes[1].seen(column, whole[1]));
                let (mut most, mut place, mut number) = ([f32::NEG_INFINITY; N], [u32::MAX; N], 0);
                for row in rows.clone() {
                    for column in columns.clone() {
                        let x = &x[row * whole[1] + column];
                        for lane in 0..N {
                            let is_more = x[lane] > most[lane];
                            most[lane] = if is_more { x[lane] } else { most[lane] };
                            place[lane] = if is_more { number } else { place[lane] };
                        }
                        number += 1;
                    }
                }
                number = 0;
                for row in rows {
                    for column in columns.clone() {
                        let laid = &mut laid[row * whole[1] + column];
                        for lane in 0..N {
                            // By all bits or none rather than by a branch: all lanes are done at once.
                            let taken = u32::from(place[lane] == number).wrapping_neg();
                            laid[lane] += f32::from_bits(g[lane].to_bits() & taken);
                        }
                        number += 1;
                    }
                }
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

    /// The gradient of max pooling behind a convolution to so many `channels`. Many numbers are equal.
    fn pooled(channels: i64, size: [i64; 2], window: &Window, rounded_up: bool) -> Graph {
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = vec![graph.add_value("x", Some(vec![2, 16, size[0], size[1]]))];
        let (x, derived) = (graph.inputs[0], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let mix = b.floats(&[channels, 16, 1, 1], &numbers(channels * 16, 3, 1.0));
        let mixed = b.conv(x, mix, &Window::dense(&[1, 1]), 1).unwrap();
        let mut shape = vec![2, channels];
        for (axis, size) in size.iter().enumerate() {
            let free = size + window.before[axis] + window.after[axis] - window.extent(axis);
            let more = i64::from(rounded_up && free % window.strides[axis] > 0);
            shape.push(free / window.strides[axis] + 1 + more);
        }
        let attributes = [
            ("kernel_shape", window.kernel.clone().into()),
            ("strides", window.strides.clone().into()),
            ("dilations", window.dilations.clone().into()),
            ("pads", [&window.before[..], &window.after].concat().into()),
            ("ceil_mode", i64::from(rounded_up).into()),
        ];
        let end = b.node("MaxPool", &[mixed], attributes, shape);
        gradient(&Graph { outputs: vec![end], ..b.finish() }, vec![])
    }

    #[test]
    fn maxima_are_found_again_by_every_kind_of_window_in_blocks_and_outside() {
        let runtime = runtime();
        let (pairs, three) = (Window::dense(&[2, 2]), Window::dense(&[3, 3]));
        let pads = |before: i64, after: i64| (vec![before; 2], vec![after; 2]);
        let padded = |before, after, window: &Window| {
            let (before, after) = pads(before, after);
            Window { before, after, ..window.clone() }
        };
        let by_two = |window: &Window| Window { strides: vec![2, 2], ..window.clone() };
        let windows = [
            by_two(&pairs),
            pairs.clone(),
            padded(1, 1, &by_two(&three)),
            padded(0, 1, &three),
            Window { dilations: vec![2, 1], ..padded(1, 0, &three) },
            Window { strides: vec![3, 1], ..Window::dense(&[2, 3]) },
        ];
        for window in &windows {
            for (channels, size) in [(32, [8, 8]), (32, [7, 9]), (3, [7, 8])] {
                for rounded_up in [false, true] {
                    let case = format!("{channels} channels of {size:?}, {window:?}, rounded up: {rounded_up}");
                    let optimised = Optimised::new(&runtime, pooled(channels, size, window, rounded_up));
                    let nodes = optimised.changed(stay_in_blocks);
                    let in_blocks = nodes.iter().flat_map(|node| &node.attribute).filter(|a| a.name == SIDE_BY_SIDE);
                    assert_eq!(in_blocks.count(), usize::from(channels == 32 && are_known()), "{case}");
                    optimised.check(&runtime, 2, &case);
                }
            }
        }
    }
}
