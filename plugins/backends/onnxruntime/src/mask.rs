//! The engine's kernel for [`whyglass::Mask`](whyglass_graph::own): one pass over memory, in whatever layout its two inputs
//! have in common.

use ort::operator::ShapeInferenceContext;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::{TensorElementType, TensorValueType, ValueType};
use parking_lot::Mutex;
use whyglass_graph::own::{self, Mask};

/// Numbers that a thread takes at once: with what they are made of they fit into a processor's first cache.
const CHUNK: usize = 8192;

pub(crate) struct MaskOperator;

impl Operator for MaskOperator {
    type Kernel<'attr> = MaskKernel;

    /// The gradient is not needed any more.
    const INPLACES: &[(u32, u32)] = &[(0, 0)];

    fn name(&self) -> &str {
        own::MASK
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [const { OperatorInput::required(TensorElementType::Float32) }; 2]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<MaskKernel> {
        let (lower, upper) = (node.get("lower"), node.get("upper"));
        let (lower, upper) = (lower.unwrap_or(f32::NEG_INFINITY), upper.unwrap_or(f32::INFINITY));
        Ok(MaskKernel(Mask { lower, upper }))
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        match context.inputs().first() {
            // Without dimensions: of one that is not known the engine says the same.
            Some(like @ ValueType::Tensor { shape, .. }) if !shape.is_empty() => context.set_output(0, like),
            _ => Ok(()),
        }
    }
}

/// It must never have anything that changes: one session runs in several threads at once, each of which gets it as `&mut`.
pub(crate) struct MaskKernel(Mask);

impl Kernel for MaskKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let missing = |what: &str| ort::Error::new(format!("a mask without its {what}"));
        let (g, x) = (context.input(0)?, context.input(1)?);
        let g = g.ok_or_else(|| missing("gradient"))?.downcast::<TensorValueType<f32>>()?;
        let x = x.ok_or_else(|| missing("output"))?;
        let (_, x) = x.try_extract_tensor::<f32>()?;
        if g.shape().num_elements() != x.len() {
            return Err(ort::Error::new(format!("a mask of {} numbers over {}", x.len(), g.shape())));
        }
        let mut masked = context.output(0, g.shape().clone())?.ok_or_else(|| missing("place"))?;
        let (_, masked) = masked.try_extract_tensor_mut::<f32>()?;
        let mask = self.0;
        if std::ptr::eq(g.data_ptr().cast(), masked.as_ptr()) {
            let chunks: Vec<_> = masked.chunks_mut(CHUNK).map(Mutex::new).zip(x.chunks(CHUNK)).collect();
            return context.par_for(chunks.len(), 0, |index| {
                let (masked, x) = &chunks[index];
                masked.lock().iter_mut().zip(*x).for_each(|(g, x)| *g = through(mask, *g, *x));
            });
        }
        let (_, g) = g.extract_tensor();
        let chunks = masked.chunks_mut(CHUNK).map(Mutex::new).zip(g.chunks(CHUNK)).zip(x.chunks(CHUNK));
        let chunks: Vec<_> = chunks.collect();
        context.par_for(chunks.len(), 0, |index| {
            let ((masked, g), x) = &chunks[index];
            let pairs = g.iter().zip(*x);
            masked.lock().iter_mut().zip(pairs).for_each(|(masked, (g, x))| *masked = through(mask, *g, *x));
        })
    }
}

/// `g` or 0, by all bits or none rather than by a branch: several numbers are done at once.
#[inline]
fn through(mask: Mask, g: f32, x: f32) -> f32 {
    let open = u32::from(mask.lower < x) & u32::from(x < mask.upper);
    f32::from_bits(g.to_bits() & open.wrapping_neg())
}
