//! Models: their folders, their one-time loading, and the proxy through which explainers use them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::json::ModelDescriptor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelState {
    Unloaded,
    Loading,
    Ready,
    Failed,
}

/// What is known of a model without loading it, and more once it is loaded.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    pub name: String,
    pub title: String,
    pub licence: String,
    pub source: String,
    /// The model's file.
    pub file: PathBuf,
    pub state: ModelState,
    /// Why it failed; empty otherwise.
    pub state_reason: String,
    /// Lower-case hex of the file; empty until it is loaded.
    pub sha256: String,
    /// Labels merged in; `None` until it is loaded.
    pub descriptor: Option<Arc<ModelDescriptor>>,
}

/// A model in memory.
#[derive(Debug)]
pub struct LoadedModel {
    info: ModelInfo,
    descriptor: Arc<ModelDescriptor>,
}

impl LoadedModel {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }
    /// Layers, classes, labels, capabilities.
    #[must_use]
    pub fn descriptor(&self) -> &ModelDescriptor {
        &self.descriptor
    }
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.descriptor.labels
    }
    /// Height and width of the input in pixels.
    #[must_use]
    pub fn input(&self) -> [usize; 2] {
        self.descriptor.input.map_or([0, 0], |size| [size.height as usize, size.width as usize])
    }
    /// What a person should know of how it was loaded: (reason, message), for example NORMALISATION_ASSUMED.
    #[must_use]
    pub fn notices(&self) -> &[(String, String)] {
        &[]
    }
}
