//! [`whyglass_graph::Runtime`] on libtorch: a graph is walked node by node, each one an operator of libtorch.
//!
//! Responsible for values: where they live, how long, and what a node is given. What a node computes is next door, one file
//! per family of operators.

mod attention;
mod autograd;
mod bitwise;
mod call;
mod constants;
mod conv;
mod dropout;
mod elementwise;
mod heads;
mod indexing;
mod interpolation;
mod layout;
mod linear;
mod lp;
mod normalization;
mod one_hot;
mod pool;
mod reduce;
mod resize;
mod rotary;
mod scatter;
mod selection;
mod table;
mod truth;
mod value;
mod weights;
mod window;

use crate::precision::Precision;
use crate::session::Session;
use call::Call;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use tch::{Device, Kind, TchError};
use value::Value;
use weights::{Weight, Weights};
use whyglass_graph::{CompileOptions, Graph, Node, Runtime, Tensor, ValueId};

/// What libtorch, or walking a graph with it, can fail with.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// An exception.
    #[error("{}", crate::error::first_lines(.0))]
    Torch(#[from] TchError),
    /// An operator, or one form of it, that is not here.
    #[error("libtorch's executor does not run {op}: {what}")]
    Unsupported { op: String, what: String },
    /// A node that failed.
    #[error("{op} ({name:?}): {source}")]
    Node { op: String, name: String, source: Box<TorchError> },
    /// A graph that does not fit together.
    #[error("{0}")]
    Graph(String),
    /// Not one tensor per graph input.
    #[error("the graph has {wanted} inputs, {given} tensors were given")]
    Inputs { wanted: usize, given: usize },
}

pub(crate) type Result<T, E = TorchError> = std::result::Result<T, E>;

/// libtorch on one device. Clones share weights.
#[derive(Clone)]
pub struct TorchRuntime {
    device: Device,
    precision: Precision,
    weights: Arc<Weights>,
}

impl TorchRuntime {
    /// # Errors
    /// If there is no such device.
    pub fn on(device: Option<&str>) -> whyglass_sdk::Result<Self> {
        Ok(Self::new(crate::device::parse(device)?, Precision::Float32))
    }

    pub(crate) fn new(device: Device, precision: Precision) -> Self {
        Self { device, precision, weights: Arc::default() }
    }
}

/// A graph made ready: its constants are on the device.
pub struct Program {
    nodes: Vec<Step>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    constants: Vec<(ValueId, Arc<Weight>)>,
    opset: i64,
    threads: usize,
    device: Device,
}

struct Step {
    node: Node,
    operator: table::Operator,
    /// Its operands are rounded to bfloat16.
    rounds: bool,
    /// Values that nobody reads after this node: they are dropped, and their memory is used again.
    last: Vec<ValueId>,
}

impl Runtime for TorchRuntime {
    type Program = Program;
    type Error = TorchError;

    fn name(&self) -> String {
        crate::backend::RUNTIME.to_owned()
    }

    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Program> {
        let _session = Session::with_threads(1).map_err(|error| TorchError::Graph(error.message))?;
        let constants = graph.constants.iter().map(|(id, tensor)| Ok((*id, self.weights.share(tensor, self.device)?)));
        let constants = constants.collect::<Result<_>>()?;
        let mut reader: HashMap<ValueId, usize> = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            reader.extend(node.inputs.iter().flatten().map(|id| (*id, index)));
        }
        let kept = |id: &ValueId| graph.outputs.contains(id);
        let mut last: Vec<Vec<ValueId>> = vec![Vec::new(); graph.nodes.len()];
        for (id, index) in reader.into_iter().filter(|(id, _)| !kept(id)) {
            last[index].push(id);
        }
        let nodes = graph.nodes.iter().zip(last).map(|(node, last)| {
            let rounds = self.precision == Precision::Bf16 && is_product(node);
            Ok(Step { node: node.clone(), operator: table::find(node)?, rounds, last })
        });
        Ok(Program {
            nodes: nodes.collect::<Result<_>>()?,
            inputs: graph.inputs.clone(),
            outputs: graph.outputs.clone(),
            constants,
            opset: graph.opset,
            threads: options.threads,
            device: self.device,
        })
    }

    fn execute(&self, program: &Program, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let threads = if program.threads == 0 { cores() } else { program.threads };
        let _session = Session::with_threads(threads).map_err(|error| TorchError::Graph(error.message))?;
        let lent = inputs.iter().map(|tensor| Value::lend(tensor, program.device)).collect::<Result<Vec<_>>>()?;
        program.walk(lent)?.iter().map(|value| value.take()).collect()
    }
}

impl Program {
    /// From one value per input to one per output. Where the inputs require gradients, autograd can go back from the outputs.
    ///
    /// # Errors
    /// If a node fails.
    fn walk(&self, inputs: Vec<Value>) -> Result<Vec<Value>> {
        if inputs.len() != self.inputs.len() {
            return Err(TorchError::Inputs { wanted: self.inputs.len(), given: inputs.len() });
        }
        let mut values: HashMap<ValueId, Rc<Value>> = HashMap::with_capacity(self.nodes.len());
        values.extend(self.constants.iter().map(|(id, weight)| (*id, Rc::new(weight.value()))));
        values.extend(self.inputs.iter().copied().zip(inputs.into_iter().map(Rc::new)));
        for Step { node, operator, rounds, last } in &self.nodes {
            let at_node =
                |source| TorchError::Node { op: node.op.clone(), name: node.name.clone(), source: Box::new(source) };
            let given = node.inputs.iter().map(|input| match input {
                None => Ok(None),
                Some(id) => values.get(id).cloned().map(Some).ok_or_else(|| {
                    at_node(TorchError::Graph(format!("it reads the value {}, which is not computed", id.0)))
                }),
            });
            let mut call = Call { node, opset: self.opset, device: self.device, inputs: given.collect::<Result<_>>()? };
            let made = if *rounds {
                let kind = call.inputs.iter().flatten().find_map(|input| input.float_kind()).unwrap_or(Kind::Float);
                for input in call.inputs.iter_mut().flatten() {
                    *input = Rc::new(input.rounded(Kind::BFloat16).map_err(at_node)?);
                }
                operator(&call).and_then(|made| made.iter().map(|value| value.rounded(kind)).collect())
            } else {
                operator(&call)
            };
            let made = made.map_err(at_node)?;
            for (id, value) in node.outputs.iter().zip(made) {
                if let Some(id) = id {
                    values.insert(*id, Rc::new(value));
                }
            }
            last.iter().for_each(|id| drop(values.remove(id)));
        }
        let read = |id: &ValueId| {
            let value = values.get(id).map(|value| value.share());
            value.ok_or_else(|| TorchError::Graph(format!("the output {} is not computed", id.0)))
        };
        self.outputs.iter().map(read).collect()
    }
}

/// Whether it multiplies matrices, which is where the time goes, and what fewer digits make faster.
fn is_product(node: &Node) -> bool {
    node.domain.is_empty() && matches!(&*node.op, "Conv" | "ConvTranspose" | "Gemm" | "MatMul")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
