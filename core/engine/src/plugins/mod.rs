//! Plugins: finding them, deciding whether they may be loaded, loading them, and what they offer.

mod discover;
mod host;
mod load;
mod manifest;
pub(crate) mod registry;
mod tables;
pub(crate) mod technique;

use std::path::PathBuf;

pub(crate) use host::write as write_log;
pub(crate) use tables::Backend;
pub use technique::Technique;

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
    /// Never loaded, or loaded and found unusable.
    Refused,
    /// Not loaded because something that it needs is not installed; the reason says how to get it.
    Absent,
}
