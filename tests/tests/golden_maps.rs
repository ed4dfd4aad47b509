//! The techniques against Captum on the same weights and pixels, through the engine and the staged plugins: occlusion,
//! per window and per pixel, and Grad-CAM at `features`. Logits and gradients are in `golden.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::json;
use std::sync::{Arc, LazyLock};
use whyglass_engine::{Engine, ImageSource, RunSpec, RunState, Target};
use whyglass_tests::expected::{self, Index};
use whyglass_tests::staged::{engine, follow, models, plugins};
use whyglass_tests::weights;

static INDEX: LazyLock<Index> = LazyLock::new(expected::index);

const SIDE: usize = 224;

/// The named artifacts of `technique` on one of the cases.
fn artifacts(
    engine: &Engine,
    case: &str,
    model: &str,
    pixels: &[u8],
    technique: &str,
    params: serde_json::Value,
    names: &[&str],
) -> Vec<Arc<Vec<f32>>> {
    let spec = RunSpec {
        model: model.into(),
        technique: technique.into(),
        image: ImageSource::Pixels { shape: vec![3, SIDE, SIDE], data: Arc::new(weights::unit(pixels)) },
        target: Some(Target::Index(u32::try_from(INDEX.cases[case].target).unwrap())),
        params: params.as_object().cloned().unwrap(),
        seed: None,
        max_duration: None,
    };
    let (run, end) = follow(engine, spec, |_| ());
    assert_eq!(end.state, RunState::Succeeded, "{case}, {technique}: {:?}", end.status);
    names.iter().map(|name| engine.artifact(&run, name).unwrap().tensor.data).collect()
}

/// Every `every`-th row and column of the map that Captum gives for the whole picture.
fn thinned(map: &[f32], every: usize) -> Vec<f32> {
    map.chunks(SIDE).step_by(every).flat_map(|row| row.iter().step_by(every).copied()).collect()
}

fn check(engine: &Engine, case: &str, model: &str, pixels: &[u8]) {
    let maps = artifacts(engine, case, model, pixels, "grad-cam", json!({}), &["map"]);
    expected::assert_map(&format!("{case}, grad-cam"), &maps[0], &expected::array(case, "grad-cam"));
    for (size, stride) in [(45, 22), (16, 8)] {
        let what = format!("occlusion-{size}-{stride}");
        let params = json!({"size": size, "stride": stride, "clip": false, "fill": "value", "value": 0.0});
        let maps = artifacts(engine, case, model, pixels, "occlusion", params, &["windows", "map"]);
        expected::assert_map(&format!("{case}, {what}, windows"), &maps[0], &expected::array(case, &what));
        let map = thinned(&maps[1], INDEX.map_every);
        expected::assert_map(&format!("{case}, {what}, map"), &map, &expected::array(case, &format!("{what}-map")));
    }
}

fn check_generated(network: &str, variant: &str) {
    let folder = tempfile::tempdir().unwrap();
    weights::model(network, variant, folder.path());
    check(&engine(&[&plugins()], folder.path()), network, network, &weights::picture(SIDE));
}

#[test]
fn occlusion_and_grad_cam_on_vgg11_agree_with_captum() {
    check_generated("vgg11", "torchscript-static");
}

#[test]
fn occlusion_and_grad_cam_on_resnet18_agree_with_captum() {
    check_generated("resnet18", "dynamo-dynamic");
}

#[test]
fn occlusion_and_grad_cam_on_efficientnet_lite0_agree_with_captum() {
    let engine = engine(&[&plugins()], &models());
    let pictures =
        [("efficientnet-lite0-picture", weights::picture(SIDE)), ("efficientnet-lite0-chelsea", weights::chelsea())];
    for (case, pixels) in pictures {
        check(&engine, case, "efficientnet-lite0", &pixels);
    }
}
