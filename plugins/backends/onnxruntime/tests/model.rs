//! The back end through the interface that a host uses, on a network written for the purpose. Needs ONNX Runtime:
//! `cargo xtask setup`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use whyglass_graph::{Attribute, Graph, Node, Tensor as Constant, ValueId, write_whole};
use whyglass_onnxruntime::OnnxRuntime;
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, Cotangent, Model, Rule, Status, Tensor, TensorView, Vjp, json};

const SIDE: usize = 8;
const CLASSES: usize = 4;

fn library() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/onnxruntime/libonnxruntime.so.1.32.0")
}

/// Numbers in −0.5…0.5 without a pattern.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i + seed) * 7919 % 1009) as f32 / 1009.0 - 0.5).collect()
}

/// Conv (3 → 8, 3×3, stride 2), Relu, global pooling, and Gemm (8 → 4) of the transposed features, channels × pictures.
fn network() -> Vec<u8> {
    let mut graph = Graph { opset: 17, ..Default::default() };
    let mut value = |name: &str, shape: Option<Vec<i64>>| graph.add_value(name, shape);
    let x = value("pixels", Some(vec![1, 3, SIDE as i64, SIDE as i64]));
    let (w, v) = (value("w", None), value("v", None));
    let [conv, relu, pool, flat, turned, scores] =
        ["conv", "relu", "pool", "flat", "turned", "scores"].map(|name| value(name, None));
    let node = |op: &str, inputs: &[ValueId], output: ValueId, attributes: &[(&str, Attribute)]| Node {
        name: op.to_owned(),
        domain: String::new(),
        op: op.to_owned(),
        inputs: inputs.iter().copied().map(Some).collect(),
        outputs: vec![Some(output)],
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    };
    let window = [("pads", Attribute::Ints(vec![1; 4])), ("strides", Attribute::Ints(vec![2; 2]))];
    graph.nodes = vec![
        node("Conv", &[x, w], conv, &window),
        node("Relu", &[conv], relu, &[]),
        node("GlobalAveragePool", &[relu], pool, &[]),
        node("Flatten", &[pool], flat, &[]),
        node("Transpose", &[flat], turned, &[("perm", Attribute::Ints(vec![1, 0]))]),
        node("Gemm", &[turned, v], scores, &[("transA", Attribute::Int(1))]),
    ];
    graph.constants = BTreeMap::from([
        (w, Arc::new(Constant::f32(&[8, 3, 3, 3], &numbers(216, 1)))),
        (v, Arc::new(Constant::f32(&[8, CLASSES as i64], &numbers(8 * CLASSES, 5)))),
    ]);
    (graph.inputs, graph.outputs) = (vec![x], vec![scores]);
    write_whole(&graph).unwrap()
}

fn model() -> Box<dyn Model> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, network()).unwrap();
    let recorder = Recorder::new();
    let normalize = json::Normalization { scale: 2.0, mean: [1.0; 3], std: [0.5; 3], bgr: false };
    let options = json::LoadOptions { normalize: Some(normalize), ..Default::default() };
    OnnxRuntime::from_library(library()).load(&recorder.call(), &path, options).unwrap()
}

fn pictures(rows: usize) -> Tensor {
    let data = numbers(rows * 3 * SIDE * SIDE, 3).into_iter().map(|v| v + 0.5).collect();
    Tensor::new(vec![rows as i64, 3, SIDE as i64, SIDE as i64], data)
}

#[test]
fn a_model_says_what_it_is() {
    let model = model();
    let descriptor = model.descriptor();
    assert_eq!(descriptor.input, Some(json::InputSize { height: 8, width: 8 }));
    assert_eq!((descriptor.classes, descriptor.mean_colour), (4, Some([0.5; 3])));
    assert_eq!(descriptor.feature_layer.as_deref(), Some("relu"));
    assert_eq!(descriptor.layer("features").unwrap().shape, [8, 4, 4]);
    assert_eq!(descriptor.gradients_together, 2);
    assert!(model.has_vjp() && descriptor.has(json::Capability::GuidedRules));
}

#[test]
fn rows_that_are_spread_over_workers_give_what_they_give_alone() {
    let model = model();
    let (alone, together) = (Recorder::new(), Recorder::new().with_threads(3));
    let batch = pictures(5);
    let scores = model.run(&together.call(), &[("input", batch.view())], &["logits", "relu"]).unwrap();
    assert_eq!((scores[0].shape(), scores[1].shape()), (&[5_i64, 4][..], &[5_i64, 8, 4, 4][..]));
    let len = 3 * SIDE * SIDE;
    for row in 0..5 {
        let one = Tensor::new(vec![1, 3, 8, 8], batch.data()[row * len..(row + 1) * len].to_vec());
        let own = model.run(&alone.call(), &[("input", one.view())], &["logits"]).unwrap();
        for (a, b) in own[0].data().iter().zip(&scores[0].data()[row * CLASSES..]) {
            assert!((a - b).abs() < 1e-5, "row {row}: {a} against {b}");
        }
    }
}

#[test]
fn a_value_whose_pictures_do_not_come_first_is_whole_whatever_the_number_of_workers() {
    let model = model();
    let pictures = pictures(3);
    let feeds = [("input", pictures.view())];
    let ask = |threads| model.run(&Recorder::new().with_threads(threads).call(), &feeds, &["turned", "flat"]).unwrap();
    let (one, two) = (ask(1), ask(2));
    assert_eq!(one[0].shape(), [8, 3]);
    assert_eq!(one[0].data()[1], one[1].data()[8], "channel 0 of picture 1");
    assert_eq!(one, two);
}

#[test]
fn the_gradient_is_that_of_the_pixels_before_normalisation() {
    let model = model();
    let recorder = Recorder::new().with_threads(2);
    let call = recorder.call();
    let batch = pictures(2);
    let hot = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    let query = Vjp {
        feeds: &[("input", batch.view())],
        cotangents: &[("logits", Cotangent::Tensor(TensorView::new(&[2, 4], &hot)))],
        wrt: &["input"],
        fetches: &["logits"],
        rule: Rule::Standard,
    };
    let answer = model.vjp(&call, &query).unwrap();
    let logits = |batch: &Tensor| model.run(&call, &[("input", batch.view())], &["logits"]).unwrap().remove(0);
    assert_eq!(answer.fetches[0].shape(), [2, 4]);
    for pixel in [0, 17, 63, 100, 191, 192, 300, 383] {
        let moved = |by: f32| {
            let mut moved = batch.clone();
            moved.data_mut()[pixel] += by;
            let logits = logits(&moved);
            if pixel < 192 { logits.data()[1] } else { logits.data()[4] }
        };
        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        let gradient = answer.wrt[0].data()[pixel];
        assert!((slope - gradient).abs() < 2e-2, "pixel {pixel}: {slope} against {gradient}");
    }
    assert!(answer.wrt[0].data().iter().any(|v| v.abs() > 0.02));
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let model = model();
    let recorder = Recorder::new();
    let call = recorder.call();
    let one = pictures(1);
    let error = model.run(&call, &[("input", one.view())], &["rely"]).unwrap_err();
    assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "rely"));
    assert_eq!(model.run(&call, &[], &["logits"]).unwrap_err().field, "input");
    let grey = TensorView::new(&[1, 1, 8, 8], &one.data()[..64]);
    assert_eq!(model.run(&call, &[("input", grey)], &["logits"]).unwrap_err().reason, "SHAPE_MISMATCH");
    recorder.cancel();
    assert!(model.run(&call, &[("input", one.view())], &["logits"]).unwrap_err().is_cancelled());
}

#[test]
fn a_file_that_cannot_be_loaded_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let load_with = |name: &str, options| {
        let loaded = OnnxRuntime::from_library(library()).load(&recorder.call(), &folder.path().join(name), options);
        loaded.err().expect("it cannot be loaded")
    };
    let load = |name: &str, device: Option<&str>| {
        load_with(name, json::LoadOptions { device: device.map(str::to_owned), ..Default::default() })
    };
    assert_eq!(load("missing.onnx", None).status, Status::NotFound);
    std::fs::write(folder.path().join("text.onnx"), "no model at all").unwrap();
    assert_eq!(load("text.onnx", None).reason, "MODEL_MALFORMED");
    assert_eq!(load("text.onnx", Some("cuda")).field, "device");
    let half = json::LoadOptions { precision: Some("bf16".into()), ..Default::default() };
    assert_eq!(load_with("text.onnx", half).field, "precision");
}
