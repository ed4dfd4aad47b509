//! Graphs run with the kernels, without them, and by the reference, for tests. Their numbers are small integers, which all
//! three compute exactly.

use crate::blocked::are_known;
use crate::optimised::{drop_unread, optimise, packed_once};
use crate::weights::{Weight, Weights};
use crate::{OrtRuntime, Program};
use std::path::Path;
use std::sync::Arc;
use whyglass_graph::differentiate::{CotangentKind, Query, differentiate_for};
use whyglass_graph::proto::{GraphProto, ModelProto, NodeProto};
use whyglass_graph::{
    CompileOptions, DerivedConstants, Graph, OwnKernels, ReferenceRuntime, Runtime, Tensor, ValueId, write,
};

pub(crate) fn runtime() -> OrtRuntime {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/onnxruntime/libonnxruntime.so.1.32.0");
    OrtRuntime::from_library(Path::new(path)).expect("ONNX Runtime is there: run `cargo xtask setup`")
}

/// So many different multiples of `step`, about 0.
pub(super) fn numbers(count: i64, among: i64, step: f32) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + index / 5) % among - among / 2) as f32 * step).collect()
}

/// The gradient of the only output of `graph` with respect to its only input, with what else is fetched.
pub(super) fn gradient(graph: &Graph, fetches: Vec<ValueId>) -> Graph {
    let query = Query {
        feeds: graph.inputs.clone(),
        cotangents: vec![(graph.outputs[0], CotangentKind::Fed)],
        wrt: graph.inputs.clone(),
        fetches,
        ..Query::default()
    };
    differentiate_for(OwnKernels::ALL, graph, &query, &DerivedConstants::default()).unwrap()
}

/// A graph, and what the engine has made of it.
pub(super) struct Optimised {
    graph: Graph,
    weights: Weights,
    given: Vec<(String, Arc<Weight>)>,
    model: ModelProto,
}

impl Optimised {
    pub(super) fn new(runtime: &OrtRuntime, graph: Graph) -> Self {
        let (weights, written) = (Weights::new(), write(&graph).unwrap());
        let given = weights.share_all(&written.by_reference).unwrap();
        let model = optimise(&runtime.environment, &given, &graph, &written).unwrap().unwrap();
        Self { graph, weights, given, model }
    }

    /// Its nodes after `change`, without those that nobody needs.
    pub(super) fn changed(&self, change: impl FnOnce(&mut GraphProto, &Graph)) -> Vec<NodeProto> {
        let mut file = self.model.graph.clone().unwrap();
        change(&mut file, &self.graph);
        drop_unread(&mut file);
        file.node
    }

    /// What its first output is for `inputs`: with the kernels, without them, and by the reference.
    pub(super) fn outputs(self, runtime: &OrtRuntime, inputs: &[Tensor]) -> [Vec<f64>; 3] {
        let Self { graph, weights, given, model } = self;
        let reading = packed_once(&weights, runtime.builder(1).unwrap(), &graph, &given, model, 1).unwrap();
        let fast = Program::of(&graph, reading).unwrap();
        let plain = runtime.compile(&graph, CompileOptions { optimise: false, threads: 1 }).unwrap();
        let [fast, plain] = [fast, plain].map(|program| runtime.execute(&program, inputs).unwrap());
        [fast, plain, ReferenceRuntime.execute(&graph, inputs).unwrap()].map(|outputs| outputs[0].to_f64())
    }

    /// Holds it with the kernels, on so many threads, to what it is without them, and by the reference.
    pub(super) fn check(self, runtime: &OrtRuntime, threads: usize, case: &str) {
        if !are_known() {
            eprintln!("{case}: without the kernels, since blocks are not known on this processor");
        }
        let Self { graph, weights, given, model } = self;
        let reading = packed_once(&weights, runtime.builder(threads).unwrap(), &graph, &given, model, threads).unwrap();
        let fast = Program::of(&graph, reading).unwrap();
        let plain = runtime.compile(&graph, CompileOptions { optimise: false, threads: 1 }).unwrap();
        let shapes = graph.inputs.iter().map(|id| graph.value(*id).shape.as_ref().unwrap());
        let inputs: Vec<Tensor> =
            shapes.map(|shape| Tensor::f32(shape, &numbers(shape.iter().product(), 7, 1.0))).collect();
        let wanted = ReferenceRuntime.execute(&graph, &inputs).unwrap();
        assert!(wanted[0].to_f64().iter().any(|number| *number != 0.0), "{case}");
        // Twice with the kernels: what the first run has left in memory must not matter.
        for (program, how) in [(&fast, "with"), (&fast, "with, again"), (&plain, "without")] {
            let found = runtime.execute(program, &inputs).unwrap();
            for (found, wanted) in found.iter().zip(&wanted) {
                assert_eq!(found.shape(), wanted.shape(), "{case}, {how}");
                assert!(found.to_f64() == wanted.to_f64(), "{case}, {how}");
            }
        }
    }
}
