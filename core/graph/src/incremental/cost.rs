//! How long things take on one core, roughly: enough to choose between ways of doing the same.

use crate::Graph;
use crate::layers;

/// Nanoseconds per multiplication of a dense convolution or a matrix product.
const DENSE: f64 = 1.0 / 48.0;
/// Nanoseconds per multiplication of a convolution in many groups, which is bound by memory.
const GROUPED: f64 = 1.0 / 9.0;
/// Nanoseconds per number that a node writes.
const WRITTEN: f64 = 0.35;
/// Nanoseconds per number that is copied into a stage and brought into the engine's layout, or out of it.
const MOVED: f64 = 0.8;
/// Nanoseconds that one execution takes by itself.
pub(super) const EXECUTION: f64 = 25_000.0;

/// Nanoseconds of copying `numbers` across the edge of a stage.
pub(super) fn moved(numbers: f64) -> f64 {
    numbers * MOVED
}

/// Nanoseconds of node `index` of a graph specialised to one picture, all of it.
pub(super) fn of_node(graph: &Graph, index: usize) -> f64 {
    let node = &graph.nodes[index];
    let elements = |shape: &[i64]| shape.iter().product::<i64>() as f64;
    let written: f64 = node.outputs.iter().flatten().filter_map(|id| graph.shape(*id)).map(elements).sum();
    let rate = if node.int("group", 1) > 1 { GROUPED } else { DENSE };
    layers::macs_of(graph, node) as f64 * rate + written * WRITTEN
}
