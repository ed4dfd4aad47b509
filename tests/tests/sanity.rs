//! With other weights, another map: the network's weights are shuffled layer by layer from the top, and maps must change
//! (Adebayo et al., *Sanity Checks for Saliency Maps*, 2018). Guided backpropagation is known to fail this, and is only told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use whyglass_engine::{Engine, ImageSource, RunSpec, RunState, Target};
use whyglass_graph::{Graph, Tensor, ValueId};
use whyglass_sdk::rng::Rng;
use whyglass_tests::staged::{engine, follow, models, plugins};
use whyglass_tests::weights;

const SIDE: usize = 224;
const SOURCE: &str = "efficientnet-lite0";

/// The weights of convolutions and linear layers, from the top.
fn kernels(graph: &Graph) -> Vec<ValueId> {
    let mut found: Vec<ValueId> = Vec::new();
    for node in graph.nodes.iter().rev().filter(|node| matches!(node.op.as_str(), "Conv" | "Gemm" | "MatMul")) {
        if let Some(weight) = node.input(1).filter(|id| graph.constants.contains_key(id) && !found.contains(id)) {
            found.push(weight);
        }
    }
    found
}

/// The model with the weights of its uppermost `layers` layers shuffled, as the folder `shuffled-<layers>`.
fn shuffled(folder: &Path, layers: usize) -> String {
    let source: PathBuf = models().join(SOURCE);
    let mut graph = whyglass_graph::read(&source.join("model.onnx")).unwrap();
    for (index, id) in kernels(&graph).into_iter().take(layers).enumerate() {
        let tensor = &graph.constants[&id];
        let (shape, mut data) = (tensor.shape().to_vec(), tensor.to_f32().unwrap());
        Rng::new(17, index as u64).shuffle(&mut data);
        graph.constants.insert(id, Arc::new(Tensor::f32(&shape, &data)));
    }
    let name = format!("shuffled-{layers}");
    let target = folder.join(&name);
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("model.onnx"), whyglass_graph::write_whole(&graph).unwrap()).unwrap();
    for file in ["model.toml", "labels.txt"] {
        std::fs::copy(source.join(file), target.join(file)).unwrap();
    }
    name
}

fn map(engine: &Engine, model: &str, technique: &str, params: &serde_json::Value) -> Vec<f32> {
    let spec = RunSpec {
        model: model.into(),
        technique: technique.into(),
        image: ImageSource::Pixels { shape: vec![3, SIDE, SIDE], data: Arc::new(weights::unit(&weights::chelsea())) },
        target: Some(Target::Index(285)),
        params: params.as_object().cloned().unwrap(),
        seed: Some(1),
        max_duration: None,
    };
    let (run, end) = follow(engine, spec, |_| ());
    assert_eq!(end.state, RunState::Succeeded, "{model}, {technique}: {:?}", end.status);
    engine.artifact(&run, "map").unwrap().tensor.data.to_vec()
}

/// Spearman's rank correlation.
fn rank_correlation(a: &[f32], b: &[f32]) -> f64 {
    let ranks = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
        let mut ranks = vec![0.0; values.len()];
        let mut start = 0;
        while start < order.len() {
            let same = order[start..].iter().take_while(|i| values[**i] == values[order[start]]).count();
            order[start..start + same].iter().for_each(|i| ranks[*i] = start as f64 + (same as f64 - 1.0) / 2.0);
            start += same;
        }
        ranks
    };
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt().max(f64::MIN_POSITIVE)
}

#[test]
fn maps_change_as_weights_are_shuffled_from_the_top() {
    let folder = tempfile::tempdir().unwrap();
    let whole = kernels(&whyglass_graph::read(&models().join(SOURCE).join("model.onnx")).unwrap()).len();
    assert!(whole > 40, "{whole} layers with weights");
    let names = [0, 1, 10, whole].map(|layers| shuffled(folder.path(), layers));
    let engine = engine(&[&plugins()], folder.path());
    let techniques = [
        ("saliency", json!({"reduce": "sum"})),
        ("input-x-gradient", json!({})),
        ("integrated-gradients", json!({"steps": 8})),
        ("smooth-grad", json!({"samples": 8, "reduce": "sum"})),
        ("grad-cam", json!({"relu": false})),
        ("occlusion", json!({"size": 48, "stride": 48})),
        ("lime", json!({"samples": 151, "segments": 16, "score": "logit", "settle": false, "segmentation": "grid"})),
        ("guided-backprop", json!({})),
    ];
    for (technique, params) in techniques {
        let original = map(&engine, &names[0], technique, &params);
        let alike: Vec<f64> = names[1..]
            .iter()
            .map(|name| rank_correlation(&original, &map(&engine, name, technique, &params)))
            .collect();
        println!(
            "{technique}: rank correlation with the top layer shuffled {:.2}, ten {:.2}, all {:.2}",
            alike[0], alike[1], alike[2]
        );
        if technique != "guided-backprop" {
            // Ranks of a few windows, segments or cells agree more easily by chance.
            let bound = if matches!(technique, "lime" | "occlusion" | "grad-cam") { 0.8 } else { 0.5 };
            assert!(alike.iter().all(|alike| *alike < bound), "{technique}: {alike:?}");
        }
    }
}
