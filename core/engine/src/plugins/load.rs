//! From a folder to a plugin's table: the only place that runs code from a file.

use std::path::Path;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use whyglass_abi::{ENTRY_SYMBOL, EntryFn, WgPlugin};

use super::{discover, host};
use crate::json::PluginManifest;

/// A library that passed every check that can be made without running it.
pub(super) struct Opened {
    pub table: *const WgPlugin,
    pub sha256: String,
}

/// Checks the library's file, opens it and calls its entry. It is never unloaded: destructors of threads, and whatever
/// the library has started, outlive any moment at which that would be safe.
pub(super) fn open(folder: &Path, manifest: &PluginManifest) -> Result<Opened, String> {
    let path = folder.join(&manifest.library);
    discover::not_world_writable(&path)?;
    let sha256 = crate::sha256::of_file(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if let Some(expected) = &manifest.sha256
        && !expected.eq_ignore_ascii_case(&sha256)
    {
        return Err(format!("{} has sha256 {sha256}, plugin.toml says {expected}", path.display()));
    }
    // A name without a slash would be searched for in the system's directories.
    let path = path.canonicalize().map_err(|error| format!("cannot find {}: {error}", path.display()))?;
    // SAFETY: loading runs the library's initialisers. That is what the operator asked for by configuring the directory.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| format!("cannot load {}: {error}", path.display()))?;
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: the major version in the symbol's name promises this type.
    let entry = unsafe { library.get::<EntryFn>(ENTRY_SYMBOL) }.map_err(|_| {
        format!("{} does not export whyglass_plugin_v1: it is no plugin, or one for another version", path.display())
    })?;
    // SAFETY: the host's table lives as long as the process.
    let table = unsafe { entry(host::table()) };
    if table.is_null() {
        return Err("the plugin refuses this host (its entry returned null)".to_owned());
    }
    Ok(Opened { table, sha256 })
}
