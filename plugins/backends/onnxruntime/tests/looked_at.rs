//! What a network's shapes cost to know: no more memory than what is alive at a time, and no copy of the weights. Alone in its
//! process, whose memory is measured.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use whyglass_graph::{Graph, Node, Tensor, ValueId, specialise};
use whyglass_onnxruntime::OrtRuntime;

const SIDE: i64 = 512;
const VALUES: usize = 60;

/// `VALUES` additions, one after the other, of maps of which each takes 4 MiB.
fn chain() -> Graph {
    let mut graph = Graph { opset: 17, ..Graph::default() };
    let mut last = graph.add_value("x", None);
    graph.inputs = vec![last];
    for index in 0..VALUES {
        let next = graph.add_value(format!("sum{index}"), None);
        graph.nodes.push(node("Add", [last, last], next));
        last = next;
    }
    graph.outputs = vec![last];
    graph
}

/// A matrix of `width` × `width`, of which one column is asked for.
fn matrix(width: i64) -> Graph {
    let mut graph = Graph { opset: 17, ..Graph::default() };
    let [x, weight, y] = ["x", "weight", "y"].map(|name| graph.add_value(name, None));
    let numbers = vec![1.0; (width * width) as usize];
    graph.constants.insert(weight, Arc::new(Tensor::from_f32(vec![width, width], numbers)));
    graph.nodes.push(node("MatMul", [weight, x], y));
    Graph { inputs: vec![x], outputs: vec![y], ..graph }
}

fn node(op: &str, inputs: [ValueId; 2], output: ValueId) -> Node {
    Node {
        name: format!("{op}{}", output.0),
        domain: String::new(),
        op: op.to_owned(),
        inputs: inputs.map(Some).to_vec(),
        outputs: vec![Some(output)],
        attributes: BTreeMap::new(),
    }
}

/// The most that was ever resident in this process, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[test]
fn values_whose_shape_is_known_are_let_go_of_and_weights_are_not_copied() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = OrtRuntime::from_library(Path::new(path)).expect("ONNX Runtime is there: run `cargo xtask setup`");
    let graph = chain();
    specialise(&graph, &[1, 4, 8, 8], &runtime).expect("the engine adds");
    specialise(&matrix(64), &[64, 1], &runtime).expect("the engine multiplies");
    let before = peak();
    let special = specialise(&graph, &[1, 4, SIDE, SIDE], &runtime).expect("the engine adds");
    let grown = peak().saturating_sub(before);
    let all = VALUES as u64 * 4;
    assert!(
        special.nodes.iter().all(|node| special.shape(node.outputs[0].expect("a sum")) == Some(&[1, 4, SIDE, SIDE]))
    );
    assert!(grown < all / 3, "{grown} MiB for {VALUES} values that take {all} together");

    let graph = matrix(8192);
    let before = peak();
    let special = specialise(&graph, &[8192, 1], &runtime).expect("the engine multiplies");
    let grown = peak().saturating_sub(before);
    assert_eq!(special.shape(special.outputs[0]), Some(&[8192, 1][..]));
    assert!(grown < 128, "{grown} MiB for a weight of 256 MiB");
}
