//! Our side in this process: the engine with the staged plugins, and the picture that both sides explain.

use crate::network::{LITE0, Network};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use whyglass_engine::{
    Config, CreateOptions, Engine, EventKind, Finished, ImageSource, Limits, RunEvent, RunSpec, RunState, Target,
    WatchOptions,
};

/// 224×224 pixels. Encoded, it is resized by the model's own policy; as pixels it is what the peer sees.
pub(crate) const PICTURE: &str = "tests/golden/chelsea-224.png";
/// Of the picture and of the model's input.
pub(crate) const SIDE: usize = 224;
/// Where the models lie that do not come from the peer.
const MODELS: &str = "models";

pub(crate) struct Ours {
    pub(crate) engine: Arc<Engine>,
    image: Bytes,
    model: &'static str,
}

impl Ours {
    /// With EfficientNet-Lite0, which needs no peer.
    pub(crate) fn start(plugins: &Path) -> Result<Self> {
        Self::with(&LITE0, plugins, Path::new(MODELS), Limits::default())
    }

    /// As [`Self::start`], with few finished runs kept, whose results would be most of the memory.
    pub(crate) fn keeping(plugins: &Path, results: usize) -> Result<Self> {
        Self::with(&LITE0, plugins, Path::new(MODELS), Limits { results, ..Limits::default() })
    }

    /// With `network`, which lies in `folder` if it is not one of our models.
    pub(crate) fn of(network: &Network, plugins: &Path, folder: &Path) -> Result<Self> {
        Self::with(network, plugins, folder, Limits::default())
    }

    /// As [`Self::of`], remembering what the model gave for a picture, as an engine does unless it is told otherwise.
    pub(crate) fn remembering(network: &Network, plugins: &Path, folder: &Path) -> Result<Self> {
        let models = vec![MODELS.into(), folder.to_owned()];
        Self::configured(network, Config { plugins: vec![plugins.to_owned()], models, ..Config::default() })
    }

    fn with(network: &Network, plugins: &Path, folder: &Path, limits: Limits) -> Result<Self> {
        let models = vec![MODELS.into(), folder.to_owned()];
        // The same picture is explained in every round, to be computed in every round.
        let limits = Limits { activations_bytes: 0, ..limits };
        Self::configured(network, Config { plugins: vec![plugins.to_owned()], models, limits, ..Config::default() })
    }

    /// As [`Self::of`], with other models or datasets, too.
    pub(crate) fn configured(network: &Network, config: Config) -> Result<Self> {
        let image = std::fs::read(PICTURE).with_context(|| format!("cannot read {PICTURE}"))?.into();
        Ok(Self { engine: Engine::start(config)?, image, model: network.id })
    }

    pub(crate) fn image(&self) -> Bytes {
        self.image.clone()
    }

    pub(crate) fn spec(&self, technique: &str, params: Value, target: Option<u32>) -> RunSpec {
        let params = if let Value::Object(params) = params { params } else { Map::new() };
        RunSpec {
            model: self.model.into(),
            technique: technique.into(),
            image: ImageSource::Encoded(self.image.clone()),
            target: target.map(Target::Index),
            params,
            seed: Some(1),
            max_duration: None,
        }
    }

    /// As [`Self::spec`], with the very pixels that the peer explains.
    pub(crate) fn spec_of_pixels(&self, technique: &str, params: Value, target: Option<u32>) -> Result<RunSpec> {
        Ok(self.spec_of(pixels()?, technique, params, target))
    }

    /// As [`Self::spec`], of another picture: 3×224×224 in 0…1.
    pub(crate) fn spec_of(&self, pixels: Vec<f32>, technique: &str, params: Value, target: Option<u32>) -> RunSpec {
        let image = ImageSource::Pixels { shape: vec![3, SIDE, SIDE], data: Arc::new(pixels) };
        RunSpec { image, ..self.spec(technique, params, target) }
    }

    /// Runs `spec` to its end, telling `seen` of each event. Returns the run's name, how it ended, and the seconds.
    pub(crate) fn run(&self, spec: RunSpec, mut seen: impl FnMut(&RunEvent)) -> Result<(String, Arc<Finished>, f64)> {
        let start = Instant::now();
        let options = CreateOptions { linger: Duration::from_secs(60), ..CreateOptions::default() };
        let run = self.engine.create_runs(vec![spec], options)?.remove(0).to_string();
        let mut watcher = self.engine.watch(&run, 0, WatchOptions::default())?;
        let mut end = None;
        while let Some(event) = watcher.wait() {
            seen(&event);
            if let EventKind::Finished(finished) = &event.kind {
                end = Some(Arc::clone(finished));
            }
        }
        let end = end.context("a run ended without `finished`")?;
        ensure!(!matches!(end.state, RunState::Failed), "{}: {}", end.status.reason, end.status.message);
        Ok((run, end, start.elapsed().as_secs_f64()))
    }
}

/// The picture as it is, 3×224×224 in 0…1.
pub(crate) fn pixels() -> Result<Vec<f32>> {
    let picture = whyglass_imaging::decode(&std::fs::read(PICTURE)?, &whyglass_imaging::Limits::default())?;
    let side = u32::try_from(SIDE)?;
    ensure!((picture.width(), picture.height()) == (side, side), "{PICTURE} is not {side}×{side}");
    Ok(whyglass_imaging::Pixels::from(&picture).data)
}
