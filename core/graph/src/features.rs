//! Finds `features`: the last value that still knows where in the picture things are.
//!
//! In most networks that is what feeds the last pooling or the flatten before the logits. Feature maps may have their
//! channels first (N×C×H×W) or last (N×H×W×C); a transformer has a sequence of tokens (N×T×C) and reads the mean over
//! them, or a class token. The logits do not depend on the other tokens *behind* the last attention, so there `features`
//! is what goes into that attention, as is the custom for Grad-CAM on vision transformers.

use crate::roles::producers;
use crate::{Attribute, Graph, Node, ValueId};
use std::collections::{BTreeMap, HashSet};

/// Where features were found, by the layout that they have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Features {
    /// N×C×H×W.
    Planes(ValueId),
    /// N×H×W×C.
    ChannelsLast(ValueId),
    /// N×T×C.
    Tokens(ValueId),
}

/// What a head does to the space before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    PoolsPlanes,
    PoolsChannelsLast,
    PoolsTokens,
    TakesToken,
}

/// The features before `logits` in a graph that is specialised to one picture.
pub(crate) fn find(graph: &Graph, logits: ValueId) -> Option<Features> {
    let producers = producers(graph);
    let mut ancestors = HashSet::from([logits]);
    // Backwards, the first node that gives up space is the last one.
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if !node.outputs.iter().flatten().any(|id| ancestors.contains(id)) {
            continue;
        }
        ancestors.extend(node.inputs.iter().flatten());
        let Some(input) = node.input(0).filter(|id| graph.constant(*id).is_none()) else { continue };
        match head(graph, node, input) {
            None => {}
            Some(Head::PoolsPlanes) => return Some(Features::Planes(input)),
            Some(Head::PoolsChannelsLast) => {
                // Where they were only just moved there, the planes themselves are at hand.
                let planes = producers.get(&input).filter(|node| is_transpose(node, &[0, 2, 3, 1]));
                let planes = planes.and_then(|node| node.input(0));
                return Some(planes.map_or(Features::ChannelsLast(input), Features::Planes));
            }
            Some(Head::PoolsTokens) => return Some(Features::Tokens(input)),
            Some(Head::TakesToken) => return before_attention(graph, index, input).map(Features::Tokens),
        }
    }
    None
}

fn is_transpose(node: &Node, perm: &[i64]) -> bool {
    node.domain.is_empty() && node.op == "Transpose" && node.ints("perm") == Some(perm)
}

/// Whether `node` turns cells of `input` into one row, and how.
fn head(graph: &Graph, node: &Node, input: ValueId) -> Option<Head> {
    if !node.domain.is_empty() {
        return None;
    }
    let before = graph.shape(input)?;
    let after = graph.shape(node.outputs.first().copied().flatten()?)?;
    match *before {
        [_, channels, height, width] => {
            if height * width > 1 && gives_up_planes(graph, node, [channels, height, width], after) {
                return Some(Head::PoolsPlanes);
            }
            let last = reduces(node) && axes(graph, node, 4)? == [1, 2] && channels * height > 1;
            last.then_some(Head::PoolsChannelsLast)
        }
        [1, tokens, channels] if tokens > 1 && channels > 1 => {
            if reduces(node) {
                return (axes(graph, node, 3)? == [1]).then_some(Head::PoolsTokens);
            }
            let one = matches!(*after, [1, c] | [1, 1, c] if c == channels);
            let takes = match &*node.op {
                "Gather" => node.int("axis", 0).rem_euclid(3) == 1,
                "Slice" | "Split" => true,
                _ => false,
            };
            (takes && one).then_some(Head::TakesToken)
        }
        _ => None,
    }
}

fn reduces(node: &Node) -> bool {
    matches!(&*node.op, "ReduceMean" | "ReduceMax" | "ReduceSum" | "ReduceL2")
}

/// The axes of a reduction of a value of `rank`, in order.
fn axes(graph: &Graph, node: &Node, rank: i64) -> Option<Vec<i64>> {
    let given = match (node.ints("axes"), node.input(1)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(input)) => graph.constant(input)?.to_i64()?,
        (None, None) => (0..rank).collect(),
    };
    let mut axes: Vec<i64> = given.into_iter().map(|axis| axis.rem_euclid(rank)).collect();
    axes.sort_unstable();
    Some(axes)
}

fn gives_up_planes(graph: &Graph, node: &Node, [channels, height, width]: [i64; 3], after: &[i64]) -> bool {
    match &*node.op {
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => true,
        "AveragePool" | "MaxPool" | "LpPool" => after.get(2..) == Some(&[1, 1]),
        "Flatten" | "Reshape" => matches!(after, [_, all] if *all == channels * height * width),
        _ if reduces(node) => axes(graph, node, 4).is_some_and(|axes| axes == [2, 3]),
        _ => false,
    }
}

/// The sequence that goes into the last attention before node `end`, which takes a token of `sequence`: the nearest value
/// of the same shape that all of the attention's weights are computed from.
fn before_attention(graph: &Graph, end: usize, sequence: ValueId) -> Option<ValueId> {
    let mut ancestors = HashSet::from([sequence]);
    let before = graph.nodes[..end].iter().enumerate().rev();
    let attention = before.into_iter().find(|(_, node)| {
        let needed = node.outputs.iter().flatten().any(|id| ancestors.contains(id));
        if needed {
            ancestors.extend(node.inputs.iter().flatten());
        }
        needed && is_attention(graph, node)
    });
    let (index, attention) = attention?;
    let computed = |node: &Node| -> Vec<ValueId> {
        node.inputs.iter().flatten().copied().filter(|id| graph.constant(*id).is_none()).collect()
    };
    // Walking backwards, a value that is the only one still wanted is one that everything passes through.
    let mut wanted: HashSet<ValueId> = computed(attention).into_iter().collect();
    for node in graph.nodes[..index].iter().rev() {
        let made: Vec<ValueId> = node.outputs.iter().flatten().copied().filter(|id| wanted.contains(id)).collect();
        if made.is_empty() {
            continue;
        }
        if let ([only], 1) = (&*made, wanted.len())
            && graph.shape(*only) == graph.shape(sequence)
        {
            return Some(*only);
        }
        made.iter().for_each(|id| {
            wanted.remove(id);
        });
        wanted.extend(computed(node));
    }
    None
}

/// A Softmax over as many things as there are rows, or the operator that has one in it.
fn is_attention(graph: &Graph, node: &Node) -> bool {
    let square = || {
        let shape = node.outputs.first().copied().flatten().and_then(|id| graph.shape(id));
        matches!(shape, Some([.., rows, columns]) if rows == columns && *rows > 1)
    };
    node.domain.is_empty() && (node.op == "Attention" || (node.op == "Softmax" && square()))
}

/// Makes planes of features that have their channels last: `graph` gets them as a value of its own, which everything
/// behind is computed from. Shapes of what is new go to `shapes`.
pub(crate) fn channels_first(
    graph: &mut Graph,
    shapes: &mut BTreeMap<ValueId, Vec<i64>>,
    features: ValueId,
) -> Option<ValueId> {
    let &[n, height, width, channels] = shapes.get(&features)?.as_slice() else { return None };
    let place = graph.nodes.iter().position(|node| node.outputs.contains(&Some(features)))?;
    let name = graph.value(features).name.clone();
    let mut add = |graph: &mut Graph, what: &str, from: ValueId, perm: [i64; 4], shape: [i64; 4]| {
        let name = graph.unique_name(&format!("{name}:{what}"));
        let to = graph.add_value(name.clone(), None);
        shapes.insert(to, shape.to_vec());
        let node = Node {
            name,
            domain: String::new(),
            op: "Transpose".into(),
            inputs: vec![Some(from)],
            outputs: vec![Some(to)],
            attributes: BTreeMap::from([("perm".to_owned(), Attribute::Ints(perm.to_vec()))]),
        };
        (to, node)
    };
    let (planes, to) = add(graph, "channels-first", features, [0, 3, 1, 2], [n, channels, height, width]);
    let (again, back) = add(graph, "channels-last", planes, [0, 2, 3, 1], [n, height, width, channels]);
    for node in &mut graph.nodes {
        for input in node.inputs.iter_mut().filter(|input| **input == Some(features)) {
            *input = Some(again);
        }
    }
    graph.nodes.splice(place + 1..place + 1, [to, back]);
    Some(planes)
}
