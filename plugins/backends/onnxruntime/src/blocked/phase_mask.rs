//! Masks that read their phase of a feature map by themselves: every second row and column of it, say.
//!
//! Picked by an operator in front of the mask, it takes two more passes over as much memory.

use super::BLOCKED;
use super::lanes::{LANES, load, store};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::{TensorElementType, TensorValueType, ValueType};
use parking_lot::Mutex;
use std::arch::x86_64::{_CMP_LT_OQ, _mm512_cmp_ps_mask, _mm512_mask_cmp_ps_mask, _mm512_maskz_mov_ps, _mm512_set1_ps};
use std::collections::HashMap;
use whyglass_graph::own::{self, Mask};
use whyglass_graph::proto::{AttributeProto, AttributeType, GraphProto, NodeProto};

/// The operator's name, in the domain of our own.
const NAME: &str = "PhaseMask";
/// The attribute that says which: stride, row and column.
const PHASE: &str = "phase";

/// Lets masks of `graph`, as the engine has optimised it, read phases that were picked in the engine's blocks. Nobody needs then what
/// was picked.
pub(super) fn skip_picking(graph: &mut GraphProto) {
    let picked: HashMap<_, _> =
        graph.node.iter().filter_map(|node| Some((node.output.first()?.clone(), pick(node)?))).collect();
    for node in &mut graph.node {
        let is_mask = node.domain == own::DOMAIN && node.op_type == own::MASK;
        if is_mask && let Some((whole, phase)) = picked.get(&node.input[1]) {
            node.op_type = NAME.into();
            node.input[1].clone_from(whole);
            let kind = AttributeType::Ints as i32;
            let phase = AttributeProto { name: PHASE.into(), ints: phase.to_vec(), r#type: kind, ..Default::default() };
            node.attribute.push(phase);
        }
    }
}

/// What is picked from by `node`, and stride, row and column of the phase, if that is what it does.
fn pick(node: &NodeProto) -> Option<(String, [i64; 3])> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let index = attribute(own::PHASE).filter(|_| node.domain == BLOCKED)?.i;
    let &[stride, other] = &attribute("strides")?.ints[..] else { return None };
    let is_bare = node.input.len() == 2 && attribute("activation").is_none_or(|activation| activation.s.is_empty());
    (stride == other && stride > 0 && is_bare)
        .then(|| (node.input[0].clone(), [stride, index / stride, index % stride]))
}

pub(super) struct PhaseMask;

impl Operator for PhaseMask {
    type Kernel<'attr> = PhaseMaskKernel;

    /// The gradient is not needed any more.
    const INPLACES: &[(u32, u32)] = &[(0, 0)];

    fn name(&self) -> &str {
        NAME
    }

    /// The gradient, and the whole feature map.
    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(TensorElementType::Float32) }; 2]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<PhaseMaskKernel> {
        let phase: Option<Vec<i64>> = node.get(PHASE);
        let phase = phase.and_then(|phase| <[i64; 3]>::try_from(phase).ok()).map(|phase| phase.map(usize::try_from));
        let Some([Ok(stride @ 1..), Ok(row), Ok(column)]) = phase else {
            return Err(ort::Error::new("a mask without its phase"));
        };
        let (lower, upper) = (node.get("lower"), node.get("upper"));
        let (lower, upper) = (lower.unwrap_or(f32::NEG_INFINITY), upper.unwrap_or(f32::INFINITY));
        Ok(PhaseMaskKernel { mask: Mask { lower, upper }, stride, row, column })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        match context.inputs().first() {
            // Without dimensions: of one that is not known the engine says the same.
            Some(like @ ValueType::Tensor { shape, .. }) if !shape.is_empty() => context.set_output(0, like),
            _ => Ok(()),
        }
    }
}

/// Of the cells `(row + i·stride, column + j·stride)`. It must never have anything that changes: one session runs in several threads at
/// once, each of which gets it as `&mut`.
pub(super) struct PhaseMaskKernel {
    mask: Mask,
    stride: usize,
    row: usize,
    column: usize,
}

impl Kernel for PhaseMaskKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let missing = |what: &str| ort::Error::new(format!("a mask without its {what}"));
        let given = |index| context.input(index)?.map(|value| value.downcast::<TensorValueType<f32>>()).transpose();
        let g = given(0)?.ok_or_else(|| missing("gradient"))?;
        let x = given(1)?.ok_or_else(|| missing("feature map"))?;
        let wrong = || ort::Error::new(format!("a mask over phases of {}, of a gradient of {}", x.shape(), g.shape()));
        let size = |number: i64| usize::try_from(number).map_err(|_| wrong());
        let (&[.., channels, rows, columns], &[.., x_rows, x_columns]) = (&g.shape()[..], &x.shape()[..]) else {
            return Err(wrong());
        };
        if g.shape()[..2] != x.shape()[..2] || channels % LANES as i64 != 0 {
            return Err(wrong());
        }
        let [rows, columns, x_rows, x_columns] = [size(rows)?, size(columns)?, size(x_rows)?, size(x_columns)?];
        let mut masked = context.output(0, g.shape().clone())?.ok_or_else(|| missing("place"))?;
        let (_, masked) = masked.try_extract_tensor_mut::<f32>()?;
        let is_in_place = std::ptr::eq(g.data_ptr().cast(), masked.as_ptr());
        let (plane, x_plane) = (rows * columns * LANES, x_rows * x_columns * LANES);
        if plane == 0 || x_plane == 0 {
            masked.fill(0.0);
            return Ok(());
        }
        // In place there is nothing but the output that may be looked at.
        let g = if is_in_place { &[][..] } else { g.extract_tensor().1 };
        let x = x.extract_tensor().1;
        let planes: Vec<_> = masked.chunks_exact_mut(plane).map(Mutex::new).zip(x.chunks_exact(x_plane)).collect();
        context.par_for(planes.len(), 0, |index| {
            let (masked, (x, _)) = (&planes[index].0, planes[index].1.as_chunks::<LANES>());
            for (row, line) in masked.lock().chunks_exact_mut(columns * LANES).enumerate() {
                if !is_in_place {
                    line.copy_from_slice(&g[index * plane + row * line.len()..][..line.len()]);
                }
                let x_row = row * self.stride + self.row;
                let x = x.get(x_row * x_columns..(x_row + 1) * x_columns).unwrap_or_default();
                // SAFETY: there is such an operator only where blocks are known, which takes AVX-512.
                unsafe { self.mask_line(line, x) };
            }
        })
    }
}

impl PhaseMaskKernel {
    /// Masks a line of a gradient by the line of the feature map that it is of. Beyond the end of that nothing passes.
    #[target_feature(enable = "avx512f")]
    fn mask_line(&self, line: &mut [f32], x: &[[f32; LANES]]) {
        let [lower, upper] = [self.mask.lower, self.mask.upper].map(|bound| _mm512_set1_ps(bound));
        let (cells, _) = line.as_chunks_mut::<LANES>();
        let x = x.get(self.column..).unwrap_or_default();
        let inside = x.len().div_ceil(self.stride).min(cells.len());
        for (cell, x) in cells.iter_mut().zip(x.iter().step_by(self.stride)) {
            let x = load(x);
            let open = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(lower, x);
            let open = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(open, x, upper);
            store(cell, _mm512_maskz_mov_ps(open, load(cell)));
        }
        cells[inside..].fill([0.0; LANES]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::testing::{Optimised, gradient, numbers, runtime};
    use whyglass_graph::builder::Window;
    use whyglass_graph::{Builder, DerivedConstants, Graph};

    /// The gradient of a rectified 1×1 convolution to 32 channels and a depthwise one of 3×3 with a stride of two, of a
    /// picture of `rows × columns` and 8 channels.
    fn strided(rows: i64, columns: i64) -> Graph {
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = vec![graph.add_value("x", Some(vec![2, 8, rows, columns]))];
        let (x, derived) = (graph.inputs[0], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let widen = b.floats(&[32, 8, 1, 1], &numbers(256, 3, 1.0));
        let wide = b.conv(x, widen, &Window::dense(&[1, 1]), 1).unwrap();
        let (lower, upper) = (b.scalar(0.0), b.scalar(6.0));
        let shape = b.shape(wide).unwrap();
        let rectified = b.node("Clip", &[wide, lower, upper], [], shape);
        let filters = b.floats(&[32, 1, 3, 3], &numbers(288, 5, 1.0));
        let window = Window { strides: vec![2, 2], before: vec![1, 1], after: vec![1, 1], ..Window::dense(&[3, 3]) };
        let end = b.conv(rectified, filters, &window, 32).unwrap();
        gradient(&Graph { outputs: vec![end], ..b.finish() }, vec![rectified])
    }

    #[test]
    fn a_mask_reads_its_phase_of_maps_of_every_size() {
        let runtime = runtime();
        for (rows, columns) in [(8, 8), (9, 8), (8, 11), (7, 5), (2, 3)] {
            let optimised = Optimised::new(&runtime, strided(rows, columns));
            let nodes = optimised.changed(|file, _| skip_picking(file));
            assert_eq!(nodes.iter().filter(|node| node.op_type == NAME).count(), 4, "{rows}×{columns}");
            let picks = nodes.iter().filter(|node| pick(node).is_some()).count();
            assert_eq!(picks, 0, "{rows}×{columns}: what was picked is not needed");
            optimised.check(&runtime, 2, &format!("{rows}×{columns}"));
        }
    }
}
