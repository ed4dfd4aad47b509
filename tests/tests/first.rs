//! What every run asks of its picture first is not asked again by techniques that begin with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};
use whyglass_engine::{Config, Engine};
use whyglass_tests::build::root;
use whyglass_tests::staged::{follow, plugins, spec};

#[test]
fn grad_cam_goes_through_the_network_once_and_activations_of_the_features_not_again() {
    let models = vec![root().join("tests/models")];
    let engine = Engine::start(Config { plugins: vec![plugins()], models, ..Config::default() }).unwrap();
    let evaluations = |technique: &str, params| {
        let (_, end) = follow(&engine, spec(technique, "digits-honest", 32, params), |_| ());
        let manifest: Value = serde_json::from_str(&end.manifest).unwrap();
        manifest["model_evaluations"].as_u64()
    };
    assert_eq!(evaluations("grad-cam", json!({})), Some(2), "there, and back from the features");
    assert_eq!(evaluations("activations", json!({"layer": "features"})), Some(0));
    assert_eq!(evaluations("saliency", json!({})), Some(1), "the gradient, but not the class");
}
