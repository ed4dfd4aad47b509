//! All models of an engine: found in folders, loaded when first asked for, each once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::folder::{self, Source};
use super::{LoadedModel, ModelInfo, ModelState, load};
use crate::error::{Error, Result};
use crate::plugins::registry::Registry as Plugins;
use crate::suggest;

/// Models by path that are remembered; a command line has a handful.
const BY_PATH: usize = 64;

struct Entry {
    source: Source,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Unloaded,
    Loading,
    Ready(Arc<LoadedModel>),
    Failed(Error),
}

pub(crate) struct Registry {
    directories: Vec<PathBuf>,
    by_path: bool,
    how: load::How,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
}

impl Registry {
    pub(crate) fn new(directories: Vec<PathBuf>, by_path: bool, how: load::How) -> Self {
        let registry = Self { directories, by_path, how, entries: Mutex::default() };
        registry.rescan();
        registry
    }

    /// Adds what has appeared in the directories. What is known stays as it is.
    fn rescan(&self) {
        let mut entries = self.entries.lock();
        for source in self.directories.iter().flat_map(|directory| folder::list(directory)) {
            entries.entry(source.name.clone()).or_insert_with(|| Entry::new(source));
        }
    }

    /// Sorted by name; loads nothing.
    pub(crate) fn list(&self) -> Vec<ModelInfo> {
        self.rescan();
        let entries: Vec<Arc<Entry>> = self.entries.lock().values().cloned().collect();
        entries.iter().map(|entry| entry.info()).collect()
    }

    /// Loads the model when it is first asked for; whoever asks meanwhile waits for the same.
    pub(crate) fn get(&self, name: &str, plugins: &Plugins) -> Result<Arc<LoadedModel>> {
        let entry = self.find(name)?;
        let mut state = entry.state.lock();
        loop {
            match &*state {
                State::Ready(model) => return Ok(Arc::clone(model)),
                State::Failed(error) => return Err(error.clone()),
                State::Loading => entry.changed.wait(&mut state),
                State::Unloaded => break,
            }
        }
        *state = State::Loading;
        drop(state);
        let info = entry.blank(ModelState::Loading);
        // A panic in here must not leave the others waiting for ever.
        let loaded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            load::load(&entry.source, info, plugins, &self.how)
        }))
        .unwrap_or_else(|_| Err(Error::internal("PANIC", format!("loading the model '{name}' panicked"))));
        let loaded = loaded.map(Arc::new).map_err(|error| Error { field: "model".to_owned(), ..error });
        *entry.state.lock() = match &loaded {
            Ok(model) => State::Ready(Arc::clone(model)),
            Err(error) => State::Failed(error.clone()),
        };
        entry.changed.notify_all();
        loaded
    }

    /// Forgets a model that is loaded or has failed: its folder is read anew when it is next asked for. Whoever uses it
    /// keeps it.
    pub(crate) fn forget(&self, name: &str) -> Result<()> {
        let entry = self.find(name)?;
        let state = entry.state.lock();
        if matches!(*state, State::Loading) {
            let message = format!("the model '{name}' is being loaded: try again when it is");
            return Err(Error { field: "model".to_owned(), ..Error::precondition("MODEL_LOADING", message) });
        }
        // Whoever has found it meanwhile still gets it, and keeps it.
        self.entries.lock().remove(name);
        Ok(())
    }

    /// What is known of one model; loads nothing.
    pub(crate) fn info(&self, name: &str) -> Result<ModelInfo> {
        Ok(self.find(name)?.info())
    }

    /// Ends every model; see [`LoadedModel::close`].
    pub(crate) fn close(&self) {
        let entries: Vec<Arc<Entry>> = self.entries.lock().values().cloned().collect();
        for entry in entries {
            if let State::Ready(model) = &*entry.state.lock() {
                model.close();
            }
        }
    }

    fn find(&self, name: &str) -> Result<Arc<Entry>> {
        if let Some(entry) = self.entries.lock().get(name) {
            return Ok(Arc::clone(entry));
        }
        self.rescan();
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(name) {
            return Ok(Arc::clone(entry));
        }
        if self.by_path
            && entries.len() < BY_PATH + self.directories.len() * BY_PATH
            && let Some(source) = folder::at(name)
        {
            let entry = Entry::new(source);
            entries.insert(name.to_owned(), Arc::clone(&entry));
            return Ok(entry);
        }
        let message = suggest::unknown("model", name, entries.keys().map(String::as_str));
        Err(Error::not_found("model", "UNKNOWN_MODEL", message))
    }
}

impl Entry {
    fn new(source: Source) -> Arc<Self> {
        Arc::new(Self { source, state: Mutex::new(State::Unloaded), changed: Condvar::new() })
    }

    fn blank(&self, state: ModelState) -> ModelInfo {
        let toml = self.source.toml.as_ref().ok();
        let text = |get: fn(&super::toml::ModelToml) -> &String| toml.map(|toml| get(toml).clone()).unwrap_or_default();
        let title = text(|toml| &toml.title);
        ModelInfo {
            name: self.source.name.clone(),
            title: if title.is_empty() { self.source.name.clone() } else { title },
            licence: text(|toml| &toml.licence),
            source: text(|toml| &toml.source),
            base: toml.and_then(|toml| toml.extends.clone()).unwrap_or_default(),
            input: toml.and_then(|toml| Some([toml.input.height?, toml.input.width?])),
            file: self.source.file.clone(),
            state,
            state_reason: self.source.toml.as_ref().err().cloned().unwrap_or_default(),
            sha256: String::new(),
            descriptor: None,
        }
    }

    fn info(&self) -> ModelInfo {
        match &*self.state.lock() {
            State::Unloaded if self.source.toml.is_err() => self.blank(ModelState::Failed),
            State::Unloaded => self.blank(ModelState::Unloaded),
            State::Loading => self.blank(ModelState::Loading),
            State::Failed(error) => ModelInfo { state_reason: error.message.clone(), ..self.blank(ModelState::Failed) },
            State::Ready(model) => match model.disabled() {
                None => model.info().clone(),
                Some(why) => ModelInfo { state: ModelState::Failed, state_reason: why, ..model.info().clone() },
            },
        }
    }
}
