//! Finds what nobody should have to say: which value is the picture, and which the logits. Features are next door.

use crate::{Error, Graph, Node, ValueId};
use std::collections::{HashMap, HashSet};

/// Order of the axes of the file's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    ChannelsFirst,
    ChannelsLast,
}

/// The file's input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    pub(crate) id: ValueId,
    pub(crate) layout: Layout,
    pub(crate) height: i64,
    pub(crate) width: i64,
}

/// Larger pictures than this are a mistake in the file.
const LARGEST_SIDE: i64 = 1 << 12;

/// The only input that the graph uses, at the size that it declares, or `size` (height, width) where it is open.
pub(crate) fn input(graph: &Graph, size: Option<(usize, usize)>) -> Result<Input, Error> {
    let role = |what: String| Error::Role { role: "input", what };
    let read: HashSet<ValueId> = graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten()).copied().collect();
    let used: Vec<ValueId> = graph.inputs.iter().copied().filter(|id| read.contains(id)).collect();
    let &[id] = used.as_slice() else {
        let names: Vec<&str> = used.iter().map(|id| graph.value(*id).name.as_str()).collect();
        return Err(role(format!("the graph reads {} inputs ({}), a picture is one", names.len(), names.join(", "))));
    };
    let name = &graph.value(id).name;
    let open = vec![-1, 3, -1, -1];
    let declared = graph.shape(id).unwrap_or(&open);
    let &[_, a, b, c] = declared else {
        return Err(role(format!("{name:?} has shape {declared:?}, a picture has four dimensions")));
    };
    let (layout, height, width) = match (a, c) {
        (3, _) => (Layout::ChannelsFirst, b, c),
        (_, 3) => (Layout::ChannelsLast, a, b),
        (..=0, _) => (Layout::ChannelsFirst, b, c),
        _ => return Err(role(format!("{name:?} has shape {declared:?}, three colour channels are wanted"))),
    };
    let side = |declared: i64, given: Option<usize>, axis: &str| match (declared, given) {
        (1..=LARGEST_SIDE, None) => Ok(declared),
        (1..=LARGEST_SIDE, Some(given)) if given as i64 == declared => Ok(declared),
        (1..=LARGEST_SIDE, Some(given)) => {
            Err(role(format!("the {axis} of {name:?} is {declared} in the file, and {given} was asked for")))
        }
        (..=0, Some(given)) if (1..=LARGEST_SIDE as usize).contains(&given) => Ok(given as i64),
        (..=0, None) => Err(role(format!("the file leaves the {axis} of {name:?} open: give the input's size"))),
        (wrong, given) => Err(role(format!("{} is no {axis} for {name:?}", given.map_or(wrong, |given| given as i64)))),
    };
    let height = side(height, size.map(|size| size.0), "height")?;
    let width = side(width, size.map(|size| size.1), "width")?;
    Ok(Input { id, layout, height, width })
}

/// The scores of the classes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scores {
    /// The output that was looked at.
    pub(crate) output: ValueId,
    /// As the file has it: 1×classes, perhaps with further dimensions of one.
    pub(crate) logits: ValueId,
    /// What a final Softmax makes of it, likewise.
    pub(crate) probabilities: Option<ValueId>,
    pub(crate) classes: i64,
}

/// Finds logits and probabilities in a graph that is specialised to one picture. `chosen` is a value to take for the
/// logits.
pub(crate) fn scores(graph: &Graph, chosen: Option<ValueId>) -> Result<Scores, Error> {
    let role = |what: String| Error::Role { role: "logits", what };
    if let Some(logits) = chosen {
        let classes = classes(graph.shape(logits)).ok_or_else(|| role(odd(graph, logits)))?;
        return Ok(Scores { output: logits, logits, probabilities: None, classes });
    }
    let producers = producers(graph);
    let output = graph.outputs.iter().copied().find(|id| classes(graph.shape(*id)).is_some());
    let Some(output) = output else {
        let first = graph.outputs.first().ok_or_else(|| role("the graph has no output".into()))?;
        return Err(role(odd(graph, *first)));
    };
    let mut last = output;
    while let Some(node) = producers.get(&last).filter(|node| reshapes(node)) {
        last = node.input(0).unwrap_or(last);
    }
    let last = producers.get(&last);
    let (logits, probabilities) = match last.map(|node| node.op.as_str()) {
        Some("Softmax") => (last.and_then(|node| node.input(0)), Some(output)),
        Some("LogSoftmax") => (last.and_then(|node| node.input(0)), None),
        Some("Sigmoid") => {
            return Err(role(format!(
                "{:?} comes from a Sigmoid, which scores each class by itself; a classifier chooses one",
                graph.value(output).name
            )));
        }
        _ => (Some(output), None),
    };
    let logits = logits.ok_or_else(|| role("a Softmax without an input".into()))?;
    let classes = classes(graph.shape(logits)).ok_or_else(|| role(odd(graph, logits)))?;
    Ok(Scores { output, logits, probabilities, classes })
}

/// The number of classes, if `shape` is 1×classes with dimensions of one around them.
fn classes(shape: Option<&[i64]>) -> Option<i64> {
    let (1, rest) = shape?.split_first()? else { return None };
    let mut wide = rest.iter().filter(|&&dim| dim != 1);
    match (wide.next(), wide.next()) {
        (Some(&classes), None) if classes > 1 => Some(classes),
        _ => None,
    }
}

fn odd(graph: &Graph, id: ValueId) -> String {
    let value = graph.value(id);
    let shape = value.shape.clone().unwrap_or_default();
    format!(
        "{:?} has shape {shape:?} for one picture, a classifier's is [1, classes] with two classes or more",
        value.name
    )
}

fn reshapes(node: &Node) -> bool {
    node.domain.is_empty() && matches!(node.op.as_str(), "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity")
}

/// Which node makes each value.
pub(crate) fn producers(graph: &Graph) -> HashMap<ValueId, &Node> {
    graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten().map(move |id| (*id, node))).collect()
}
