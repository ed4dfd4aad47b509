//! All plugins of an engine, the techniques and back ends among them, and why the others are not used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use whyglass_abi::WgPlugin;

use super::tables::{Backend, Offer};
use super::{PluginInfo, PluginState, Technique, discover, load, manifest, tables};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::json::PluginManifest;
use crate::suggest;

struct Entry {
    info: PluginInfo,
    techniques: Vec<Arc<Technique>>,
    shutdown: Option<(unsafe extern "C" fn(), Arc<Gate>)>,
}

#[derive(Default)]
struct Contents {
    plugins: Vec<Entry>,
    techniques: BTreeMap<String, Arc<Technique>>,
    backends: BTreeMap<String, Arc<Backend>>,
}

/// Filled at start and asked ever after.
#[derive(Default)]
pub(crate) struct Registry {
    contents: RwLock<Contents>,
}

impl Registry {
    /// Loads what is in `directories`. A plugin that cannot be used is listed and harms no other.
    pub(crate) fn discover(directories: &[PathBuf]) -> Self {
        let registry = Self::default();
        for found in directories.iter().flat_map(|directory| discover::folders(directory)) {
            let mut info = blank(&found.folder);
            let loaded = found.usable.and_then(|()| manifest::read(&found.folder)).and_then(|manifest| {
                info.id.clone_from(&manifest.id);
                info.version.clone_from(&manifest.version);
                if let Some(reason) = manifest::missing(&found.folder, &manifest) {
                    info.state = PluginState::Absent;
                    return Err(reason);
                }
                Self::load(&found.folder, &manifest, &mut info)
            });
            registry.add(info, loaded);
        }
        registry
    }

    fn load(folder: &Path, manifest: &PluginManifest, info: &mut PluginInfo) -> Result<Offer, String> {
        let opened = load::open(folder, manifest)?;
        info.sha256 = opened.sha256;
        // SAFETY: the table comes from the entry of a library that stays loaded.
        let offer = unsafe { tables::check(opened.table) }?;
        if offer.id != manifest.id {
            return Err(format!("the library calls itself '{}', plugin.toml calls it '{}'", offer.id, manifest.id));
        }
        Ok(offer)
    }

    /// Adds a plugin that is linked in rather than found.
    ///
    /// # Safety
    /// As [`tables::check`].
    pub(crate) unsafe fn register(&self, table: *const WgPlugin) -> PluginInfo {
        let mut info = blank(Path::new("linked-in"));
        // SAFETY: the caller's promise.
        let offer = unsafe { tables::check(table) };
        if let Ok(offer) = &offer {
            info.id.clone_from(&offer.id);
        }
        self.add(info, offer)
    }

    fn add(&self, mut info: PluginInfo, loaded: Result<Offer, String>) -> PluginInfo {
        let contents = &mut *self.contents.write();
        let loaded = loaded.and_then(|offer| contents.conflict(&offer).map_or(Ok(offer), Err));
        let mut entry = Entry { info: info.clone(), techniques: Vec::new(), shutdown: None };
        match loaded {
            Ok(offer) => {
                info.version = offer.version;
                info.abi_minor = offer.abi_minor.into();
                info.state = PluginState::Ready;
                info.techniques = offer.techniques.iter().map(|technique| technique.id.clone()).collect();
                info.backends = offer.backends.iter().map(|backend| backend.id.clone()).collect();
                entry.shutdown = offer.shutdown.map(|shutdown| (shutdown, offer.in_use));
                for technique in offer.techniques {
                    let technique = Arc::new(technique);
                    entry.techniques.push(Arc::clone(&technique));
                    contents.techniques.insert(technique.id.clone(), technique);
                }
                for backend in offer.backends {
                    contents.backends.insert(backend.id.clone(), Arc::new(backend));
                }
                tracing::debug!(plugin = info.id, "loaded");
            }
            Err(reason) => {
                if info.state == PluginState::Absent {
                    tracing::debug!(plugin = info.id, "absent: {reason}");
                } else {
                    tracing::warn!(plugin = info.id, folder = %info.folder.display(), "refused: {reason}");
                }
                info.state_reason = reason;
            }
        }
        entry.info = info.clone();
        contents.plugins.push(entry);
        info
    }

    /// Sorted by id.
    pub(crate) fn plugins(&self) -> Vec<PluginInfo> {
        let mut plugins: Vec<PluginInfo> = self.contents.read().plugins.iter().map(Entry::now).collect();
        plugins.sort_by(|a, b| a.id.cmp(&b.id));
        plugins
    }

    /// Sorted by id, the disabled ones left out.
    pub(crate) fn techniques(&self) -> Vec<Arc<Technique>> {
        self.contents.read().techniques.values().filter(|technique| technique.disabled().is_none()).cloned().collect()
    }

    pub(crate) fn technique(&self, id: &str) -> Result<Arc<Technique>> {
        let contents = self.contents.read();
        contents.techniques.get(id).cloned().ok_or_else(|| {
            let message = suggest::unknown("technique", id, contents.techniques.keys().map(String::as_str));
            Error::not_found("technique", "UNKNOWN_TECHNIQUE", message)
        })
    }

    /// Sorted by id.
    pub(crate) fn backends(&self) -> Vec<Arc<Backend>> {
        self.contents.read().backends.values().cloned().collect()
    }

    /// Plugins that are not installed in full, with how to get them, as a part of a sentence. `None`: there are none.
    pub(crate) fn absent(&self) -> Option<String> {
        let contents = self.contents.read();
        let absent = contents.plugins.iter().map(|entry| &entry.info).filter(|info| info.state == PluginState::Absent);
        let said: Vec<String> = absent.map(|info| format!("'{}' is absent: {}", info.id, info.state_reason)).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Calls the `shutdown` of each plugin that nobody is inside of, once. Nobody enters one any more.
    pub(crate) fn shut_down(&self) {
        for entry in &mut self.contents.write().plugins {
            match entry.shutdown.take() {
                // SAFETY: the plugin stays loaded, no call of it is running or will, and this is the only time.
                Some((shutdown, in_use)) if in_use.close() => unsafe { shutdown() },
                Some(_) => tracing::warn!(plugin = entry.info.id, "still in use: it is not told of the end"),
                None => {}
            }
        }
    }
}

impl Contents {
    /// Why `offer` cannot stand beside what is there.
    fn conflict(&self, offer: &Offer) -> Option<String> {
        let usable = |entry: &&Entry| !matches!(entry.info.state, PluginState::Refused | PluginState::Absent);
        if let Some(other) = self.plugins.iter().filter(usable).find(|entry| entry.info.id == offer.id) {
            return Some(format!("the plugin '{}' is already loaded from {}", offer.id, other.info.folder.display()));
        }
        if let Some(twice) = offer.techniques.iter().find_map(|technique| self.techniques.get(&technique.id)) {
            return Some(format!("the technique '{}' already comes from the plugin '{}'", twice.id, twice.plugin));
        }
        let twice = offer.backends.iter().find(|backend| self.backends.contains_key(&backend.id))?;
        Some(format!("the back end '{}' already comes from another plugin", twice.id))
    }
}

impl Entry {
    fn now(&self) -> PluginInfo {
        let mut info = self.info.clone();
        let why: Vec<String> = self
            .techniques
            .iter()
            .filter_map(|technique| technique.disabled().map(|why| format!("{}: {why}", technique.id)))
            .collect();
        if !why.is_empty() {
            info.state = PluginState::Disabled;
            info.state_reason = why.join("; ");
        }
        info
    }
}

fn blank(folder: &Path) -> PluginInfo {
    PluginInfo {
        id: folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        version: String::new(),
        abi_minor: 0,
        state: PluginState::Refused,
        state_reason: String::new(),
        techniques: Vec::new(),
        backends: Vec::new(),
        sha256: String::new(),
        folder: folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_loaded_is_listed_with_its_reason() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("fake");
        std::fs::create_dir(&folder).unwrap();
        let text = "id = 'fake'\nversion = '1'\nabi = '1.0'\nlibrary = 'libfake.so'\n";
        std::fs::write(folder.join("plugin.toml"), text).unwrap();
        std::fs::write(folder.join("libfake.so"), "not a library").unwrap();
        let registry = Registry::discover(&[root.path().to_owned()]);
        let plugins = registry.plugins();
        assert_eq!((plugins[0].id.as_str(), plugins[0].state), ("fake", PluginState::Refused));
        assert!(plugins[0].state_reason.contains("cannot load"), "{}", plugins[0].state_reason);

        std::fs::write(folder.join("plugin.toml"), format!("{text}sha256 = '00'\n")).unwrap();
        let plugins = Registry::discover(&[root.path().to_owned()]).plugins();
        assert!(plugins[0].state_reason.contains("plugin.toml says 00"), "{}", plugins[0].state_reason);
    }

    #[test]
    fn an_unknown_technique_is_not_found() {
        assert_eq!(Registry::default().technique("lime").unwrap_err().reason, "UNKNOWN_TECHNIQUE");
        assert!(Registry::default().backends().is_empty() && Registry::default().absent().is_none());
    }
}
