//! Whyglass against PyTorch and Captum on the same weights and pixels: logits, and gradients under each rule, for what
//! both of PyTorch's exporters make of VGG-11 and ResNet-18, and for EfficientNet-Lite0. The maps are in `golden_maps.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use whyglass_graph::{Cotangent, GraphModel, Normalization, Options, Rule, Tensor, Vjp};
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::expected::{self, Case, Index};
use whyglass_tests::weights;

static INDEX: LazyLock<Index> = LazyLock::new(expected::index);
static RUNTIME: LazyLock<Arc<OrtRuntime>> = LazyLock::new(|| {
    let library = fetched("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    Arc::new(OrtRuntime::from_library(&library).unwrap())
});

const IMAGENET: Normalization =
    Normalization { scale: 1.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], bgr: false };
const LITE0: Normalization = Normalization { scale: 255.0, mean: [127.0; 3], std: [128.0; 3], bgr: false };

/// What both exporters make of a network, both with a fixed and a free batch, folded and not.
const VARIANTS: [&str; 5] =
    ["torchscript-static", "torchscript-dynamic", "dynamo-static", "dynamo-dynamic", "dynamo-unoptimised"];

/// A file that `cargo xtask setup` fetches.
fn fetched(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    assert!(path.is_file(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}

fn load(path: &Path, normalization: Normalization) -> GraphModel<OrtRuntime> {
    let options = Options { normalization: Some(normalization), ..Options::default() };
    GraphModel::load(path, &options, Arc::clone(&RUNTIME)).unwrap()
}

fn image(pixels: &[u8]) -> Tensor {
    Tensor::f32(&[1, 3, 224, 224], &weights::unit(pixels))
}

/// The gradient of the class's logit with respect to the picture, under `rule`.
fn gradient(model: &GraphModel<OrtRuntime>, image: &Tensor, target: usize, rule: Rule) -> Vec<f32> {
    let mut one_hot = vec![0.0; model.classes()];
    one_hot[target] = 1.0;
    let cotangent = Cotangent::Tensor(Tensor::f32(&[1, one_hot.len() as i64], &one_hot));
    let vjp = Vjp {
        feeds: &[("input", image.clone())],
        cotangents: &[("logits", cotangent)],
        wrt: &["input"],
        fetches: &[],
        rule,
    };
    let gradients = model.vjp(&vjp, 0).unwrap();
    gradients.wrt[0].to_f32().unwrap()
}

fn check_logits(name: &str, model: &GraphModel<OrtRuntime>, case: &str, image: &Tensor) {
    let logits = model.run(&[("input", image.clone())], &["logits"], 0).unwrap()[0].to_f32().unwrap();
    let worst = expected::largest_difference(&logits, &expected::array(case, "logits"));
    println!("{name}: logits off by {worst:.1e}");
    assert!(worst <= 1e-4, "{name}: logits off by {worst:.1e}");
}

fn check_gradients(name: &str, model: &GraphModel<OrtRuntime>, case: &str, image: &Tensor) {
    let Case { target, gradients } = &INDEX.cases[case];
    for (kind, scale) in gradients {
        let rule = match kind.as_str() {
            "gradient" => Rule::Standard,
            "guided-backprop" => Rule::Guided,
            "deconvnet" => Rule::Deconvnet,
            other => panic!("{other} is no rule"),
        };
        let whole = gradient(model, image, *target, rule);
        let expected = expected::array(case, kind);
        expected::assert_gradient(&format!("{name}, {kind}"), &whole, INDEX.every, &expected, *scale);
    }
}

/// Every export of `network` gives PyTorch's logits and gradients, and Captum's guided backpropagation and deconvnet.
fn check_network(network: &str) {
    assert_eq!(INDEX.cases[network].gradients.len(), 3, "a gradient for each rule");
    let folder = tempfile::tempdir().unwrap();
    weights::refill(network, folder.path());
    let image = image(&weights::picture(224));
    for variant in VARIANTS {
        let name = format!("{network}-{variant}");
        let model = load(&folder.path().join(format!("{name}.onnx")), IMAGENET);
        assert!(model.capabilities().free_batch, "{name}: the batch can be freed");
        check_logits(&name, &model, network, &image);
        check_gradients(&name, &model, network, &image);
    }
}

#[test]
fn every_export_of_vgg11_agrees_with_pytorch_and_captum() {
    check_network("vgg11");
}

#[test]
fn every_export_of_resnet18_agrees_with_pytorch_and_captum() {
    check_network("resnet18");
}

#[test]
fn efficientnet_lite0_agrees_with_pytorch_on_a_cat_and_on_a_generated_picture() {
    let model = load(&fetched("models/efficientnet-lite0/model.onnx"), LITE0);
    for (case, pixels) in
        [("efficientnet-lite0-picture", weights::picture(224)), ("efficientnet-lite0-chelsea", weights::chelsea())]
    {
        check_logits(case, &model, case, &image(&pixels));
        check_gradients(case, &model, case, &image(&pixels));
    }
}
