//! A runtime of plain loops in float64, for tests only: what gradients are compared with, and what runs small graphs
//! where no engine is at hand. Clear rather than fast; shares no code with the derivatives that it checks.
//!
//! Every floating-point tensor becomes float64 and every integer int64, whatever the graph says. A value whose shape the
//! graph states must have that shape: a wrong statement is an error.

mod array;
mod attention;
mod constants;
mod conv;
mod einsum;
mod elementwise;
mod indexing;
mod layout;
mod linear;
mod normalization;
mod pool;
mod reduce;
mod resize;

use crate::own::{self, Mask, OwnKernels};
use crate::{CompileOptions, Graph, Node, Runtime, Tensor, ValueId};
use array::Array;
use std::collections::HashMap;
use std::rc::Rc;

/// What the reference runtime cannot do, or was asked wrongly.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReferenceError(String);

pub(crate) type Result<T, E = ReferenceError> = std::result::Result<T, E>;

fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(ReferenceError(message.into()))
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceRuntime;

/// A node about to run.
struct Call<'a> {
    node: &'a Node,
    opset: i64,
    inputs: Vec<Option<Rc<Array>>>,
}

impl Call<'_> {
    fn input(&self, index: usize) -> Result<&Array> {
        self.optional(index).map_or_else(|| fail(format!("input {index} is missing")), Ok)
    }

    fn optional(&self, index: usize) -> Option<&Array> {
        self.inputs.get(index).and_then(Option::as_deref)
    }

    /// A list of integers that is an attribute or, in later opsets, an input.
    fn list(&self, name: &str, index: usize) -> Result<Option<Vec<i64>>> {
        match self.node.ints(name) {
            Some(values) => Ok(Some(values.to_vec())),
            None => self.optional(index).map(|array| array.ints().map(<[i64]>::to_vec)).transpose(),
        }
    }

    /// The attribute `axis`, wrapped at `rank`.
    fn axis(&self, default: i64, rank: usize) -> Result<usize> {
        wrap(self.node.int("axis", default), rank)
    }
}

/// A possibly negative axis as an index below `rank` (or `rank` itself).
fn wrap(axis: i64, rank: usize) -> Result<usize> {
    let wrapped = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(wrapped) {
        Ok(axis) if axis <= rank => Ok(axis),
        _ => fail(format!("axis {axis} of rank {rank}")),
    }
}

impl Runtime for ReferenceRuntime {
    type Program = Graph;
    type Error = ReferenceError;

    fn name(&self) -> String {
        "reference (float64)".to_owned()
    }

    fn own_kernels(&self) -> OwnKernels {
        OwnKernels::ALL
    }

    fn compile(&self, graph: &Graph, _options: CompileOptions) -> Result<Graph> {
        Ok(graph.clone())
    }

    fn execute(&self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        if inputs.len() != graph.inputs.len() {
            return fail(format!("{} inputs for {}", inputs.len(), graph.inputs.len()));
        }
        let mut values: HashMap<ValueId, Rc<Array>> = HashMap::new();
        for (id, tensor) in graph.inputs.iter().zip(inputs) {
            store(graph, &mut values, *id, Array::from_tensor(tensor)?)?;
        }
        for (id, tensor) in &graph.constants {
            store(graph, &mut values, *id, Array::from_tensor(tensor)?)?;
        }
        for node in &graph.nodes {
            let name = || format!("{} ({:?})", node.op, node.name);
            let inputs = node.inputs.iter().map(|input| match input {
                None => Ok(None),
                Some(id) => match values.get(id) {
                    Some(value) => Ok(Some(Rc::clone(value))),
                    None => fail(format!("{} reads {:?}, which is not computed", name(), graph.value(*id).name)),
                },
            });
            let call = Call { node, opset: graph.opset, inputs: inputs.collect::<Result<_>>()? };
            let outputs = run(&call).map_err(|error| ReferenceError(format!("{}: {error}", name())))?;
            for (id, output) in node.outputs.iter().zip(outputs) {
                if let Some(id) = id {
                    store(graph, &mut values, *id, output)?;
                }
            }
        }
        let read = |id: &ValueId| match values.get(id) {
            Some(value) => Ok(value.to_tensor()),
            None => fail(format!("output {:?} is not computed", graph.value(*id).name)),
        };
        graph.outputs.iter().map(read).collect()
    }
}

fn store(graph: &Graph, values: &mut HashMap<ValueId, Rc<Array>>, id: ValueId, array: Array) -> Result<()> {
    let value = graph.value(id);
    let shape: Vec<i64> = array.shape.iter().map(|size| *size as i64).collect();
    if value.shape.as_ref().is_some_and(|stated| *stated != shape) {
        return fail(format!("{:?} has shape {shape:?}, stated {:?}", value.name, value.shape));
    }
    values.insert(id, Rc::new(array));
    Ok(())
}

fn run(call: &Call<'_>) -> Result<Vec<Array>> {
    let one = |array: Result<Array>| array.map(|array| vec![array]);
    if let Some(mask) = Mask::of(call.node) {
        return one(elementwise::mask(call, mask));
    }
    match (&*call.node.domain, &*call.node.op) {
        (own::DOMAIN, own::MAX_POOL_GRAD) => return one(pool::max_pool_grad(call)),
        (own::DOMAIN, own::INTERLEAVE) => return one(layout::interleave(call)),
        _ => (),
    }
    if !matches!(&*call.node.domain, "" | "ai.onnx") {
        return fail(format!("domain {:?} is not known to the reference runtime", call.node.domain));
    }
    match &*call.node.op {
        "Constant" | "ConstantOfShape" | "Shape" | "Size" | "Range" | "EyeLike" => one(constants::run(call)),
        "Conv" => one(conv::conv(call)),
        "ConvTranspose" => one(conv::conv_transpose(call)),
        "Attention" => one(attention::attention(call)),
        "RotaryEmbedding" => one(attention::rotary(call)),
        "Einsum" => one(einsum::einsum(call)),
        "Resize" | "Upsample" => one(resize::resize(call)),
        "MaxPool" => pool::max_pool(call),
        "AveragePool" => one(pool::average_pool(call)),
        "LpPool" => one(pool::lp_pool(call)),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => one(pool::global(call)),
        "Gemm" => one(linear::gemm(call)),
        "MatMul" => one(linear::matmul(call)),
        "BatchNormalization" => one(normalization::batch(call)),
        "LayerNormalization" | "RMSNormalization" => one(normalization::layer(call)),
        "MeanVarianceNormalization" => one(normalization::mean_variance(call)),
        "LpNormalization" => one(normalization::by_norm(call)),
        "LRN" => one(normalization::local_response(call)),
        "InstanceNormalization" | "GroupNormalization" => one(normalization::group(call)),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSumExp" | "ReduceLogSum" => one(reduce::reduce(call)),
        "ArgMax" | "ArgMin" => one(reduce::extreme(call)),
        "Softmax" | "LogSoftmax" => one(reduce::softmax(call)),
        "CumSum" => one(reduce::cumulated(call)),
        "Hardmax" => one(reduce::hardmax(call)),
        "TopK" => reduce::top(call),
        "Gather" => one(indexing::gather(call)),
        "GatherND" => one(indexing::gather_nd(call)),
        "ReverseSequence" => one(indexing::reverse_sequence(call)),
        "Compress" => one(indexing::compress(call)),
        "NonZero" => one(indexing::nonzero(call)),
        "OneHot" => one(indexing::one_hot(call)),
        "Trilu" => one(layout::triangle(call)),
        "GatherElements" => one(indexing::gather_elements(call)),
        "ScatterElements" => one(indexing::scatter_elements(call)),
        "ScatterND" => one(indexing::scatter_nd(call)),
        "Identity" | "Dropout" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => one(layout::reshaping(call)),
        "Transpose" => one(layout::transpose(call)),
        "Expand" => one(layout::expand(call)),
        "Tile" => one(layout::tile(call)),
        "Concat" => one(layout::concat(call)),
        "Split" => layout::split(call),
        "Slice" => one(layout::slice(call)),
        "Pad" => one(layout::pad(call)),
        "DepthToSpace" | "SpaceToDepth" => one(layout::blocks(call)),
        _ => one(elementwise::run(call)),
    }
}
