//! Keeps sums, masks, max pooling's way back and maps made of phases in the engine's blocks.
//!
//! The engine computes a sum of two maps in blocks only where both come in blocks already. The way back through a residual network
//! begins outside of them, so that each sum and mask on it stays outside, and every convolution has its map laid out anew
//! before and after. Here each goes into blocks as soon as one of its maps is there; and a sum goes into the
//! convolution that makes one of its terms. If in the end no fewer maps are laid out anew, everything is left as it was.

use super::BLOCKED;
use super::lanes::{LANES, SIDE_BY_SIDE};
use crate::optimised::drop_unread;
use std::collections::HashMap;
use whyglass_graph::Graph;
use whyglass_graph::own;
use whyglass_graph::proto::{AttributeProto, AttributeType, GraphProto, NodeProto};

/// Into blocks.
const REORDER_INPUT: &str = "ReorderInput";
/// Out of blocks.
const REORDER_OUTPUT: &str = "ReorderOutput";
/// The engine lays out maps of a multiple of so many channels only. What its last block is filled up with is zeros, or what an activation
/// makes of them; no operator here adds up channels, and the engine's filters are zero there.
const LAID_OUT: i64 = 4;
/// What the name of a value ends in that was moved into blocks.
const INSIDE: &str = "_in_blocks";

/// Moves what can be moved of `file`, which the engine has made of `graph`, into blocks. Nodes may be left that nobody needs.
pub(super) fn stay_in_blocks(file: &mut GraphProto, graph: &Graph) {
    let of_nodes = graph.nodes.iter().flat_map(|node| node.inputs.iter().chain(&node.outputs)).flatten();
    let values = of_nodes.map(|id| graph.value(*id));
    let shapes = values.filter_map(|value| Some((value.name.as_str(), value.shape.as_deref()?))).collect();
    let mut moved = Moved { shapes, in_blocks: HashMap::new(), renamed: HashMap::new(), nodes: Vec::new() };
    file.node.iter().for_each(|node| moved.add(node));
    let mut changed = GraphProto { node: moved.nodes, output: file.output.clone(), ..GraphProto::default() };
    drop_unread(&mut changed);
    fuse_sums(&mut changed);
    if reorderings(&changed.node) < reorderings(&file.node) {
        file.node = changed.node;
    }
}

/// How many maps are laid out anew.
fn reorderings(nodes: &[NodeProto]) -> usize {
    nodes.iter().filter(|node| is(node, BLOCKED, REORDER_INPUT) || is(node, BLOCKED, REORDER_OUTPUT)).count()
}

fn is(node: &NodeProto, domain: &str, op: &str) -> bool {
    node.domain == domain && node.op_type == op
}

/// Whether `node` has maps of several sizes, and an attribute for how they lie.
fn is_told_its_layout(node: &NodeProto) -> bool {
    [own::MAX_POOL_GRAD, own::INTERLEAVE].into_iter().any(|op| is(node, own::DOMAIN, op))
}

/// A graph under way into blocks.
struct Moved<'a> {
    /// Of values outside of blocks.
    shapes: HashMap<&'a str, &'a [i64]>,
    /// What a value outside of blocks is called inside.
    in_blocks: HashMap<String, String>,
    /// What a value inside of blocks is called now.
    renamed: HashMap<String, String>,
    nodes: Vec<NodeProto>,
}

impl Moved<'_> {
    fn add(&mut self, node: &NodeProto) {
        let mut node = node.clone();
        for input in &mut node.input {
            if let Some(now) = self.renamed.get(input) {
                input.clone_from(now);
            }
        }
        if node.attribute.iter().any(|attribute| attribute.name == "channels_last" && attribute.i != 0) {
            // Its map outside lies otherwise than all others.
        } else if is(&node, BLOCKED, REORDER_OUTPUT) {
            self.in_blocks.insert(node.output[0].clone(), node.input[0].clone());
        } else if is(&node, BLOCKED, REORDER_INPUT) {
            if let Some(inside) = self.in_blocks.get(&node.input[0]) {
                self.renamed.insert(node.output[0].clone(), inside.clone());
                return;
            }
            self.in_blocks.insert(node.input[0].clone(), node.output[0].clone());
        } else if let Some(channels) = self.movable(&node) {
            return self.move_in(node, channels);
        }
        self.nodes.push(node);
    }

    /// The number of channels, if `node` can be moved, and one of its maps is in blocks.
    fn movable(&self, node: &NodeProto) -> Option<i64> {
        let is_two_of_a_size = is(node, "", "Add") || is(node, own::DOMAIN, own::MASK);
        if !is_two_of_a_size && !is_told_its_layout(node) {
            return None;
        }
        let shapes = node.input.iter().map(|input| self.shapes.get(input.as_str()).copied());
        let shapes = shapes.collect::<Option<Vec<_>>>()?;
        let first = *shapes.first()?;
        let &[_, channels, _, _] = first else { return None };
        let suits = shapes.into_iter().all(|shape| match *shape {
            [_, other, _, _] if is_told_its_layout(node) => other == channels,
            _ => shape == first,
        });
        let is_known = !first.contains(&-1);
        let is_inside = node.input.iter().any(|input| self.in_blocks.contains_key(input));
        (suits && is_known && is_inside && channels % LAID_OUT == 0).then_some(channels)
    }

    /// `node` in blocks, and what it makes outside of them too.
    fn move_in(&mut self, mut node: NodeProto, channels: i64) {
        for input in &mut node.input {
            if !self.in_blocks.contains_key(input) {
                let inside = format!("{input}{INSIDE}");
                self.nodes.push(reorder(REORDER_INPUT, input, &inside, Vec::new()));
                self.in_blocks.insert(input.clone(), inside);
            }
            *input = self.in_blocks[input].clone();
        }
        if is_told_its_layout(&node) {
            node.attribute.push(int(SIDE_BY_SIDE, LANES as i64));
        }
        let outside = std::mem::take(&mut node.output[0]);
        let inside = format!("{outside}{INSIDE}");
        node.output[0].clone_from(&inside);
        self.nodes.push(node);
        self.nodes.push(reorder(REORDER_OUTPUT, &inside, &outside, vec![int("channels", channels)]));
        self.in_blocks.insert(outside, inside);
    }
}

fn reorder(op: &str, input: &str, output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input: vec![input.into()],
        output: vec![output.into()],
        op_type: op.into(),
        attribute,
        domain: BLOCKED.into(),
        ..Default::default()
    }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: AttributeType::Int as i32, ..Default::default() }
}

/// Lets convolutions in blocks add what a sum would add to them.
fn fuse_sums(graph: &mut GraphProto) {
    let mut readers: HashMap<String, usize> = HashMap::new();
    let read = graph.node.iter().flat_map(|node| node.input.iter().cloned());
    read.chain(graph.output.iter().map(|output| output.name.clone()))
        .for_each(|name| *readers.entry(name).or_default() += 1);
    let mut nodes: Vec<NodeProto> = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node) {
        let is_moved_sum = is(&node, "", "Add") && node.output[0].ends_with(INSIDE);
        let term = node.input.iter().filter(|_| is_moved_sum).position(|input| {
            let maker = nodes.iter().find(|maker| maker.output.first() == Some(input));
            readers.get(input) == Some(&1) && maker.is_some_and(can_add)
        });
        let Some(term) = term else {
            nodes.push(node);
            continue;
        };
        // It takes the sum's place: the other term may only be made after where it stood.
        let place = nodes.iter().position(|maker| maker.output.first() == Some(&node.input[term]));
        let mut convolution = nodes.remove(place.expect("it has just been found"));
        convolution.input.resize(3, String::new());
        convolution.input.push(node.input[1 - term].clone());
        convolution.output = node.output;
        nodes.push(convolution);
    }
    graph.node = nodes;
}

/// Whether `node` is a convolution in blocks of which nothing is made yet but the convolution.
fn can_add(node: &NodeProto) -> bool {
    let is_bare = |attribute: &AttributeProto| attribute.name != "activation" || attribute.s.is_empty();
    is(node, BLOCKED, "Conv") && node.input.len() <= 3 && node.attribute.iter().all(is_bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::testing::{Optimised, gradient, numbers, runtime};
    use whyglass_graph::builder::Window;
    use whyglass_graph::{Builder, DerivedConstants};

    /// The gradient of two residual blocks and a mean over all cells, which begins outside of blocks.
    fn residual(channels: i64) -> Graph {
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = vec![graph.add_value("x", Some(vec![2, 16, 4, 4]))];
        let (mut x, derived) = (graph.inputs[0], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let pointwise = Window::dense(&[1, 1]);
        for block in 0..3 {
            let inputs = if block == 0 { 16 } else { channels };
            let mix = b.floats(&[channels, inputs, 1, 1], &numbers(channels * inputs, 3 + 2 * block, 1.0));
            let mixed = b.conv(x, mix, &pointwise, 1).unwrap();
            let sum = if block == 0 { mixed } else { b.add(mixed, x).unwrap() };
            x = b.unary("Relu", sum).unwrap();
        }
        let end = b.node("GlobalAveragePool", &[x], [], vec![2, channels, 1, 1]);
        gradient(&Graph { outputs: vec![end], ..b.finish() }, vec![])
    }

    #[test]
    fn the_way_back_through_a_residual_network_stays_in_blocks() {
        let runtime = runtime();
        // Of 24 channels the second block is half empty.
        for channels in [32, 24] {
            let optimised = Optimised::new(&runtime, residual(channels));
            let (before, after) = (optimised.changed(|_, _| ()), optimised.changed(stay_in_blocks));
            let count = [&before, &after].map(|nodes| reorderings(nodes));
            assert!(count[1] + 4 < count[0], "{channels} channels: {count:?}");
            assert!(!after.iter().any(|node| is(node, "", "Add")), "{channels} channels: convolutions add");
            optimised.check(&runtime, 2, &format!("{channels} channels"));
        }
    }

    /// A sum of 18 channels, one term of which comes in blocks, beside sums that are worth to be moved.
    #[test]
    fn channels_that_the_engine_cannot_lay_out_stay_outside() {
        let runtime = runtime();
        let mut graph = Graph { opset: 17, ..Default::default() };
        let inputs = [("x", 32), ("y", 32), ("z", 18)];
        graph.inputs = inputs.map(|(name, channels)| graph.add_value(name, Some(vec![1, channels, 9, 9]))).to_vec();
        let ([mut x, y, z], derived) = ([0, 1, 2].map(|index| graph.inputs[index]), DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let pointwise = Window::dense(&[1, 1]);
        let other = b.unary("Neg", y).unwrap();
        let mix = b.floats(&[32, 32, 1, 1], &numbers(32 * 32, 3, 1.0));
        for _ in 0..3 {
            let mixed = b.conv(x, mix, &pointwise, 1).unwrap();
            let rectified = b.unary("Relu", mixed).unwrap();
            x = b.add(rectified, other).unwrap();
        }
        let few = b.floats(&[18, 32, 1, 1], &numbers(18 * 32, 3, 1.0));
        let narrow = b.conv(x, few, &pointwise, 1).unwrap();
        let rectified = b.unary("Relu", narrow).unwrap();
        let sum = b.add(rectified, z).unwrap();
        let end = b.conv(x, mix, &pointwise, 1).unwrap();
        let optimised = Optimised::new(&runtime, Graph { outputs: vec![sum, end], ..b.finish() });
        assert!(
            optimised
                .changed(stay_in_blocks)
                .iter()
                .any(|node| is(node, "", "Add") && node.output[0].ends_with(INSIDE))
        );
        optimised.check(&runtime, 1, "18 channels");
    }

    /// The engine lays maps out with their channels last where a transposition follows.
    #[test]
    fn maps_with_their_channels_last_are_not_taken_for_others() {
        let runtime = runtime();
        for (channels, cells) in [(16, 16), (32, 16), (16, 32)] {
            let mut graph = Graph { opset: 17, ..Default::default() };
            let shapes = [vec![1, channels, cells, cells], vec![1, cells, cells, channels]];
            graph.inputs =
                ["x", "y"].into_iter().zip(shapes).map(|(name, shape)| graph.add_value(name, Some(shape))).collect();
            let (x, y, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
            let mut b = Builder::new(graph, &derived);
            let mix = b.floats(&[channels, channels, 1, 1], &numbers(channels * channels, 3, 1.0));
            let mixed = b.conv(x, mix, &Window::dense(&[1, 1]), 1).unwrap();
            let last = b.transpose(mixed, &[0, 2, 3, 1]).unwrap();
            let sum = b.add(last, y).unwrap();
            let first = b.transpose(sum, &[0, 3, 1, 2]).unwrap();
            let end = b.conv(first, mix, &Window::dense(&[1, 1]), 1).unwrap();
            let optimised = Optimised::new(&runtime, Graph { outputs: vec![end], ..b.finish() });
            optimised.check(&runtime, 1, &format!("{channels} channels"));
        }
    }

    /// Of sums that somebody else wants there are two, inside and outside.
    #[test]
    fn a_sum_that_is_fetched_is_there_outside_of_blocks_too() {
        let runtime = runtime();
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = ["x", "y"].map(|name| graph.add_value(name, Some(vec![1, 32, 9, 9]))).to_vec();
        let (mut x, y, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let other = b.unary("Neg", y).unwrap();
        let mix = b.floats(&[32, 32, 1, 1], &numbers(32 * 32, 3, 1.0));
        let mut outputs = Vec::new();
        for _ in 0..3 {
            let mixed = b.conv(x, mix, &Window::dense(&[1, 1]), 1).unwrap();
            let rectified = b.unary("Relu", mixed).unwrap();
            x = b.add(rectified, other).unwrap();
            outputs.push(x);
        }
        outputs.push(b.conv(x, mix, &Window::dense(&[1, 1]), 1).unwrap());
        Optimised::new(&runtime, Graph { outputs, ..b.finish() }).check(&runtime, 2, "fetched");
    }
}
