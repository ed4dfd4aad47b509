//! Where plugins and models are looked for, and the engine that is started with them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use whyglass_engine::{Engine, PluginState};
use whyglass_server::config::{Config, EngineOptions, ServeOptions};

use super::failure::Failure;
use super::normalize::Normalize;

/// Flags that every command has.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Places {
    /// A configuration file (TOML); flags win over it.
    #[arg(long, value_name = "FILE", global = true, env = "WHYGLASS_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineOptions,
}

impl Places {
    /// Flags, variables and file put together. Folders that were named must be there; the default ones may be missing.
    pub(crate) fn config(&self, serve: ServeOptions) -> Result<Config, Failure> {
        for (flag, folders) in [
            ("--plugins", &self.engine.plugins),
            ("--models", &self.engine.models),
            ("--datasets", &self.engine.datasets),
            ("--samples", &serve.samples),
        ] {
            if let Some(missing) = folders.iter().find(|folder| !folder.is_dir()) {
                return Err(Failure::refused(format!("{flag} {}: there is no such folder", missing.display())));
            }
        }
        let config = Config::resolve(self.config.as_deref(), self.engine.clone(), serve);
        let mut config = config.map_err(Failure::refused)?;
        let named = |folders: &[PathBuf]| !folders.is_empty();
        if self.config.is_none() && !named(&self.engine.plugins) {
            config.engine.plugins.retain(|folder| folder.is_dir());
        }
        if self.config.is_none() && !named(&self.engine.models) {
            config.engine.models.retain(|folder| folder.is_dir());
        }
        Ok(config)
    }

    /// How large a picture may be.
    pub(crate) fn picture_limits(&self) -> Result<whyglass_imaging::Limits, Failure> {
        let limits = self.config(ServeOptions::default())?.engine.limits;
        let encoded_bytes = usize::try_from(limits.image_bytes).unwrap_or(usize::MAX);
        Ok(whyglass_imaging::Limits { encoded_bytes, pixels: limits.image_pixels })
    }

    /// An engine in this process, for someone who may name a model or a dataset by its path.
    pub(crate) fn engine(&self) -> Result<InProcess, Failure> {
        self.engine_with(&Normalize::default())
    }

    /// As [`Places::engine`], with pixels prepared as the caller says.
    pub(crate) fn engine_with(&self, normalize: &Normalize) -> Result<InProcess, Failure> {
        let mut config = self.config(ServeOptions::default())?.engine;
        config.allow_model_paths = true;
        config.allow_dataset_paths = true;
        config.normalization = normalize.normalize;
        start(config)
    }
}

/// The engine of a command. With the command's end it is shut down, whoever still holds it: plugins are told.
#[derive(Debug)]
pub(crate) struct InProcess(Arc<Engine>);

impl std::ops::Deref for InProcess {
    type Target = Arc<Engine>;

    fn deref(&self) -> &Arc<Engine> {
        &self.0
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.0.shutdown(Duration::ZERO);
    }
}

/// Starts an engine and warns of plugins that it does not use.
pub(crate) fn start(config: whyglass_engine::Config) -> Result<InProcess, Failure> {
    let engine = InProcess(Engine::start(config)?);
    for plugin in engine.plugins() {
        if plugin.state == PluginState::Refused {
            tracing::warn!("the plugin {} is not used: {}", plugin.id, plugin.state_reason);
        }
    }
    Ok(engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(engine: EngineOptions) -> Places {
        Places { config: None, engine }
    }

    #[test]
    fn a_named_folder_that_is_missing_is_an_error() {
        let models = vec![PathBuf::from("no/such/folder")];
        let failure =
            places(EngineOptions { models, ..Default::default() }).config(ServeOptions::default()).unwrap_err();
        assert_eq!(failure.to_string(), "error: --models no/such/folder: there is no such folder");
    }

    #[test]
    fn the_engine_of_a_command_ends_with_it() {
        let engine = start(whyglass_engine::Config::default()).unwrap();
        let held = Arc::clone(&engine);
        drop(engine);
        let spec = whyglass_engine::RunSpec {
            model: String::new(),
            technique: String::new(),
            image: whyglass_engine::ImageSource::Encoded(Vec::new().into()),
            target: None,
            params: serde_json::Map::new(),
            seed: None,
            max_duration: None,
        };
        assert_eq!(held.create_runs(vec![spec], Default::default()).unwrap_err().reason, "SHUTTING_DOWN");
    }

    #[test]
    fn named_folders_replace_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let plugins = vec![folder.path().to_owned()];
        let config = places(EngineOptions { plugins, ..Default::default() }).config(ServeOptions::default()).unwrap();
        assert_eq!(config.engine.plugins, [folder.path()]);
    }
}
