//! Keeps sums and masks of feature maps in the engine's blocks.
//!
//! The engine computes a sum of two maps in blocks only where both come in blocks already. The way back through a residual network
//! begins outside of them, so that each sum and mask on it stays outside, and every convolution has its map laid out anew
//! before and after. Here a sum or mask goes into blocks as soon as one of its maps is there; and a sum goes into the
//! convolution that makes one of its terms. If in the end no fewer maps are laid out anew, everything is left as it was.

use super::BLOCKED;
use super::lanes::LANES;
use crate::optimised::drop_unread;
use std::collections::HashMap;
use whyglass_graph::Graph;
use whyglass_graph::own;
use whyglass_graph::proto::{AttributeProto, AttributeType, GraphProto, NodeProto};

/// Into blocks.
const REORDER_INPUT: &str = "ReorderInput";
/// Out of blocks.
const REORDER_OUTPUT: &str = "ReorderOutput";
/// What the name of a value ends in that was moved into blocks.
const INSIDE: &str = "_in_blocks";

/// Moves sums and masks of `file`, which the engine has made of `graph`, into blocks. Nodes may be left that nobody needs.
pub(super) fn stay_in_blocks(file: &mut GraphProto, graph: &Graph) {
    let shapes = graph.values.iter().filter_map(|value| Some((value.name.as_str(), value.shape.as_deref()?))).collect();
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
        if is(&node, BLOCKED, REORDER_OUTPUT) {
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

    /// The number of channels, if `node` is a sum or mask of maps, of which one is in blocks.
    fn movable(&self, node: &NodeProto) -> Option<i64> {
        let [a, b] = &node.input[..] else { return None };
        let is_of_kind = is(node, "", "Add") || is(node, own::DOMAIN, own::MASK);
        let &[_, channels, _, _] = *self.shapes.get(a.as_str())? else { return None };
        let suits = is_of_kind
            && self.shapes.get(a.as_str()) == self.shapes.get(b.as_str())
            && channels % LANES as i64 == 0
            && [a, b].into_iter().any(|input| self.in_blocks.contains_key(input));
        suits.then_some(channels)
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
        let outside = std::mem::take(&mut node.output[0]);
        let inside = format!("{outside}{INSIDE}");
        node.output[0].clone_from(&inside);
        self.nodes.push(node);
        let kind = AttributeType::Int as i32;
        let channels = AttributeProto { name: "channels".into(), i: channels, r#type: kind, ..Default::default() };
        self.nodes.push(reorder(REORDER_OUTPUT, &inside, &outside, vec![channels]));
        self.in_blocks.insert(outside, inside);
    }
}

fn reorder(op: &str, input: &str, output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input: vec![input.into()],
        output: vec![output.into()],
        name: output.into(),
        op_type: op.into(),
        attribute,
        domain: BLOCKED.into(),
        ..Default::default()
    }
}

/// Lets convolutions in blocks add what a sum would add to them.
fn fuse_sums(graph: &mut GraphProto) {
    let mut readers: HashMap<String, usize> = HashMap::new();
    let read = graph.node.iter().flat_map(|node| node.input.iter().cloned());
    read.chain(graph.output.iter().map(|output| output.name.clone()))
        .for_each(|name| *readers.entry(name).or_default() += 1);
    let mut nodes: Vec<NodeProto> = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node) {
        let term = node.input.iter().position(|input| {
            let maker = nodes.iter().find(|maker| maker.output.first() == Some(input));
            is(&node, "", "Add")
                && node.output[0].ends_with(INSIDE)
                && readers.get(input) == Some(&1)
                && maker.is_some_and(can_add)
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
