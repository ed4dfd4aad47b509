//! Models: their folders, their one-time loading, and the proxy through which explainers use them.

mod activations;
mod choose;
mod folder;
mod groups;
mod load;
mod loaded;
mod occlude;
pub(crate) mod proxy;
pub(crate) mod registry;
mod toml;

use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use load::How;
pub use loaded::LoadedModel;

use crate::json::ModelDescriptor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelState {
    Unloaded,
    Loading,
    Ready,
    /// It could not be loaded, or it has panicked since.
    Failed,
}

/// What is known of a model without loading it, and more once it is loaded.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    pub name: String,
    pub title: String,
    pub licence: String,
    pub source: String,
    /// The name of the model that it is derived from; empty where it is not.
    pub base: String,
    /// Height and width of the input, where model.toml says so.
    pub input: Option<[u32; 2]>,
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
