//! The front of the engine: every verb that a server or a command line has.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Limits};
use crate::error::{Code, Error, Result};
use crate::models::{LoadedModel, ModelInfo};
use crate::plugins::{PluginInfo, Technique};
use crate::runs::event::ArtifactState;
use crate::runs::spec::{Action, CreateOptions, ImageSource, RunSpec};
use crate::runs::watcher::{Cursor, WatchOptions, Watcher};
use crate::runs::{RunInfo, RunName};
use crate::scores::ClassScore;

/// A running engine. All methods may be called from any thread; those that say so block.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    instance: String,
}

fn not_yet<T>() -> Result<T> {
    Err(Error::new(Code::Unimplemented, "UNIMPLEMENTED", "being built"))
}

#[allow(clippy::unused_self, clippy::missing_errors_doc)]
impl Engine {
    /// Loads every plugin and finds every model. A plugin that cannot be used is listed as refused; it fails nothing.
    pub fn start(config: Config) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { config, instance: String::new() }))
    }
    /// Changes with each start: a run of another instance is unknown here.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        &self.instance
    }
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }
    /// Sorted by id.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        Vec::new()
    }
    /// Sorted by id.
    #[must_use]
    pub fn techniques(&self) -> Vec<Arc<Technique>> {
        Vec::new()
    }
    pub fn technique(&self, _id: &str) -> Result<Arc<Technique>> {
        not_yet()
    }
    /// Sorted by name; loads nothing.
    #[must_use]
    pub fn models(&self) -> Vec<ModelInfo> {
        Vec::new()
    }
    /// Blocks: loads the model when it is first asked for.
    pub fn model(&self, _name: &str) -> Result<Arc<LoadedModel>> {
        not_yet()
    }
    /// Blocks. The `top` best classes, best first; 0: all.
    pub fn classify(&self, _model: &LoadedModel, _image: &ImageSource, _top: usize) -> Result<Vec<ClassScore>> {
        not_yet()
    }
    /// Blocks. All checks come before anything is created: either every run exists or none.
    pub fn create_runs(&self, _specs: Vec<RunSpec>, _options: CreateOptions) -> Result<Vec<RunName>> {
        not_yet()
    }
    pub fn watch(&self, run: &str, after_sequence: u64, options: WatchOptions) -> Result<Watcher> {
        self.watch_all(&[Cursor { run: run.to_owned(), after_sequence }], options)
    }
    /// One watcher over several runs; it ends when all have finished.
    pub fn watch_all(&self, _cursors: &[Cursor], _options: WatchOptions) -> Result<Watcher> {
        not_yet()
    }
    /// Follows every run of a group, later ones too; it does not end by itself. Cursors say what was seen already.
    pub fn watch_group(&self, _group: &str, _cursors: &[Cursor], _options: WatchOptions) -> Result<Watcher> {
        not_yet()
    }
    /// The run after the action.
    pub fn control(&self, _run: &str, _action: Action) -> Result<RunInfo> {
        not_yet()
    }
    pub fn run(&self, _run: &str) -> Result<RunInfo> {
        not_yet()
    }
    /// In the order of their creation; `None`: of every group.
    #[must_use]
    pub fn runs(&self, _group: Option<&str>) -> Vec<RunInfo> {
        Vec::new()
    }
    /// An artifact as it stands, whether or not the run has finished.
    pub fn artifact(&self, _run: &str, _id: &str) -> Result<ArtifactState> {
        not_yet()
    }
    /// The upright picture that a run explains, as decoded, for drawing maps over it. Where the request brought pixels:
    /// those, rounded to eight bits.
    pub fn picture(&self, _run: &str) -> Result<Arc<whyglass_imaging::Picture>> {
        not_yet()
    }
    /// Blocks. Refuses new runs, gives the running ones `grace`, then ends them with `finished`.
    pub fn shutdown(&self, _grace: Duration) {}
}
