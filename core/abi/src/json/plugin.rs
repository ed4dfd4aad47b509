//! `plugin.toml`: what is known of a plugin before any of its code runs.

use serde::{Deserialize, Serialize};

/// The manifest beside a plugin's library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginManifest {
    /// kebab-case; equal to the id that the library reports.
    pub id: String,
    pub version: String,
    /// The ABI that it was built for: `"1.0"`.
    pub abi: String,
    /// A plain file name in the same folder.
    pub library: String,
    /// Lower-case hex of the library; checked where present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Plain names of further files that must lie in the folder. Where one is missing the plugin is not loaded, but listed as
    /// absent with what `install` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// What a person does to get what `requires` names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub install: String,
}
