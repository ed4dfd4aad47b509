//! An engine over real plugins: the staged ones, or a folder that a test has put together; and runs followed to their end.

use crate::build::root;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use whyglass_engine::{
    Config, CreateOptions, Engine, EventKind, Finished, ImageSource, Limits, RunEvent, RunSpec, WatchOptions,
};

/// Where `cargo xtask build` lays the plugins, in the profile of the running test.
///
/// # Panics
/// Where they are not staged.
#[must_use]
pub fn plugins() -> PathBuf {
    let folder = profile().join("plugins");
    assert!(folder.is_dir(), "{} is missing: run `cargo xtask test`, which stages the plugins", folder.display());
    folder
}

/// The staged binary `whyglass`.
#[must_use]
pub fn binary() -> PathBuf {
    profile().join("whyglass")
}

/// The folder of models that `cargo xtask setup` fills.
#[must_use]
pub fn models() -> PathBuf {
    root().join("models")
}

fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(2).expect("tests lie in target/<profile>/deps").to_owned()
}

/// An engine with the plugins of `plugins`, the models of `models` and the datasets that `cargo xtask setup` makes.
///
/// # Panics
/// Where it does not start.
#[must_use]
pub fn engine(plugins: &[&Path], models: &Path) -> Arc<Engine> {
    let config = Config {
        plugins: plugins.iter().map(|&folder| folder.to_owned()).collect(),
        models: vec![models.to_owned()],
        datasets: vec![root().join("datasets"), models.join("datasets")],
        limits: computing(),
        ..Config::default()
    };
    Engine::start(config).expect("the engine starts")
}

/// Tests explain one picture over and over, and want it computed each time.
#[must_use]
pub fn computing() -> Limits {
    Limits { activations_bytes: 0, ..Limits::default() }
}

/// A request for `technique` on `model`, for a smooth picture of `side`×`side` pixels.
#[must_use]
pub fn spec(technique: &str, model: &str, side: usize, params: serde_json::Value) -> RunSpec {
    let data = (0..3 * side * side).map(|index| 0.5 + 0.4 * (index as f32 * 0.37).sin()).collect();
    RunSpec {
        model: model.into(),
        technique: technique.into(),
        image: ImageSource::Pixels { shape: vec![3, side, side], data: Arc::new(data) },
        target: None,
        params: params.as_object().cloned().unwrap_or_default(),
        seed: Some(7),
        max_duration: None,
    }
}

/// Runs `spec` to its end, telling `seen` of each event.
///
/// # Panics
/// Where the run is refused or ends without exactly one `finished`.
pub fn follow(engine: &Engine, spec: RunSpec, mut seen: impl FnMut(&RunEvent)) -> (String, Arc<Finished>) {
    let options = CreateOptions { linger: Duration::from_secs(30), ..CreateOptions::default() };
    let run = engine.create_runs(vec![spec], options).expect("a good request").remove(0).to_string();
    let mut watcher = engine.watch(&run, 0, WatchOptions::default()).expect("a run that was just made");
    let mut end = None;
    while let Some(event) = watcher.wait() {
        assert!(end.is_none(), "an event after finished: {:?}", event.kind);
        seen(&event);
        if let EventKind::Finished(finished) = &event.kind {
            end = Some(Arc::clone(finished));
        }
    }
    (run, end.expect("a run ends with finished"))
}
