//! One technique: its description, its compiled schema, the table behind it, and whether it may still be used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use serde_json::{Map, Value};
use whyglass_abi::WgExplainer;

use super::tables::enter;
use crate::error::{Error, Result};
use crate::gate::{Gate, Inside};
use crate::json::ExplainerDescriptor;
use crate::params;

/// How often a technique may ignore a stop before it is disabled.
const STRIKES: u32 = 2;

/// A technique that can be asked for.
pub struct Technique {
    pub id: String,
    pub descriptor: ExplainerDescriptor,
    /// The plugin that it comes from.
    pub plugin: String,
    pub plugin_version: String,
    pub(crate) table: &'static WgExplainer,
    validator: jsonschema::Validator,
    disabled: Mutex<Option<String>>,
    strikes: AtomicU32,
    /// Its plugin's.
    in_use: Arc<Gate>,
    /// As many calls of `explain` at a time as the descriptor allows.
    calls: Arc<Gate>,
}

// SAFETY: the table is never written after the plugin has returned it, and its functions may be called from any thread.
unsafe impl Send for Technique {}
// SAFETY: as above.
unsafe impl Sync for Technique {}

impl std::fmt::Debug for Technique {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Technique").field("id", &self.id).field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

impl Technique {
    /// Compiles the schema and checks that it accepts its own defaults.
    pub(super) fn new(
        id: String,
        descriptor: ExplainerDescriptor,
        table: &'static WgExplainer,
        (plugin, plugin_version): (&str, &str),
        in_use: &Arc<Gate>,
    ) -> Result<Self, String> {
        let mut seen = std::collections::BTreeSet::new();
        for artifact in &descriptor.artifacts {
            if !is_artifact_id(&artifact.id) {
                return Err(format!("the technique '{id}' declares an artifact '{}': not a plain name", artifact.id));
            }
            if !seen.insert(&artifact.id) {
                return Err(format!("the technique '{id}' declares the artifact '{}' twice", artifact.id));
            }
        }
        if !descriptor.params.is_object() {
            return Err(format!("the technique '{id}' has no JSON Schema for its parameters"));
        }
        let validator = jsonschema::draft202012::new(&descriptor.params)
            .map_err(|error| format!("the schema of '{id}' is not valid: {error}"))?;
        let (plugin, plugin_version) = (plugin.to_owned(), plugin_version.to_owned());
        let calls = Gate::new(descriptor.concurrency);
        let technique = Self {
            id,
            descriptor,
            plugin,
            plugin_version,
            table,
            validator,
            disabled: Mutex::new(None),
            strikes: AtomicU32::new(0),
            in_use: Arc::clone(in_use),
            calls,
        };
        technique
            .complete(&Map::new())
            .map_err(|error| format!("the schema of '{}' refuses its own defaults: {error}", technique.id))?;
        Ok(technique)
    }

    /// The parameters with the schema's defaults, checked. Fields of errors begin at the parameter's name.
    pub(crate) fn complete(&self, given: &Map<String, Value>) -> Result<Map<String, Value>> {
        params::complete(&self.id, &self.descriptor.params, &self.validator, given)
    }

    /// Why it is not used any more.
    pub(crate) fn disabled(&self) -> Option<String> {
        self.disabled.lock().clone()
    }

    /// # Errors
    /// TECHNIQUE_DISABLED with the reason.
    pub(crate) fn usable(&self) -> Result<()> {
        match self.disabled() {
            None => Ok(()),
            Some(why) => Err(Error::precondition(
                "TECHNIQUE_DISABLED",
                format!("the technique '{}' is disabled until a restart: {why}", self.id),
            )
            .at("technique")),
        }
    }

    /// What is held while any function of it is called.
    ///
    /// # Errors
    /// SHUTTING_DOWN.
    pub(crate) fn enter(&self) -> Result<Inside> {
        enter(&self.in_use)
    }

    /// What is held while it explains: waits for its turn. `None`: `cancelled` came first.
    pub(crate) fn turn(&self, cancelled: impl Fn() -> bool) -> Option<Inside> {
        self.calls.enter(cancelled)
    }

    pub(crate) fn disable(&self, why: &str) {
        tracing::error!(technique = self.id, "disabled: {why}");
        self.disabled.lock().get_or_insert_with(|| why.to_owned());
    }

    /// It ignored a stop.
    pub(crate) fn strike(&self) {
        if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 >= STRIKES {
            self.disable(&format!("it ignored a stop {STRIKES} times"));
        }
    }
}

/// `[a-z0-9][a-z0-9._-]*`: it becomes a file name.
fn is_artifact_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    id.len() <= 64
        && id.bytes().next().is_some_and(plain)
        && id.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::is_artifact_id;

    #[test]
    fn an_artifact_is_a_plain_file_name() {
        assert!(is_artifact_id("map") && is_artifact_id("map-1.raw"));
        for id in ["../../x", "", ".hidden", "a/b", "Map", "a\0"] {
            assert!(!is_artifact_id(id), "{id}");
        }
    }
}
