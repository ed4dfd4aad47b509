//! One table for every technique on every back end: the same small network as ONNX on ONNX Runtime, as ONNX on libtorch, and
//! as TorchScript on libtorch. Built where libtorch takes part (`cargo xtask test`, without `--without-torch`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use whyglass_engine::json::{Capability, Need};
use whyglass_engine::{Config, Engine, EventKind, ImageSource, RunSpec, RunState};
use whyglass_tests::staged::{engine, follow, plugins, spec};
use whyglass_tests::tiny;

/// The networks beside [`tiny::NAME`], which runs on ONNX Runtime.
const ON_LIBTORCH: &str = "tiny-on-libtorch";
const TORCHSCRIPT: &str = "tiny-torchscript";

fn models() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path());
    tiny::write_dataset(folder.path());
    tiny::write_torchscript(folder.path(), TORCHSCRIPT);
    let (from, to) = (folder.path().join(tiny::NAME), folder.path().join(ON_LIBTORCH));
    std::fs::create_dir(&to).unwrap();
    for name in ["model.onnx", "labels.txt", "model.toml"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let toml = std::fs::read_to_string(to.join("model.toml")).unwrap();
    std::fs::write(to.join("model.toml"), format!("backend = \"torch\"\n{toml}")).unwrap();
    folder
}

/// What makes a technique quick on the tiny network, and its answer one that can be compared.
fn params(technique: &str) -> Value {
    match technique {
        "deep-dream" => json!({"iterations": 2, "levels": 1, "layer": "relu", "jitter": 0}),
        "tsne" => json!({"iterations": 5, "perplexity": 3.0}),
        _ => json!({}),
    }
}

fn of(engine: &Engine, technique: &str, model: &str) -> RunSpec {
    let spec = spec(technique, model, tiny::SIDE, params(technique));
    match engine.technique(technique) {
        Ok(known) if known.descriptor.needs.contains(&Need::Dataset) => {
            RunSpec { image: ImageSource::Dataset(tiny::DATASET.into()), ..spec }
        }
        _ => spec,
    }
}

/// What a run has come to.
struct Answer {
    artifacts: BTreeMap<String, Arc<Vec<f32>>>,
    /// What ran the model, as the manifest says.
    backend: String,
    /// As they were last told.
    metrics: BTreeMap<String, f64>,
}

fn explain(engine: &Engine, technique: &str, model: &str) -> Answer {
    let mut metrics = BTreeMap::new();
    let (run, end) = follow(engine, of(engine, technique, model), |event| {
        if let EventKind::Metrics(told) = &event.kind {
            metrics.extend(told.iter().map(|(name, value)| (name.clone(), *value)));
        }
    });
    assert_eq!(end.state, RunState::Succeeded, "{technique} on {model}: {:?}", end.status);
    let manifest: Value = serde_json::from_str(&end.manifest).unwrap();
    let backend = manifest["model"]["backend"].as_str().unwrap().to_owned();
    let artifact = |id: &str| engine.artifact(&run, id).unwrap().tensor.data;
    let artifacts = end.artifacts.iter().map(|found| (found.id.to_string(), artifact(&found.id))).collect();
    Answer { artifacts, backend, metrics }
}

/// The largest difference, of the largest value wanted.
fn apart(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(1e-6_f32, |largest, value| largest.max(value.abs()));
    found.iter().zip(wanted).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn every_technique_says_the_same_on_every_back_end() {
    let folder = models();
    let engine = engine(&[&plugins()], folder.path());
    let techniques: Vec<_> = engine.techniques();
    assert!(techniques.len() >= 11);
    for technique in techniques {
        let id = technique.id.as_str();
        let wanted = explain(&engine, id, tiny::NAME);
        assert_eq!(wanted.backend, "onnxruntime");
        for model in [ON_LIBTORCH, TORCHSCRIPT] {
            if model == TORCHSCRIPT && technique.descriptor.needs.contains(&Need::GuidedRules) {
                let refused = engine.create_runs(vec![of(&engine, id, model)], Default::default()).unwrap_err();
                assert_eq!(refused.reason, "MISSING_CAPABILITY", "{id}: {refused}");
                assert!(refused.message.contains("guided-rules"), "{refused}");
                println!("{id:22} {model:18} refused: autograd has no guided rules");
                continue;
            }
            let found = explain(&engine, id, model);
            assert_eq!(found.backend, "torch");
            assert_eq!(found.artifacts.len(), wanted.artifacts.len(), "{id}");
            for (name, wanted) in &wanted.artifacts {
                let apart = apart(&found.artifacts[name], wanted);
                println!("{id:22} {model:18} {name:14} {apart:.1e} of the largest value apart");
                assert!(apart <= 1e-4, "{id}/{name} on {model}: {apart} apart");
            }
            for (name, wanted) in &wanted.metrics {
                let found = found.metrics[name];
                let apart = (found - wanted).abs();
                assert!(apart <= 0.02 * wanted.abs().max(1e-3), "{id} on {model}: {name} is {found} and {wanted}");
            }
        }
    }
}

#[test]
fn a_model_says_what_its_back_end_can_do() {
    let folder = models();
    let engine = engine(&[&plugins()], folder.path());
    let descriptor = |model: &str| Arc::clone(&engine.model(model).unwrap()).descriptor().clone();
    let (onnx, script) = (descriptor(ON_LIBTORCH), descriptor(TORCHSCRIPT));
    assert!(onnx.has(Capability::GuidedRules) && onnx.has(Capability::InnerFeeds));
    assert!(!script.has(Capability::GuidedRules) && !script.has(Capability::InnerFeeds));
    assert!(script.has(Capability::Gradients) && script.has(Capability::InputGradients));
    assert_eq!(script.runtime, "libtorch 2.13.0");
    assert_eq!(script.feature_layer.as_deref(), Some("relu"));
}

#[test]
fn the_caller_can_say_which_back_end_and_is_told_what_cannot_be() {
    let folder = models();
    let with = |backend: &str| {
        let config = Config {
            plugins: vec![plugins()],
            models: vec![folder.path().to_owned()],
            backend: Some(backend.to_owned()),
            ..Config::default()
        };
        Engine::start(config).unwrap()
    };
    let engine = with("torch");
    assert_eq!(engine.model(tiny::NAME).unwrap().descriptor().backend, "torch");
    let engine = with("onnxruntime");
    assert_eq!(engine.model(ON_LIBTORCH).unwrap().descriptor().backend, "onnxruntime");
    let error = engine.model(TORCHSCRIPT).err().unwrap();
    assert!(error.message.contains("'onnxruntime' reads no .pt files"), "{error}");
    let error = with("tensorrt").model(tiny::NAME).err().unwrap();
    assert!(error.message.contains("no back end 'tensorrt'") && error.message.contains("torch"), "{error}");
}

/// OpenMP, thread pools, symbols: both runtimes in one process, in turn and at once.
#[test]
fn both_back_ends_work_side_by_side_in_one_process() {
    let folder = models();
    let engine = engine(&[&plugins()], folder.path());
    let all = [tiny::NAME, ON_LIBTORCH, TORCHSCRIPT];
    let wanted = explain(&engine, "saliency", tiny::NAME).artifacts;
    let check = |model: &str| {
        let found = explain(&engine, "saliency", model).artifacts;
        assert!(apart(&found["map"], &wanted["map"]) <= 1e-4, "{model}");
    };
    for round in 0..12 {
        check(all[round % 3]);
    }
    std::thread::scope(|scope| {
        for model in all.iter().chain(&all) {
            scope.spawn(|| (0..10).for_each(|_| check(model)));
        }
    });
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// A graph of autograd, or a value, that outlived its call would show: one call's tensors take more than the bound per call.
#[test]
fn gradients_leave_nothing_behind() {
    let folder = models();
    let engine = engine(&[&plugins()], folder.path());
    let many = |count: usize| (0..count).for_each(|_| drop(explain(&engine, "smooth-grad", TORCHSCRIPT)));
    many(20);
    let before = resident();
    many(100);
    let grown = resident().saturating_sub(before);
    // 100 explanations of 50 gradients: an activation alone is 4 KiB, so that leaks of one a gradient come to 20 MiB. The
    // results that the engine keeps, and the log, are some hundreds of KiB.
    assert!(grown < 8 << 10, "{grown} KiB more after 100 explanations");
}

#[test]
fn a_file_of_the_wrong_kind_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["state-dict", "no-classifier"] {
        tiny::write_torchscript(folder.path(), name);
        let from = tiny::torchscript().join(format!("{name}.pt"));
        std::fs::copy(from, folder.path().join(name).join("model.pt")).unwrap();
    }
    let engine = engine(&[&plugins()], folder.path());
    let refused = |name: &str| engine.model(name).err().unwrap();
    assert_eq!(refused("state-dict").reason, "MODEL_IS_CHECKPOINT");
    assert!(refused("state-dict").message.contains("export.py"));
    assert!(refused("no-classifier").message.contains("N×classes"));
}
