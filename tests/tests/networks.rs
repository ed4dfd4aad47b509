//! Narrow copies of networks of other families (a vision transformer, Swin, ConvNeXt, MobileNetV3, DenseNet, one with its
//! channels last throughout), by both of PyTorch's exporters, against PyTorch in float64: logits, gradients, guided
//! backpropagation, and Grad-CAM through the engine. Full-size networks are checked by `networks/check.py`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use whyglass_engine::{EventKind, ImageSource, RunSpec, RunState, Target};
use whyglass_graph::{Cotangent, GraphModel, Normalization, Options, Rule, Tensor, TokenGrid, Vjp};
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::root;
use whyglass_tests::expected::{self, Scale};
use whyglass_tests::staged::{engine, follow, plugins};
use whyglass_tests::weights::{self, networks};

const VARIANTS: [&str; 2] = ["torchscript-dynamic", "dynamo-static"];
const IMAGENET: Normalization =
    Normalization { scale: 1.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], bgr: false };

#[derive(Deserialize)]
struct Index {
    every: usize,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    target: u32,
    size: usize,
    /// C×h×w of the features.
    grid: [usize; 3],
    gradients: BTreeMap<String, Scale>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let text = std::fs::read_to_string(networks().join("expected/index.json")).unwrap();
    serde_json::from_str(&text).unwrap()
});
static RUNTIME: LazyLock<Arc<OrtRuntime>> = LazyLock::new(|| {
    let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    Arc::new(OrtRuntime::from_library(&library).unwrap())
});

fn gradient(model: &GraphModel<OrtRuntime>, image: &Tensor, target: u32, wrt: &str, rule: Rule) -> Tensor {
    let mut one_hot = vec![0.0; model.classes()];
    one_hot[target as usize] = 1.0;
    let cotangent = Cotangent::Tensor(Tensor::f32(&[1, one_hot.len() as i64], &one_hot));
    let feeds = [("input", image.clone())];
    let vjp = Vjp { feeds: &feeds, cotangents: &[("logits", cotangent)], wrt: &[wrt], fetches: &[], rule };
    model.vjp(&vjp, 0).unwrap().wrt.remove(0)
}

/// C×h×w of a gradient at the features: tokens are laid out, those before the grid left out.
fn planes(tensor: &Tensor, tokens: Option<TokenGrid>) -> Vec<f32> {
    let values = tensor.to_f32().unwrap();
    let Some(grid) = tokens else { return values };
    let channels = *tensor.shape().last().unwrap() as usize;
    let tokens = &values[grid.prefix * channels..];
    (0..channels).flat_map(|channel| tokens.iter().skip(channel).step_by(channels).copied()).collect()
}

/// A folder of one model, its weights generated.
fn model_folder(folder: &Path, network: &str, variant: &str, size: usize) {
    let folder = folder.join(network);
    std::fs::create_dir(&folder).unwrap();
    weights::refill_from(&networks().join("models"), network, &folder);
    let manifest = format!(
        "title = \"{network}, generated weights\"\nfile = \"{network}-{variant}.onnx\"\n\
         input = {{ width = {size}, height = {size}, resize = \"stretch\" }}\n\
         normalize = {{ mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }}\n"
    );
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
}

/// Grad-CAM as anybody gets it, and the reasons of the notices that came with it.
fn grad_cam(folder: &Path, network: &str, case: &Case) -> (Vec<f32>, Vec<String>) {
    let engine = engine(&[&plugins()], folder);
    let pixels = weights::unit(&weights::picture(case.size));
    let spec = RunSpec {
        model: network.to_owned(),
        technique: "grad-cam".to_owned(),
        image: ImageSource::Pixels { shape: vec![3, case.size, case.size], data: Arc::new(pixels) },
        target: Some(Target::Index(case.target)),
        params: serde_json::Map::new(),
        seed: None,
        max_duration: None,
    };
    let mut notices = Vec::new();
    let (run, end) = follow(&engine, spec, |event| {
        if let EventKind::Notice { reason, .. } = &event.kind {
            notices.push(reason.clone());
        }
    });
    assert_eq!(end.state, RunState::Succeeded, "{network}: {:?}", end.status);
    let map = engine.artifact(&run, "map").unwrap().tensor;
    assert_eq!(map.shape, case.grid[1..]);
    (map.data.to_vec(), notices)
}

fn check(network: &str) {
    let case = &INDEX.cases[network];
    let array = |what: &str| expected::array_in(&networks(), network, what);
    let image = Tensor::f32(&[1, 3, case.size as i64, case.size as i64], &weights::unit(&weights::picture(case.size)));
    for variant in VARIANTS {
        let name = format!("{network}-{variant}");
        let folder = tempfile::tempdir().unwrap();
        model_folder(folder.path(), network, variant, case.size);
        let options = Options { normalization: Some(IMAGENET), ..Options::default() };
        let path = folder.path().join(network).join(format!("{name}.onnx"));
        let model = GraphModel::load(&path, &options, Arc::clone(&RUNTIME)).unwrap();
        // Where an exporter bakes a batch of one in and it cannot be freed, rows go one by one.
        assert!(
            model.capabilities().free_batch || variant.ends_with("static"),
            "{name}: the batch is open in the file"
        );

        let logits = model.run(&[("input", image.clone())], &["logits"], 0).unwrap()[0].to_f32().unwrap();
        let worst = expected::largest_difference(&logits, &array("logits"));
        assert!(worst <= 1e-4, "{name}: logits off by {worst:.1e}");
        for (what, scale) in &case.gradients {
            let rule = if what == "gradient" { Rule::Standard } else { Rule::Guided };
            let whole = gradient(&model, &image, case.target, "input", rule).to_f32().unwrap();
            expected::assert_gradient(&format!("{name}, {what}"), &whole, INDEX.every, &array(what), *scale);
        }
        let tokens = model.layer("features").unwrap().tokens;
        let inner = planes(&gradient(&model, &image, case.target, "features", Rule::Standard), tokens);
        expected::assert_map(&format!("{name}, gradient at features"), &inner, &array("features-gradient"));

        let (map, notices) = grad_cam(folder.path(), network, case);
        expected::assert_map(&format!("{name}, Grad-CAM"), &map, &array("grad-cam"));
        assert_eq!(notices.contains(&"TOKENS_AS_GRID".to_owned()), tokens.is_some(), "{notices:?}");
    }
}

#[test]
fn a_vision_transformer_agrees_with_pytorch_and_its_tokens_become_a_grid() {
    check("vit");
}

#[test]
fn swin_agrees_with_pytorch() {
    check("swin");
}

#[test]
fn convnext_agrees_with_pytorch() {
    check("convnext");
}

#[test]
fn mobilenet_v3_agrees_with_pytorch_also_where_an_exporter_takes_its_activations_apart() {
    check("mobilenet-v3");
}

#[test]
fn densenet_agrees_with_pytorch() {
    check("densenet");
}

#[test]
fn a_network_with_its_channels_last_agrees_with_pytorch() {
    check("keras-style");
}
