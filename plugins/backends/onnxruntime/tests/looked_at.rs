//! What a network's shapes cost to know: about as much memory as running it. Alone in its process, whose memory is measured.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::Path;
use whyglass_graph::{Graph, Node, specialise};
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
        graph.nodes.push(Node {
            name: format!("add{index}"),
            domain: String::new(),
            op: "Add".to_owned(),
            inputs: vec![Some(last), Some(last)],
            outputs: vec![Some(next)],
            attributes: BTreeMap::new(),
        });
        last = next;
    }
    graph.outputs = vec![last];
    graph
}

/// The most that was ever resident in this process, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[test]
fn values_whose_shape_is_known_are_let_go_of() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = OrtRuntime::from_library(Path::new(path)).expect("ONNX Runtime is there: run `cargo xtask setup`");
    let graph = chain();
    specialise(&graph, &[1, 4, 8, 8], &runtime).expect("the engine adds");
    let before = peak();
    let special = specialise(&graph, &[1, 4, SIDE, SIDE], &runtime).expect("the engine adds");
    let grown = peak() - before;
    let all = VALUES as u64 * 4;
    assert!(
        special.nodes.iter().all(|node| special.shape(node.outputs[0].expect("a sum")) == Some(&[1, 4, SIDE, SIDE]))
    );
    assert!(grown < all / 3, "{grown} MiB for {VALUES} values that take {all} together");
}
