//! The reverse sweep: turns a graph and a question ("the gradient of these nodes with respect to those") into a
//! bigger graph whose outputs are the answer. What each operator does backwards is next door, in [`ops`](crate::ops).

use crate::builder::{Builder, DerivedConstants};
use crate::ops::{self, Step};
use crate::{Error, Graph, OwnKernels, ValueId};
use std::collections::{HashMap, HashSet};

/// What rectifiers (Relu, Clip from 0, LeakyRelu, PRelu) do on the way back. `f` is what went in, `R` what comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The derivative: 1\[f > 0\]·R.
    #[default]
    Standard,
    /// Guided backpropagation: 1\[f > 0\]·1\[R > 0\]·R.
    Guided,
    /// Deconvnet: 1\[R > 0\]·R.
    Deconvnet,
}

/// Where the cotangent of a node comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CotangentKind {
    /// An input of the result.
    Fed,
    /// The node's own value.
    Itself,
}

/// A vector-Jacobian product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// Values that are given. Nothing before them is computed or differentiated.
    pub feeds: Vec<ValueId>,
    /// Where to start from.
    pub cotangents: Vec<(ValueId, CotangentKind)>,
    /// With respect to what.
    pub wrt: Vec<ValueId>,
    /// Values wanted from the same forward pass.
    pub fetches: Vec<ValueId>,
    pub rule: Rule,
}

/// The graph that answers `query` about `graph`, all of whose shapes are known.
///
/// Its inputs are the feeds, then one per [`CotangentKind::Fed`], in order; its outputs the gradients with respect to
/// each of `query.wrt`, in the shape of that value, then the fetches. A gradient is the *total* derivative: it counts
/// what flows through other nodes of `wrt`, and is zero where nothing flows.
///
/// # Errors
/// [`Error::NoDerivative`] if an operator in between has none, [`Error::NotFed`] if a graph input is needed and is not
/// fed.
pub fn differentiate(graph: &Graph, query: &Query, derived: &DerivedConstants) -> Result<Graph, Error> {
    differentiate_for(OwnKernels::default(), graph, query, derived)
}

/// As [`differentiate()`], for an engine that has `kernels`: else the graph is one of ONNX's own operators.
///
/// # Errors
/// As [`differentiate()`].
pub fn differentiate_for(
    kernels: OwnKernels,
    graph: &Graph,
    query: &Query,
    derived: &DerivedConstants,
) -> Result<Graph, Error> {
    let mut build = Builder::new(forward_part(graph, query), derived).with_kernels(kernels);
    let active = active_values(build.graph(), query);
    let mut cotangents: HashMap<ValueId, Vec<ValueId>> = HashMap::new();
    for (value, kind) in &query.cotangents {
        let cotangent = match kind {
            CotangentKind::Itself => *value,
            CotangentKind::Fed => {
                let shape = build.shape(*value)?;
                let name = format!("cotangent/{}", build.graph().value(*value).name);
                let fed = build.fresh(&name, shape);
                build.graph_mut().inputs.push(fed);
                fed
            }
        };
        if active.contains(value) {
            cotangents.entry(*value).or_default().push(cotangent);
        }
    }
    sweep(&mut build, query, &active, &mut cotangents)?;

    let mut outputs = Vec::new();
    for value in &query.wrt {
        build.set_scope(format!("gradient/{}", build.graph().value(*value).name));
        let gradient = match cotangents.get(value) {
            Some(terms) => build.sum(&terms.clone())?,
            None => {
                let shape = build.shape(*value)?;
                build.zeros(&shape)
            }
        };
        outputs.push(gradient);
    }
    outputs.extend(&query.fetches);
    build.set_scope("");
    set_outputs(&mut build, &outputs)?;
    // What no output needs goes: the forward part may have been asked for less than it computes.
    let whole = build.finish();
    whole.cut(&whole.inputs, &whole.outputs)
}

/// `graph` with the feeds as its inputs, and no longer computed.
fn forward_part(graph: &Graph, query: &Query) -> Graph {
    let fed: HashSet<ValueId> = query.feeds.iter().copied().collect();
    let mut part = graph.clone();
    part.inputs.clone_from(&query.feeds);
    part.outputs.clear();
    part.constants.retain(|value, _| !fed.contains(value));
    for node in &mut part.nodes {
        for output in &mut node.outputs {
            *output = output.filter(|value| !fed.contains(value));
        }
    }
    part.nodes.retain(|node| node.outputs.iter().any(Option::is_some));
    part
}

/// The values that depend on any of `query.wrt` by a path that carries derivatives.
fn active_values(graph: &Graph, query: &Query) -> HashSet<ValueId> {
    let mut active: HashSet<ValueId> = query.wrt.iter().copied().collect();
    for node in &graph.nodes {
        let operator = ops::lookup(&node.domain, &node.op);
        let depends = node.inputs.iter().enumerate().any(|(index, input)| {
            input.is_some_and(|value| active.contains(&value))
                && operator.is_none_or(|operator| operator.carries(graph, node, index))
        });
        if depends {
            active.extend(node.outputs.iter().flatten());
        }
    }
    active
}

/// Walks the nodes backwards and collects the terms of every active value's cotangent.
fn sweep(
    build: &mut Builder<'_>,
    query: &Query,
    active: &HashSet<ValueId>,
    cotangents: &mut HashMap<ValueId, Vec<ValueId>>,
) -> Result<(), Error> {
    let nodes = build.graph().nodes.clone();
    for node in nodes.iter().rev() {
        if !node.outputs.iter().flatten().any(|value| cotangents.contains_key(value)) {
            continue;
        }
        let operator = ops::lookup(&node.domain, &node.op);
        let wanted: Vec<bool> = (0..node.inputs.len())
            .map(|index| {
                node.input(index).is_some_and(|value| active.contains(&value))
                    && operator.is_none_or(|operator| operator.carries(build.graph(), node, index))
            })
            .collect();
        if !wanted.contains(&true) {
            continue;
        }
        let operator = operator.ok_or_else(|| {
            let why = "this operator is not known here; choose nodes with none of it in between";
            Error::no_derivative(&node.op, &node.name, why)
        })?;
        build.set_scope(scope(build.graph(), node));
        let mut of_outputs = Vec::with_capacity(node.outputs.len());
        for output in &node.outputs {
            let Some((value, terms)) = output.and_then(|value| cotangents.get_mut(&value).map(|terms| (value, terms)))
            else {
                of_outputs.push(None);
                continue;
            };
            let total = build.sum(terms)?;
            let (found, wanted) = (build.shape(total)?, build.shape(value)?);
            if found != wanted {
                let why = format!("a cotangent of shape {found:?} came for an output of shape {wanted:?}");
                return Err(Error::no_derivative(&node.op, &node.name, why));
            }
            *terms = vec![total];
            of_outputs.push(Some(total));
        }
        let step = Step { node, cotangents: &of_outputs, wanted: &wanted, rule: query.rule };
        let of_inputs = operator.vjp(build, &step)?;
        for ((input, wanted), cotangent) in node.inputs.iter().zip(&wanted).zip(of_inputs) {
            if let (Some(value), true, Some(cotangent)) = (input, wanted, cotangent) {
                cotangents.entry(*value).or_default().push(cotangent);
            }
        }
    }
    Ok(())
}

fn scope(graph: &Graph, node: &crate::Node) -> String {
    let of = node.outputs.iter().flatten().next().map(|value| graph.value(*value).name.as_str());
    format!("backward/{}", of.unwrap_or(&node.name))
}

/// Makes `outputs` the outputs of the graph: each a value of its own that a node makes.
fn set_outputs(build: &mut Builder<'_>, outputs: &[ValueId]) -> Result<(), Error> {
    let mut taken: HashSet<ValueId> = build.graph().inputs.iter().copied().collect();
    taken.extend(build.graph().constants.keys());
    let mut distinct = Vec::with_capacity(outputs.len());
    for output in outputs {
        let own = if taken.insert(*output) {
            *output
        } else {
            let name = build.graph().value(*output).name.clone();
            let shape = build.shape(*output)?;
            build.set_scope(name);
            build.node("Identity", &[*output], [], shape)
        };
        distinct.push(own);
    }
    build.graph_mut().outputs = distinct;
    Ok(())
}
