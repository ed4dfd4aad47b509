//! What is told of each value of a network: where it is, how large, and whether gradients pass.

use crate::receptive::{self, ReceptiveField};
use crate::tokens::{self, TokenGrid};
use crate::{Graph, Node, ValueId, ops};
use std::collections::{HashMap, HashSet};

/// A value that can be fetched, and perhaps fed or differentiated.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The value's name in the file, or a reserved one.
    pub id: String,
    /// The operator that makes it; `"Input"` for the picture.
    pub op: String,
    /// Without the batch, at the model's input size.
    pub shape: Vec<i64>,
    /// C×H×W with a known place in the picture.
    pub spatial: bool,
    /// A gradient flows from the logits to it.
    pub differentiable: bool,
    /// A gradient flows from it to the input.
    pub reaches_input: bool,
    /// What stands in the way where one of the two is missing.
    pub reason: Option<String>,
    pub receptive_field: Option<ReceptiveField>,
    /// T×C: tokens of a grid that is known.
    pub tokens: Option<TokenGrid>,
    /// Trained numbers in the operator that makes it.
    pub parameters: u64,
}

/// The values that all others are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Landmarks {
    pub(crate) input: ValueId,
    pub(crate) logits: ValueId,
    pub(crate) features: Option<ValueId>,
}

/// All values of a graph specialised to one picture, in topological order, the input first.
pub(crate) fn list(graph: &Graph, landmarks: Landmarks) -> Vec<(ValueId, Layer)> {
    let fields = receptive::fields(graph, landmarks.input);
    let grids = tokens::grids(graph, &fields);
    let obstacles = Obstacles::of(graph, landmarks);
    let mut layers = Vec::new();
    let mut add = |id: ValueId, op: &str, parameters: u64| {
        let shape = graph.shape(id).unwrap_or_default();
        let (above, below) = (obstacles.above(id), obstacles.below(id));
        layers.push((
            id,
            Layer {
                id: graph.value(id).name.clone(),
                op: op.to_owned(),
                shape: shape.get(1..).unwrap_or_default().to_vec(),
                // A grid that feeds the global pooling covers the picture, even where windows cannot be followed.
                spatial: shape.len() == 4 && (fields.contains_key(&id) || landmarks.features == Some(id)),
                differentiable: below.is_none(),
                reaches_input: above.is_none(),
                reason: below.or(above),
                receptive_field: fields.get(&id).copied(),
                tokens: grids.get(&id).copied(),
                parameters,
            },
        ));
    };
    add(landmarks.input, "Input", 0);
    for node in &graph.nodes {
        for &output in node.outputs.iter().flatten() {
            add(output, &node.op, parameters(graph, node));
        }
    }
    layers
}

fn parameters(graph: &Graph, node: &Node) -> u64 {
    let constants = node.inputs.iter().flatten().filter_map(|id| graph.constant(*id));
    constants.filter(|tensor| tensor.dtype() == crate::Dtype::F32).map(|tensor| tensor.len() as u64).sum()
}

/// What keeps gradients from passing.
struct Obstacles {
    /// On the way from the input to a value.
    above: HashMap<ValueId, Option<String>>,
    /// On the way from a value to the logits.
    below: HashMap<ValueId, Option<String>>,
}

impl Obstacles {
    fn of(graph: &Graph, landmarks: Landmarks) -> Self {
        let mut above: HashMap<ValueId, Option<String>> = HashMap::from([(landmarks.input, None)]);
        for node in &graph.nodes {
            let computed = carried_inputs(graph, node).filter_map(|id| above.get(&id)).collect::<Vec<_>>();
            if computed.is_empty() {
                continue;
            }
            let obstacle = computed.into_iter().flatten().next().cloned().or_else(|| obstacle(node));
            for output in node.outputs.iter().flatten() {
                above.insert(*output, obstacle.clone());
            }
        }
        let mut below: HashMap<ValueId, Option<String>> = HashMap::from([(landmarks.logits, None)]);
        for node in graph.nodes.iter().rev() {
            let read = node.outputs.iter().flatten().filter_map(|id| below.get(id)).collect::<Vec<_>>();
            if read.is_empty() {
                continue;
            }
            let obstacle = read.into_iter().flatten().next().cloned().or_else(|| obstacle(node));
            for input in carried_inputs(graph, node) {
                let known = below.entry(input).or_default();
                *known = known.take().or_else(|| obstacle.clone());
            }
        }
        Self { above, below }
    }

    fn above(&self, id: ValueId) -> Option<String> {
        self.above.get(&id).cloned().unwrap_or_else(|| Some("it does not depend on the input".into()))
    }

    fn below(&self, id: ValueId) -> Option<String> {
        self.below.get(&id).cloned().unwrap_or_else(|| Some("the logits do not depend on it".into()))
    }
}

/// The inputs that a derivative could flow to.
fn carried_inputs<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = ValueId> + 'a {
    let operator = ops::lookup(&node.domain, &node.op);
    node.inputs.iter().enumerate().filter_map(move |(index, id)| {
        let id = (*id)?;
        let carries = operator.is_none_or(|operator| operator.carries(graph, node, index));
        (carries && graph.constant(id).is_none()).then_some(id)
    })
}

fn obstacle(node: &Node) -> Option<String> {
    let known = ops::lookup(&node.domain, &node.op).is_some();
    (!known).then(|| format!("{} (node {:?}) has no derivative here", node.op, node.name))
}

/// Multiply–accumulates of one pass through convolutions and matrix products; the rest is small beside them.
pub(crate) fn macs(graph: &Graph) -> u64 {
    graph.nodes.iter().map(|node| macs_of(graph, node)).sum()
}

/// Multiply–accumulates of `node`, where it is a convolution or a matrix product.
pub(crate) fn macs_of(graph: &Graph, node: &Node) -> u64 {
    let shape = |id: Option<ValueId>| id.and_then(|id| graph.shape(id));
    let product = |dims: &[i64]| dims.iter().map(|&dim| dim.unsigned_abs()).product::<u64>();
    let count = || -> Option<u64> {
        let output = product(shape(node.outputs.first().copied().flatten())?);
        match node.op.as_str() {
            // Weights are M×C/group×kernel: each output element is a sum over all but M.
            "Conv" => Some(output * product(shape(node.input(1))?.get(1..)?)),
            // Weights are C×M/group×kernel: each input element meets all but C.
            "ConvTranspose" => Some(product(shape(node.input(0))?) * product(shape(node.input(1))?.get(1..)?)),
            "Gemm" => {
                let a = shape(node.input(0))?;
                Some(output * a.get(usize::from(node.int("transA", 0) == 0))?.unsigned_abs())
            }
            "MatMul" => Some(output * shape(node.input(0))?.last()?.unsigned_abs()),
            _ => None,
        }
    };
    if node.domain.is_empty() { count().unwrap_or(0) } else { 0 }
}

/// Whether a node of the graph is a rectifier, for which the guided rules mean something.
pub(crate) fn rectifies(graph: &Graph) -> bool {
    let ops: HashSet<&str> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
    ["Relu", "Clip", "LeakyRelu", "PRelu"].iter().any(|op| ops.contains(op))
}
