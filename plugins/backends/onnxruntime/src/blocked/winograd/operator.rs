//! What the engine sees: an operator of our own with the inputs of its convolution, in its blocked layout.

use super::NAME;
use super::scheme::{Dense, Kind, Strided, with_scheme};
use super::tiles::{Convolution, Division, Places, Scratch, Shape};
use crate::blocked::lanes::{Block, LANES};
use ort::operator::ShapeInferenceContext;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::{TensorElementType, TensorValueType, ValueRef, ValueType};
use parking_lot::Mutex;

/// More rows or columns of zeros than this are no convolution that anybody means.
const MOST_PADDING: i64 = 1 << 24;

/// Memory for tasks that run at the same time, kept for the next. As many as threads have ever run at once.
static SCRATCH: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());

pub(crate) struct Winograd;

impl Operator for Winograd {
    type Kernel<'attr> = WinogradKernel;

    /// What is added is not needed any more.
    const INPLACES: &[(u32, u32)] = &[(3, 0)];

    fn name(&self) -> &str {
        NAME
    }

    /// Feature maps, filters as transformed, and what is added: numbers by output, and feature maps.
    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let float = TensorElementType::Float32;
        [
            OperatorInput::required(float),
            OperatorInput::required(float),
            OperatorInput::optional(float),
            OperatorInput::optional(float),
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<WinogradKernel> {
        let wanted = |name: &str| ort::Error::new(format!("a convolution without {name}"));
        let pads: Vec<i64> = node.get("pads").ok_or_else(|| wanted("pads"))?;
        let is_sane = pads.iter().all(|pad| (0..MOST_PADDING).contains(pad));
        let pads = pads.try_into().ok().filter(|_| is_sane).ok_or_else(|| wanted("four sensible pads"))?;
        let bound = |name, none| node.get::<f32>(name).unwrap_or(none);
        let [size, stride] = ["size", "stride"].map(|name| node.get::<i64>(name).unwrap_or_default());
        let kind = Kind::of(size, stride).ok_or_else(|| wanted("a size and stride that are known"))?;
        let threads = node.get::<i64>("threads").ok_or_else(|| wanted("threads"))?;
        Ok(WinogradKernel {
            kind,
            pads,
            lower: bound("lower", f32::NEG_INFINITY),
            upper: bound("upper", f32::INFINITY),
            threads: usize::try_from(threads).map_or(1, |threads| threads.max(1)),
        })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs = context.inputs();
        let [ValueType::Tensor { shape: maps, .. }, ValueType::Tensor { shape: filters, .. }, ..] = &inputs[..] else {
            return Ok(());
        };
        let pads: Vec<i64> = context.attr("pads")?;
        let (size, stride): (i64, i64) = (context.attr("size")?, context.attr("stride")?);
        let (&[images, _, rows, columns], &[_, outputs, _], &[top, left, bottom, right]) =
            (&maps[..], &filters[..], &pads[..])
        else {
            return Ok(());
        };
        if rows < 0 || columns < 0 || stride < 1 {
            return Ok(());
        }
        let moves = |length: i64| (length - size) / stride + 1;
        let shape = [images, outputs, moves(rows + top + bottom), moves(columns + left + right)];
        let mut inferred = inputs[0].clone();
        if let ValueType::Tensor { shape: inferred, .. } = &mut inferred {
            *inferred = shape.into();
        }
        context.set_output(0, &inferred)
    }
}

/// It must never have anything that changes: one session runs in several threads at once, each of which gets it as `&mut`.
pub(crate) struct WinogradKernel {
    kind: Kind,
    pads: [i64; 4],
    lower: f32,
    upper: f32,
    threads: usize,
}

impl Kernel for WinogradKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let given = |index| context.input(index)?.map(|value| value.downcast::<TensorValueType<f32>>()).transpose();
        let [Some(input), Some(filters), bias, sum] = [given(0)?, given(1)?, given(2)?, given(3)?] else {
            return Err(ort::Error::new("a convolution without maps or filters"));
        };
        let shape = self.shape(input.shape(), filters.shape())?;
        let dimensions = [shape.images, shape.outputs * LANES, shape.rows_out, shape.columns_out];
        let output = context.output(0, dimensions.map(|length| length as i64))?;
        let mut output = output.ok_or_else(|| ort::Error::new("a convolution without a place"))?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        let (output, output_len) = (output.as_mut_ptr().cast::<Block>(), output.len() / LANES);
        let sum_len = sum.as_ref().map_or(shape.output(), |sum| sum.shape().num_elements() / LANES);
        let (bias, filters) = (bias.as_ref().map(blocks), blocks(&filters));
        let input_blocks = blocks(&input);
        let as_wanted = input_blocks.len() == shape.input()
            && [output_len, sum_len] == [shape.output(); 2]
            && filters.len() == self.kind.products() * shape.inputs * LANES * shape.outputs
            && bias.is_none_or(|bias| bias.len() == shape.outputs);
        if !as_wanted {
            return Err(ort::Error::new(format!("a convolution of other sizes than {shape:?}")));
        }
        let convolution = Convolution {
            shape,
            input: input_blocks,
            filters,
            bias,
            lower: self.lower,
            upper: self.upper,
            // SAFETY: they are as many blocks each, which has just been compared. The engine keeps both alive and lets nobody else
            // change them while this runs; where it gives both the same place, they begin there. Tasks are called once each,
            // and no two have the same output.
            places: unsafe { Places::new(output, sum.as_ref().map(|sum| sum.data_ptr().cast()), shape.output()) },
        };
        let division = Division::new(&shape, self.threads);
        context.par_for(division.tasks(), 0, |task| {
            let mut scratch = SCRATCH.lock().pop().unwrap_or_default();
            // SAFETY: there is such an operator only where blocks are known, which takes AVX-512.
            unsafe { with_scheme!(self.kind, convolution.compute(&division, task, &mut scratch)) };
            SCRATCH.lock().push(scratch);
        })
    }
}

impl WinogradKernel {
    /// # Errors
    /// If the dimensions are not four and three, whole blocks of channels.
    fn shape(&self, maps: &[i64], filters: &[i64]) -> ort::Result<Shape> {
        let size = |number: i64| usize::try_from(number).ok();
        let shape = || {
            let (&[images, channels, rows, columns], &[_, outputs, inputs]) = (maps, filters) else { return None };
            let [top, left, bottom, right] = self.pads;
            let is_whole =
                channels == inputs && [channels, outputs].iter().all(|all| *all > 0 && all % LANES as i64 == 0);
            let Kind { size: filter, stride } = self.kind;
            let moves = |length: i64| size((length - filter as i64) / stride as i64 + 1);
            Some(Shape {
                images: size(images)?,
                inputs: is_whole.then_some(size(channels)? / LANES)?,
                outputs: size(outputs)? / LANES,
                rows: size(rows)?,
                columns: size(columns)?,
                top: size(top)?,
                left: size(left)?,
                rows_out: moves(rows + top + bottom)?,
                columns_out: moves(columns + left + right)?,
            })
        };
        shape().ok_or_else(|| ort::Error::new(format!("a convolution of {maps:?} by filters of {filters:?}")))
    }
}

fn blocks<'a>(value: &'a ValueRef<'_, TensorValueType<f32>>) -> &'a [Block] {
    value.extract_tensor().1.as_chunks().0
}
