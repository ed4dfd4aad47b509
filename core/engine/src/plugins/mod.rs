//! Plugins: finding them, deciding whether they may be loaded, loading them, and what they offer.

use std::path::PathBuf;
use std::sync::Arc;

use crate::json::ExplainerDescriptor;

/// What is known of a plugin, whether or not it could be loaded.
#[derive(Clone, Debug)]
pub struct PluginInfo {
    /// From plugin.toml; the folder's name where that cannot be read.
    pub id: String,
    pub version: String,
    pub abi_minor: u32,
    pub state: PluginState,
    /// Why it is refused or disabled; empty otherwise.
    pub state_reason: String,
    pub techniques: Vec<String>,
    pub backends: Vec<String>,
    /// Lower-case hex of the library; empty where it was not read.
    pub sha256: String,
    pub folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginState {
    Ready,
    /// Loaded, but something in it misbehaved and is not used any more.
    Disabled,
    /// Never loaded.
    Refused,
}

/// A technique that can be asked for.
#[derive(Clone, Debug)]
pub struct Technique {
    pub id: String,
    pub descriptor: ExplainerDescriptor,
    /// The plugin that it comes from, and its version.
    pub plugin: String,
    pub plugin_version: String,
}

#[allow(dead_code)]
type Shared = Arc<Technique>;
