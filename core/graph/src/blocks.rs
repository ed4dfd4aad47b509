//! The network as the reader of a paper knows it: a chain of blocks (convolution, residual block, attention, pooling …)
//! instead of hundreds of operators.
//!
//! Blocks are found in the graph, not in names: a value that everything passes through ends one. So a residual block, four
//! branches that are put together again, a whole dense block are one each, whoever exported the file. Names of modules are
//! taken from the file where it has some.

use crate::layers::{Landmarks, macs_of};
use crate::ops::{self, Geometry};
use crate::{Graph, Node, ValueId};
use std::collections::{HashMap, HashSet};

/// A part of a network between two values that everything passes through.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The module's name in the file, or the kind with a number.
    pub name: String,
    /// What it is, in words: `"convolution 7×7, stride 2"`, `"residual block of 3 convolutions"`.
    pub kind: String,
    /// The value that ends it.
    pub output: String,
    /// What stands on each of its parallel paths, operators in short; one path where it does not branch.
    pub paths: Vec<Vec<String>>,
    /// Trained numbers.
    pub parameters: u64,
    /// Multiply–accumulates for one picture.
    pub macs: u64,
}

/// The blocks of a graph specialised to one picture, in order.
pub(crate) fn chain(graph: &Graph, landmarks: Landmarks) -> Vec<Block> {
    let nodes = between(graph, landmarks);
    let mut segments: Vec<Segment<'_>> = Vec::new();
    for segment in cut(graph, &nodes, landmarks.input) {
        let follows = segment.iter().all(|node| decorates(graph, node));
        match segments.last_mut() {
            Some(last) if follows => last.tail.extend(segment),
            _ => segments.push(Segment { body: segment, tail: Vec::new() }),
        }
    }
    // What stands before the first real step (a normalisation of pixels) belongs to it.
    if segments.len() > 1 && segments[0].body.iter().all(|node| decorates(graph, node)) {
        let first = segments.remove(0);
        segments[0].body.splice(0..0, first.body.into_iter().chain(first.tail));
    }
    let mut shared: HashMap<String, usize> = HashMap::new();
    for name in segments.iter().filter_map(|segment| segment.module(|_| true)) {
        *shared.entry(name).or_default() += 1;
    }
    let mut numbers: HashMap<&'static str, usize> = HashMap::new();
    let mut taken: HashSet<String> = HashSet::new();
    let mut blocks = Vec::new();
    for segment in &segments {
        let (family, kind) = segment.kind(graph);
        let number = numbers.entry(family).or_default();
        *number += 1;
        // Where two blocks are in one module (attention and MLP of a transformer), what works in them is named instead.
        let whole = segment.module(|_| true).filter(|name| shared.get(name) == Some(&1));
        let module = whole.or_else(|| segment.module(works)).filter(|name| !taken.contains(name));
        let name = module.unwrap_or_else(|| format!("{family} {number}"));
        taken.insert(name.clone());
        let Some(output) = segment.nodes().last().and_then(|node| node.outputs.first().copied().flatten()) else {
            continue;
        };
        let own = segment.nodes().filter(|node| !node.name.starts_with("normalise/"));
        let constants = own.flat_map(|node| node.inputs.iter().flatten()).collect::<HashSet<_>>();
        let constants = constants.into_iter().filter_map(|id| graph.constant(*id));
        // Single numbers are bounds and factors.
        let trained = constants.filter(|tensor| tensor.dtype() == crate::Dtype::F32 && tensor.len() > 1);
        blocks.push(Block {
            name,
            kind,
            output: graph.value(output).name.clone(),
            paths: segment.paths(graph),
            parameters: trained.map(|tensor| tensor.len() as u64).sum(),
            macs: segment.nodes().map(|node| macs_of(graph, node)).sum(),
        });
    }
    blocks
}

/// The nodes that lead from the input to the logits, in order.
fn between(graph: &Graph, landmarks: Landmarks) -> Vec<&Node> {
    let mut needed = HashSet::from([landmarks.logits]);
    let mut nodes: Vec<&Node> = Vec::new();
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().flatten().any(|id| needed.contains(id)) {
            needed.extend(node.inputs.iter().flatten());
            nodes.push(node);
        }
    }
    nodes.reverse();
    let mut depends = HashSet::from([landmarks.input]);
    nodes.retain(|node| {
        let moving = node.inputs.iter().flatten().any(|id| depends.contains(id));
        if moving {
            depends.extend(node.outputs.iter().flatten());
        }
        moving
    });
    nodes
}

/// Cuts `nodes` behind each value that is, at that point, all that is still needed.
fn cut<'a>(graph: &Graph, nodes: &[&'a Node], input: ValueId) -> Vec<Vec<&'a Node>> {
    let mut readers: HashMap<ValueId, usize> = HashMap::new();
    for id in nodes.iter().flat_map(|node| node.inputs.iter().flatten()) {
        *readers.entry(*id).or_default() += 1;
    }
    let mut live = HashSet::from([input]);
    let mut parts = vec![Vec::new()];
    for node in nodes {
        parts.last_mut().expect("there is one").push(*node);
        for id in node.inputs.iter().flatten().filter(|id| graph.constant(**id).is_none()) {
            let left = readers.get_mut(id).expect("it was counted");
            *left -= 1;
            if *left == 0 {
                live.remove(id);
            }
        }
        live.extend(node.outputs.iter().flatten().filter(|id| readers.contains_key(id)));
        if live.len() <= 1 {
            parts.push(Vec::new());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether `node` belongs to the step before it: a normalisation, an activation, a change of layout, a bias.
fn decorates(graph: &Graph, node: &Node) -> bool {
    if works(node) || is_pool(graph, node) {
        return false;
    }
    match &*node.op {
        // A class token beside the others is a constant; several computed values are branches.
        "Concat" => !joins_two(graph, node),
        // The grid changes: a step of its own.
        "Resize" | "Upsample" | "DepthToSpace" => false,
        _ => true,
    }
}

/// Convolutions and matrix products.
fn works(node: &Node) -> bool {
    matches!(&*node.op, "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "Einsum" | "Attention" | "LSTM" | "GRU")
}

fn is_pool(graph: &Graph, node: &Node) -> bool {
    match &*node.op {
        "MaxPool" | "AveragePool" | "LpPool" | "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => true,
        "ReduceMean" | "ReduceMax" | "ReduceSum" => {
            // Over space, or over tokens; a mean over the channels is a part of a normalisation.
            let input = node.input(0).and_then(|id| graph.shape(id)).map_or(0, <[i64]>::len) as i64;
            let axes = node.ints("axes").map(<[i64]>::to_vec).or_else(|| graph.constant(node.input(1)?)?.to_i64());
            let mut axes: Vec<i64> =
                axes.unwrap_or_default().iter().map(|axis| axis.rem_euclid(input.max(1))).collect();
            axes.sort_unstable();
            matches!((&*axes, input), ([2, 3] | [1, 2], 4) | ([1], 3))
        }
        _ => false,
    }
}

/// The nodes of a block: what it does, and what only follows.
struct Segment<'a> {
    body: Vec<&'a Node>,
    tail: Vec<&'a Node>,
}

impl<'a> Segment<'a> {
    fn nodes(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.body.iter().chain(&self.tail).copied()
    }

    fn count(&self, op: impl Fn(&Node) -> bool) -> usize {
        self.body.iter().filter(|node| op(node)).count()
    }

    /// A word for numbering, and the whole in words.
    fn kind(&self, graph: &Graph) -> (&'static str, String) {
        let (mut convolutions, mut products, mut joins, mut pools, mut gates) = (Vec::new(), 0, 0, Vec::new(), 0);
        for node in &self.body {
            match &*node.op {
                "Conv" | "ConvTranspose" if !is_of_one_cell(graph, node) => convolutions.push(*node),
                "Conv" | "ConvTranspose" => gates += 1,
                "Gemm" | "MatMul" | "Einsum" => products += 1,
                "Concat" => joins += 1,
                _ if is_pool(graph, node) => pools.push(*node),
                _ => {}
            }
        }
        let attends = self.count(|node| node.op == "Softmax" || node.op == "Attention") > 0 && products > 1;
        let gated = self.count(|node| node.op == "Mul") > 0 && !pools.is_empty() && (gates > 1 || products > 1);
        let adds = self.body.iter().rev().any(|node| node.op == "Add" && joins_two(graph, node));
        let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let excited = if gated { " with squeeze and excitation" } else { "" };
        match (convolutions.len(), products, joins) {
            _ if attends => {
                let conv = if convolutions.is_empty() { "" } else { " with convolutions" };
                ("attention", format!("{}attention{conv}", if adds { "residual " } else { "" }))
            }
            (0, _, _) if gated && !adds => ("gate", "squeeze and excitation".to_owned()),
            (0, 0, 0) if gates > 0 => ("linear", linear(graph, &self.body)),
            (0, 0, 0) => match pools.first() {
                Some(pool) => ("pooling", pooling(graph, pool)),
                None => ("step", self.body.iter().map(|node| node.op.clone()).collect::<Vec<_>>().join(", ")),
            },
            (_, _, 2..)
                if convolutions.len() >= 2 * joins && self.body.last().is_some_and(|node| node.op == "Concat") =>
            {
                ("dense block", format!("dense block of {joins} layers, {}", of(convolutions.len(), "convolution")))
            }
            (n, _, 1..) if n > 1 => {
                let inputs =
                    self.body.iter().rev().find(|node| node.op == "Concat").map_or(0, |node| node.inputs.len());
                ("branches", format!("{inputs} branches put together, {}", of(n, "convolution")))
            }
            (1, 0, _) if !adds => ("convolution", convolution(graph, convolutions[0])),
            (0, 1, _) => ("linear", linear(graph, &self.body)),
            (0, n, _) if adds => ("mlp", format!("residual MLP of {}", of(n, "layer"))),
            (n, 0, _) | (n, _, _) if adds => {
                ("residual", format!("residual block of {}{excited}", of(n, "convolution")))
            }
            (0, 0, 1..) => ("merging", "parts put together".to_owned()),
            (0, n, _) => ("linear", of(n, "matrix product")),
            (n, _, _) => ("convolutions", of(n, "convolution")),
        }
    }

    /// The deepest module that all nodes of its body are in that `count`.
    fn module(&self, count: impl Fn(&Node) -> bool) -> Option<String> {
        // The way from pixels to what the file expects is not the file's.
        let own = self.body.iter().filter(|node| count(node) && !node.name.starts_with("normalise/"));
        let mut paths = own.filter_map(|node| module(&node.name));
        let first = paths.next()?;
        let common = paths.fold(first, |common, path| {
            let same = common.iter().zip(&path).take_while(|(a, b)| a == b).count();
            common[..same].to_vec()
        });
        (!common.is_empty()).then(|| common.join("."))
    }

    /// Each way through the body by what works on it; the shortest first, at most six.
    fn paths(&self, graph: &Graph) -> Vec<Vec<String>> {
        const MOST: usize = 6;
        let mut made: HashMap<ValueId, Vec<Vec<String>>> = HashMap::new();
        let mut last = Vec::new();
        for node in &self.body {
            let computed = node.inputs.iter().flatten().filter(|id| graph.constant(**id).is_none());
            let mut ways: Vec<Vec<String>> = Vec::new();
            for id in computed {
                for way in made.get(id).cloned().unwrap_or_else(|| vec![Vec::new()]) {
                    if !ways.contains(&way) {
                        ways.push(way);
                    }
                }
            }
            if ways.is_empty() {
                ways.push(Vec::new());
            }
            if let Some(word) = word(graph, node) {
                ways.iter_mut().for_each(|way| way.push(word.clone()));
            }
            ways.sort_by_key(Vec::len);
            ways.truncate(MOST);
            for id in node.outputs.iter().flatten() {
                made.insert(*id, ways.clone());
            }
            last = ways;
        }
        last
    }
}

/// A convolution of what a global pooling has left is a matrix product: a part of a gate, or of a head.
fn is_of_one_cell(graph: &Graph, node: &Node) -> bool {
    let shape = node.input(0).and_then(|id| graph.shape(id)).unwrap_or_default();
    shape.get(2..).is_some_and(|space| space.iter().all(|side| *side == 1))
}

/// Whether both inputs are computed.
fn joins_two(graph: &Graph, node: &Node) -> bool {
    node.inputs.iter().flatten().filter(|id| graph.constant(**id).is_none()).count() > 1
}

/// A node in short, if it is one to be shown.
fn word(graph: &Graph, node: &Node) -> Option<String> {
    Some(match &*node.op {
        "Conv" | "ConvTranspose" => convolution(graph, node).replace("convolution ", "conv "),
        "Gemm" | "MatMul" | "Einsum" if node.inputs.iter().flatten().any(|id| graph.constant(*id).is_some()) => {
            "linear".into()
        }
        "Gemm" | "MatMul" | "Einsum" => "product".into(),
        "Softmax" => "softmax".into(),
        "LayerNormalization" => "norm".into(),
        "Attention" => "attention".into(),
        _ if is_pool(graph, node) => pooling(graph, node),
        _ => return None,
    })
}

fn convolution(graph: &Graph, node: &Node) -> String {
    let weights = node.input(1).and_then(|id| graph.shape(id)).unwrap_or_default();
    let kernel = weights.get(2..).unwrap_or_default().iter().map(i64::to_string).collect::<Vec<_>>().join("×");
    let group = node.int("group", 1);
    let depthwise = group > 1 && weights.get(1) == Some(&1);
    let kind = match (&*node.op, depthwise, group) {
        ("ConvTranspose", _, _) => "transposed ".to_owned(),
        (_, true, _) => "depthwise ".to_owned(),
        (_, _, 1) => String::new(),
        (_, _, groups) => format!("{groups}-grouped "),
    };
    let number = |name: &str, what: &str| match node.ints(name) {
        Some(values) if values.iter().any(|value| *value != 1) => {
            let same = values.iter().all(|value| *value == values[0]);
            let text = values.iter().map(i64::to_string).collect::<Vec<_>>().join("×");
            format!(", {what} {}", if same { values[0].to_string() } else { text })
        }
        _ => String::new(),
    };
    format!("{kind}convolution {kernel}{}{}", number("strides", "stride"), number("dilations", "dilation"))
}

fn pooling(graph: &Graph, node: &Node) -> String {
    let most = node.op.contains("Max");
    let kind = if most { "max" } else { "average" };
    let window = ops::lookup(&node.domain, &node.op).map(|operator| operator.geometry(graph, node));
    match window {
        Some(Geometry::Window { kernel: [height, width], strides: [down, right], .. })
            if !node.op.starts_with("Global") =>
        {
            let stride = if (down, right) == (1, 1) { String::new() } else { format!(", stride {down}") };
            format!("{kind} pooling {height}×{width}{stride}")
        }
        _ => format!("global {kind} pooling"),
    }
}

fn linear(graph: &Graph, body: &[&Node]) -> String {
    let last = body.iter().rev().find(|node| works(node));
    let output = last.and_then(|node| graph.shape(node.outputs.first().copied().flatten()?));
    // Classes or units, whatever dimensions of one stand around them.
    output
        .and_then(|shape| shape.iter().rev().find(|length| **length > 1))
        .map_or_else(|| "linear".to_owned(), |units| format!("linear, {units} units"))
}

/// The path of the module that made a node, from the node's name: `/layer1/layer1.0/conv1/Conv` is `layer1`, `0`, `conv1`.
fn module(name: &str) -> Option<Vec<String>> {
    let (path, _) = name.rsplit_once('/')?;
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // Each level may repeat the one above it.
        if parts.last().is_some_and(|last| part.starts_with(&format!("{last}."))) {
            parts.pop();
        }
        parts.push(part);
    }
    let path: Vec<String> = parts.join(".").split('.').map(str::to_owned).collect();
    (!path[0].is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::module;

    #[test]
    fn the_path_of_a_module_is_read_from_the_names_that_exporters_give() {
        let path = |name: &str| module(name).map(|path| path.join("."));
        assert_eq!(path("/layer1/layer1.0/conv1/Conv").as_deref(), Some("layer1.0.conv1"));
        assert_eq!(path("layer1.0.conv1/node_conv2d_3").as_deref(), Some("layer1.0.conv1"));
        assert_eq!(path("model/block1_conv1/Conv2D").as_deref(), Some("model.block1_conv1"));
        assert_eq!(path("Conv_12"), None);
        assert_eq!(path("/Conv"), None);
    }
}
