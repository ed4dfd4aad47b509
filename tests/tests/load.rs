//! Plugins that misbehave, in a real engine: each is contained, named, and costs nobody else anything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use whyglass_engine::{Action, CreateOptions, Engine, EventKind, Finished, PluginState, RunState, WatchOptions};
use whyglass_tests::build::{c_library, cdylib, root};
use whyglass_tests::staged::{engine, follow, plugins, spec};
use whyglass_tests::tiny;

/// An engine with the staged plugins, the hostile one, the one in C, and the tiny model.
fn hostile() -> (TempDir, Arc<Engine>) {
    let folder = tempfile::tempdir().unwrap();
    let extra = folder.path().join("plugins");
    stage(&extra.join("hostile"), &cdylib("whyglass-hostile"), &root().join("tests/plugins/hostile/plugin.toml"));
    let library = folder.path().join("libhello.so");
    c_library(&root().join("tests/plugins/hello-c/hello.c"), "c11", &library);
    stage(&extra.join("hello-c"), &library, &root().join("tests/plugins/hello-c/plugin.toml"));
    tiny::write(&folder.path().join("models"));
    let engine = engine(&[&plugins(), &extra], &folder.path().join("models"));
    (folder, engine)
}

fn stage(folder: &Path, library: &Path, manifest: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::copy(library, folder.join(library.file_name().unwrap())).unwrap();
    std::fs::copy(manifest, folder.join("plugin.toml")).unwrap();
}

#[test]
fn the_plugin_in_c_explains_a_model_on_onnx_runtime() {
    let (_folder, engine) = hostile();
    let (run, end) = follow(&engine, spec("hello-c", tiny::NAME, tiny::SIDE, serde_json::json!({})), |_| ());
    assert_eq!(end.state, RunState::Succeeded, "{:?}", end.status);
    assert_eq!(engine.artifact(&run, "map").unwrap().tensor.shape, [7, 7]);
}

#[test]
fn every_crime_is_contained_and_named() {
    let (_folder, engine) = hostile();
    let expected = [
        ("panics-in-explain", RunState::Failed, "PANIC"),
        ("panics-with-payload", RunState::Failed, "PANIC"),
        ("nan-map", RunState::Failed, "NOT_FINITE"),
        ("never-emits", RunState::Failed, "NO_RESULT"),
        ("throws-cpp", RunState::Failed, "CPP_EXCEPTION"),
        ("wrong-status", RunState::Failed, ""),
        ("path-artifact", RunState::Failed, ""),
        ("undeclared-artifact", RunState::Failed, ""),
        ("null-tensor", RunState::Failed, ""),
        ("negative-shape", RunState::Failed, ""),
        ("huge-shape", RunState::Failed, ""),
        ("invalid-utf8", RunState::Failed, ""),
        ("emits-too-much", RunState::Succeeded, ""),
        ("panics-in-thread", RunState::Succeeded, ""),
    ];
    for (technique, state, reason) in expected {
        let (_, end) = follow(&engine, spec(technique, tiny::NAME, tiny::SIDE, serde_json::json!({})), |_| ());
        assert_eq!(end.state, state, "{technique}: {:?}", end.status);
        if !reason.is_empty() {
            assert_eq!(end.status.reason, reason, "{technique}: {}", end.status.message);
        }
        assert!(state == RunState::Succeeded || !end.status.message.is_empty(), "{technique} says nothing");
    }
    let (_, end) = follow(&engine, spec("grad-cam", tiny::NAME, tiny::SIDE, serde_json::json!({})), |_| ());
    assert_eq!(end.state, RunState::Succeeded, "an honest technique suffers: {:?}", end.status);
}

#[test]
fn a_technique_that_panicked_is_disabled_and_its_neighbours_are_not() {
    let (_folder, engine) = hostile();
    let request = |technique: &str| spec(technique, tiny::NAME, tiny::SIDE, serde_json::json!({}));
    follow(&engine, request("panics-in-explain"), |_| ());
    let refused = engine.create_runs(vec![request("panics-in-explain")], CreateOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("panics-in-explain"), "{refused}");
    let (_, end) = follow(&engine, request("never-emits"), |_| ());
    assert_eq!(end.status.reason, "NO_RESULT");
}

#[test]
fn a_panic_in_resolve_refuses_the_request_and_disables_the_technique() {
    let (_folder, engine) = hostile();
    let refused = || {
        let request = spec("panics-in-resolve", tiny::NAME, tiny::SIDE, serde_json::json!({}));
        engine.create_runs(vec![request], CreateOptions::default()).unwrap_err()
    };
    let first = refused();
    assert!(first.reason == "PANIC" && first.message.contains("resolve panics on purpose"), "{first:?}");
    assert_eq!(refused().reason, "TECHNIQUE_DISABLED");
    assert!(engine.runs(None).is_empty());
}

#[test]
fn a_technique_that_ignores_a_stop_is_finished_without_it() {
    let (_folder, engine) = hostile();
    let (_, end) = stop(&engine, "spins-past-stop");
    assert_eq!(end.state, RunState::Stopped);
    assert_eq!(end.status.reason, "PLUGIN_UNRESPONSIVE", "{}", end.status.message);
}

#[test]
fn what_a_technique_emits_after_a_stop_is_not_taken() {
    let (_folder, engine) = hostile();
    let (run, end) = stop(&engine, "emits-after-cancel");
    assert_eq!((end.state, end.status.reason.as_str()), (RunState::Stopped, "STOPPED"), "{}", end.status.message);
    assert_eq!(*engine.artifact(&run, "map").unwrap().tensor.data, [0.0; 4], "the map of before the stop");
}

/// Stops a run as soon as it has shown something; how it ends.
fn stop(engine: &Engine, technique: &str) -> (String, Arc<Finished>) {
    let request = spec(technique, tiny::NAME, tiny::SIDE, serde_json::json!({}));
    let run = engine.create_runs(vec![request], CreateOptions::default()).unwrap().remove(0).to_string();
    let mut watcher = engine.watch(&run, 0, WatchOptions::default()).unwrap();
    let mut end = None;
    while let Some(event) = watcher.wait() {
        match &event.kind {
            EventKind::Keyframe(_) if end.is_none() => {
                engine.control(&run, Action::Stop).unwrap();
            }
            EventKind::Finished(finished) => end = Some(Arc::clone(finished)),
            _ => {}
        }
    }
    (run, end.unwrap())
}

#[test]
fn a_library_that_is_no_plugin_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let extra = folder.path().join("plugins");
    let variants = [
        "wrong-major",
        "null-plugin",
        "null-tables",
        "null-functions",
        "small-tables",
        "declares-path",
        "bad-schema-default",
        "missing-symbol",
        "unresolved-symbol",
    ];
    for name in variants {
        let plugin = extra.join(name);
        std::fs::create_dir_all(&plugin).unwrap();
        let source = root().join(format!("tests/plugins/hostile/variants/{name}.c"));
        c_library(&source, "c11", &plugin.join("libplugin.so"));
        let manifest = format!("id = \"{name}\"\nversion = \"0.1.0\"\nabi = \"1.0\"\nlibrary = \"libplugin.so\"\n");
        std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    }
    let engine = engine(&[&extra], folder.path());
    let found = engine.plugins();
    assert_eq!(found.len(), variants.len());
    for plugin in found {
        assert_eq!(plugin.state, PluginState::Refused, "{}", plugin.id);
        assert!(!plugin.state_reason.is_empty(), "{} is refused without a reason", plugin.id);
    }
    assert!(engine.techniques().is_empty());
}
