//! The operators of our own, as a domain that the engine is told of.

use crate::mask::MaskOperator;
use crate::runtime::{OrtError, engine, passing};
use ort::environment::Environment;
use ort::operator::OperatorDomain;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use whyglass_graph::own::{DOMAIN, Mask};
use whyglass_graph::{Builder, DerivedConstants, Graph, write};

/// Adds the operators of our own to a session.
///
/// # Errors
/// If the engine refuses them.
pub(crate) fn with_operators(builder: SessionBuilder) -> Result<SessionBuilder, OrtError> {
    let domain = OperatorDomain::new(DOMAIN)?.add(MaskOperator)?;
    #[cfg(target_arch = "x86_64")]
    let domain = crate::blocked::with_operators(domain)?;
    builder.with_operators(domain).map_err(engine)
}

/// Makes the domain known to the engine, by a session that is thrown away. The engine keeps a table of domains for the whole
/// process, and two sessions that are the first to name one, at the same time, get into each other's way.
///
/// # Errors
/// If the engine refuses it.
pub(crate) fn register(environment: &Environment) -> Result<(), OrtError> {
    let mut graph = Graph { opset: 17, ..Graph::default() };
    graph.inputs = ["g", "x"].map(|name| graph.add_value(name, Some(vec![1]))).to_vec();
    let (g, x, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
    let mut builder = Builder::new(graph, &derived);
    let masked = builder.mask(g, x, Mask { lower: 0.0, upper: f32::INFINITY })?;
    let graph = Graph { outputs: vec![masked], ..builder.finish() };
    let mut builder = with_operators(passing(environment, GraphOptimizationLevel::Disable)?)?;
    builder.commit_from_memory(&write(&graph)?.bytes)?;
    Ok(())
}
