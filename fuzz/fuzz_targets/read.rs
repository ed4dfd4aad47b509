//! Any bytes as a model file: reading them ends with a graph or an error, in little time and memory; what was read can be
//! written, and reads as the same graph again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use whyglass_graph::{read_bytes, write_whole};

fuzz_target!(|data: &[u8]| {
    let Ok(graph) = read_bytes(data.to_vec().into(), None) else { return };
    // Inputs without a shape cannot be written.
    let Ok(bytes) = write_whole(&graph) else { return };
    let again = read_bytes(bytes.into(), None).expect("what was written is read");
    assert_eq!(again.nodes.len(), graph.nodes.len());
});
