//! Where libtorch is not installed: everything else works, and whoever needs it is told how to get it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::json;
use whyglass_engine::{PluginState, RunState};
use whyglass_tests::staged::{engine, follow, plugins, spec};
use whyglass_tests::tiny;

#[test]
fn a_plugin_whose_runtime_is_missing_is_absent_and_says_how_to_get_it() {
    let staged = tempfile::tempdir().unwrap();
    for (plugin, files) in [
        ("torch", &["plugin.toml", "libwhyglass_torch.so"][..]),
        ("onnxruntime", &["plugin.toml", "libwhyglass_onnxruntime.so", "libonnxruntime.so.1.32.0"]),
        ("gradients", &["plugin.toml", "libwhyglass_gradients.so"]),
    ] {
        std::fs::create_dir(staged.path().join(plugin)).unwrap();
        for file in files {
            std::fs::copy(plugins().join(plugin).join(file), staged.path().join(plugin).join(file)).unwrap();
        }
    }
    let models = tempfile::tempdir().unwrap();
    tiny::write(models.path());
    tiny::write_torchscript(models.path(), "script");
    let engine = engine(&[staged.path()], models.path());
    let plugins = engine.plugins();
    let torch = plugins.iter().find(|plugin| plugin.id == "torch").unwrap();
    assert_eq!(torch.state, PluginState::Absent);
    assert!(torch.state_reason.contains("cargo xtask setup --torch"), "{}", torch.state_reason);
    let error = engine.model("script").err().unwrap();
    assert!(
        error.message.contains("no back end reads .pt files") && error.message.contains("setup --torch"),
        "{error}"
    );
    let (_, end) = follow(&engine, spec("saliency", tiny::NAME, tiny::SIDE, json!({})), |_| ());
    assert_eq!(end.state, RunState::Succeeded);
}
