//! Programs that are the first of the process to use an operator of our own, compiled at the same time. Alone in its process.

use std::path::Path;
use std::sync::Barrier;
use whyglass_graph::own::Mask;
use whyglass_graph::{Builder, CompileOptions, DerivedConstants, Graph, Runtime, Tensor};
use whyglass_onnxruntime::OrtRuntime;

const ONCE: CompileOptions = CompileOptions { optimise: false, threads: 1 };

#[test]
fn the_first_masks_of_a_process_may_be_compiled_at_the_same_time() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = OrtRuntime::from_library(Path::new(path)).expect("ONNX Runtime is there: run `cargo xtask setup`");
    let mut graph = Graph { opset: 17, ..Graph::default() };
    graph.inputs = ["g", "x"].map(|name| graph.add_value(name, Some(vec![2]))).to_vec();
    let (g, x, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
    let mut builder = Builder::new(graph, &derived);
    let masked = builder.mask(g, x, Mask { lower: 0.0, upper: 1.0 }).unwrap();
    let graph = Graph { outputs: vec![masked], ..builder.finish() };
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                let program = runtime.compile(&graph, ONCE).unwrap();
                let inputs = [Tensor::f32(&[2], &[7.0, 7.0]), Tensor::f32(&[2], &[0.5, 1.0])];
                assert_eq!(runtime.execute(&program, &inputs).unwrap()[0].to_f32().unwrap()[..], [7.0, 0.0]);
            });
        }
    });
}
