//! Fixes a graph to one concrete input shape: all shapes become known, and everything that depends on nothing but
//! shapes and weights becomes a constant.
//!
//! There is no shape inference and no interpreter here. The engine that will run the graph runs an *instrumented* copy
//! of it once, unoptimised, whose outputs are the static values that others read and the `Shape` of the rest, but for
//! what a few operators leave as it is. So operators that this crate has never heard of are no obstacle, and the shapes
//! are the engine's own.

mod batch;
mod statics;

pub(crate) use batch::free_batch;
use statics::Statics;

use crate::{Attribute, CompileOptions, Error, Graph, Node, Runtime, Tensor, ValueId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one run at a concrete shape has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observation {
    /// Static values that other nodes read.
    pub(crate) constants: BTreeMap<ValueId, Arc<Tensor>>,
    /// The shapes of all values that are not static.
    pub(crate) shapes: BTreeMap<ValueId, Vec<i64>>,
    /// The values of the probes.
    pub(crate) probes: Vec<Tensor>,
}

/// `graph` at one concrete shape of its only input: what [`differentiate`](crate::differentiate()) wants.
///
/// # Errors
/// If the graph has not exactly one input, or the engine cannot run it at this shape.
pub fn specialise<R: Runtime>(graph: &Graph, shape: &[i64], runtime: &R) -> Result<Graph, Error> {
    let observation = observe(graph, &Tensor::filled(shape, 0.0), &[], runtime)?;
    let special = apply(graph, &observation);
    check_axes(&special)?;
    Ok(special)
}

/// An engine may take an axis that is not there for one that is; everything here believes what the file says.
pub(crate) fn check_axes(graph: &Graph) -> Result<(), Error> {
    for node in &graph.nodes {
        let values = node.inputs.iter().chain(&node.outputs).flatten();
        let rank = values.filter_map(|id| graph.shape(*id)).map(<[i64]>::len).max().unwrap_or(0) as i64;
        // Flatten may put everything before its axis.
        let end = if node.op == "Flatten" { rank + 1 } else { rank };
        let named = node.attributes.get("axis").into_iter().chain(node.attributes.get("axes"));
        let axes = named.flat_map(|attribute| match attribute {
            Attribute::Int(axis) => vec![*axis],
            Attribute::Ints(axes) => axes.clone(),
            _ => Vec::new(),
        });
        if let Some(axis) = axes.into_iter().find(|axis| !(-end..end).contains(axis)) {
            let (op, name) = (&node.op, &node.name);
            return Err(Error::malformed(format!("{op} {name:?} names axis {axis} of a value of {rank} dimensions")));
        }
    }
    Ok(())
}

/// Runs the instrumented graph on `input`. `probes` are further values to fetch.
pub(crate) fn observe<R: Runtime>(
    graph: &Graph,
    input: &Tensor,
    probes: &[ValueId],
    runtime: &R,
) -> Result<Observation, Error> {
    let &[fed] = graph.inputs.as_slice() else {
        return Err(Error::invalid_request(format!(
            "a graph with {} inputs cannot be specialised",
            graph.inputs.len()
        )));
    };
    let statics = Statics::of(graph);
    let mut instrumented = graph.clone();
    instrumented.values[fed.0 as usize].shape = Some(input.shape().to_vec());
    let frontier = statics.frontier(graph);
    let measured: Vec<ValueId> = statics.moving(graph).collect();
    let moving: BTreeSet<ValueId> = measured.iter().copied().collect();
    let made: BTreeSet<ValueId> = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten()).copied().collect();
    let probed: Vec<ValueId> = probes.iter().copied().filter(|id| made.contains(id) && moving.contains(id)).collect();
    if probed.len() != probes.len() {
        return Err(Error::malformed("an output of the model does not depend on its input"));
    }
    let alike: Vec<(ValueId, ValueId)> = alike(graph).filter(|(to, _)| moving.contains(to)).collect();
    let kept: BTreeSet<ValueId> = alike.iter().map(|(to, _)| *to).collect();
    let measured: Vec<ValueId> = measured.into_iter().filter(|id| !kept.contains(id)).collect();
    instrumented.outputs = frontier.clone();
    let mut taken: std::collections::HashSet<String> = graph.values.iter().map(|value| value.name.clone()).collect();
    let first_asked = instrumented.nodes.len();
    for &id in &measured {
        let mut name = format!("{}:shape", graph.value(id).name);
        while !taken.insert(name.clone()) {
            name.push('\'');
        }
        let shape = instrumented.add_value(name.clone(), None);
        instrumented.nodes.push(operation(name, "Shape", &[id], shape));
        instrumented.outputs.push(shape);
    }
    instrumented.outputs.extend(&probed);
    // ONNX Runtime runs a graph towards the last node whose output nobody reads, then the one before. With the shapes of the first
    // layers there, it asks for each as soon as the value is made and lets go of it; else it would keep them all to the end.
    instrumented.nodes[first_asked..].reverse();

    let doing = || format!("running the model at input shape {:?}", input.shape());
    let options = CompileOptions { optimise: false, threads: 0 };
    let mut results = Vec::new().into_iter();
    // Where everything is a constant already there is nothing to learn, and engines refuse a graph without nodes.
    if !instrumented.outputs.is_empty() {
        let program = runtime.compile(&instrumented, options).map_err(|error| Error::runtime(doing(), error))?;
        let made = runtime.execute(&program, std::slice::from_ref(input));
        results = made.map_err(|error| Error::runtime(doing(), error))?.into_iter();
    }
    let mut next = || results.next().ok_or_else(|| Error::malformed("the engine returns fewer tensors than asked for"));

    let mut observation = Observation::default();
    for id in frontier {
        observation.constants.insert(id, Arc::new(next()?));
    }
    for id in measured {
        let shape =
            next()?.to_i64().ok_or_else(|| Error::malformed("the engine returns a shape that is not integers"))?;
        observation.shapes.insert(id, shape);
    }
    for _ in probed {
        observation.probes.push(next()?);
    }
    observation.shapes.insert(fed, input.shape().to_vec());
    for (to, from) in alike {
        let constant = observation.constants.get(&from).or(graph.constant(from)).map(|tensor| tensor.shape().to_vec());
        let shape = observation.shapes.get(&from).cloned().or(constant);
        let shape = shape.ok_or_else(|| Error::malformed(format!("{:?} has no shape", graph.value(from).name)))?;
        observation.shapes.insert(to, shape);
    }
    Ok(observation)
}

/// Operators whose first output has the shape of their first input, whatever the others are. Engines have no Shape of every
/// type that is cast to; of the rest, half of most networks, it is not worth asking.
const ALIKE: [&str; 21] = [
    "Abs",
    "BatchNormalization",
    "Cast",
    "CastLike",
    "Clip",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Sqrt",
    "Tanh",
];

/// What has the shape of what.
fn alike(graph: &Graph) -> impl Iterator<Item = (ValueId, ValueId)> + '_ {
    let nodes = graph.nodes.iter().filter(|node| node.domain.is_empty() && ALIKE.contains(&&*node.op));
    nodes.filter_map(|node| Some((node.outputs.first().copied()??, node.input(0)?)))
}

/// `graph` with what `observation` has shown filled in, and without what is then not needed any more.
pub(crate) fn apply(graph: &Graph, observation: &Observation) -> Graph {
    let statics = Statics::of(graph);
    let mut special = graph.clone();
    special.nodes.retain(|node| !statics.is_static(node));
    for (&id, tensor) in &observation.constants {
        special.constants.entry(id).or_insert_with(|| Arc::clone(tensor));
    }
    for (&id, shape) in &observation.shapes {
        special.values[id.0 as usize].shape = Some(shape.clone());
    }
    special.drop_dead();
    let shapes: Vec<_> = special.constants.iter().map(|(id, tensor)| (*id, tensor.shape().to_vec())).collect();
    for (id, shape) in shapes {
        special.values[id.0 as usize].shape = Some(shape);
    }
    special
}

/// `graph` with those values made constants that depend on weights alone, at whatever shape: so they are computed once.
pub(crate) fn fold(graph: &Graph, observation: &Observation) -> Graph {
    let statics = Statics::of(graph);
    let mut folded = graph.clone();
    folded.nodes.retain(|node| !statics.is_pure(node));
    for (&id, tensor) in observation.constants.iter().filter(|(id, _)| statics.pure(**id)) {
        folded.constants.insert(id, Arc::clone(tensor));
    }
    folded.drop_dead();
    folded
}

/// What a run with a batch of `rows` would show, from what batches of one and two have shown: every shape grows
/// evenly with the batch, and so does every integer that is made from shapes. `None` where something does not.
pub(crate) fn extrapolate(one: &Observation, two: &Observation, rows: i64) -> Option<Observation> {
    let along = |first: &[i64], second: &[i64]| -> Option<Vec<i64>> {
        let steps = first.iter().zip(second);
        (first.len() == second.len()).then(|| steps.map(|(a, b)| a + (b - a) * (rows - 1)).collect())
    };
    let mut result = Observation::default();
    for (id, first) in &one.shapes {
        result.shapes.insert(*id, along(first, two.shapes.get(id)?)?);
    }
    for (id, first) in &one.constants {
        let second = two.constants.get(id)?;
        let tensor = if first == second {
            Arc::clone(first)
        } else if first.shape() == second.shape() && first.dtype() == crate::Dtype::I64 {
            Arc::new(Tensor::i64(first.shape(), &along(&first.to_i64()?, &second.to_i64()?)?))
        } else {
            return None;
        };
        result.constants.insert(*id, tensor);
    }
    Some(result)
}

/// A node of ONNX's own with one output and no attributes.
fn operation(name: String, op: &str, inputs: &[ValueId], output: ValueId) -> Node {
    Node {
        name,
        domain: String::new(),
        op: op.to_owned(),
        inputs: inputs.iter().copied().map(Some).collect(),
        outputs: vec![Some(output)],
        attributes: BTreeMap::new(),
    }
}
