//! A plugin's tables, looked at before anything in them is called: sizes, null pointers, ids, descriptors, schemas.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use whyglass_abi::safe::{slice_from, str_from, table_from};
use whyglass_abi::{WG_ABI_MAJOR, WgBackend, WgExplainer, WgPlugin, WgStr};

use super::manifest::is_kebab_case;
use super::technique::Technique;
use crate::gate::{Gate, Inside};
use crate::json::{BackendDescriptor, ExplainerDescriptor};

/// A back end that may be called.
#[derive(Debug)]
pub(crate) struct Backend {
    pub id: String,
    pub descriptor: BackendDescriptor,
    pub table: &'static WgBackend,
    /// Its plugin's.
    in_use: Arc<Gate>,
}

// SAFETY: the table is never written after the plugin has returned it, and `load` is tagged [any thread].
unsafe impl Send for Backend {}
// SAFETY: as above.
unsafe impl Sync for Backend {}

impl Backend {
    /// What is held while the plugin has something to do for us.
    ///
    /// # Errors
    /// SHUTTING_DOWN.
    pub(crate) fn enter(&self) -> crate::Result<Inside> {
        enter(&self.in_use)
    }
}

/// Enters a plugin's gate.
pub(super) fn enter(plugin: &Arc<Gate>) -> crate::Result<Inside> {
    let closed = || crate::Error::new(crate::Code::Unavailable, "SHUTTING_DOWN", "the plugin has been shut down");
    plugin.enter(|| false).ok_or_else(closed)
}

/// What a plugin offers, checked.
pub(super) struct Offer {
    pub id: String,
    pub version: String,
    pub abi_minor: u16,
    pub techniques: Vec<Technique>,
    pub backends: Vec<Backend>,
    pub shutdown: Option<unsafe extern "C" fn()>,
    /// Everybody who uses anything of it is inside.
    pub in_use: Arc<Gate>,
}

/// Checks everything that `plugin` points to.
///
/// # Safety
/// Pointers in the tables are null or valid for as long as the process lives: a plugin is code, and lies that only an
/// access can show cannot be caught.
pub(super) unsafe fn check(plugin: *const WgPlugin) -> Result<Offer, String> {
    // SAFETY: the caller's promise.
    let plugin: &'static WgPlugin = unsafe { table_from(plugin) }.map_err(|error| error.to_string())?;
    if plugin.abi_major != WG_ABI_MAJOR {
        return Err(format!("WgPlugin says ABI {}.x, this host speaks {WG_ABI_MAJOR}.x", plugin.abi_major));
    }
    // SAFETY: the caller's promise, for each string below.
    let id = unsafe { text(plugin.id, "the plugin's id") }?;
    if !is_kebab_case(&id) {
        return Err(format!("the plugin's id '{id}' is not kebab-case"));
    }
    // SAFETY: as above.
    let version = unsafe { text(plugin.version, "the plugin's version") }?;
    let in_use = Gate::new(0);
    let mut ids = BTreeSet::new();
    let mut techniques = Vec::new();
    // SAFETY: the caller's promise.
    for &table in unsafe { slice_from(plugin.explainers, plugin.n_explainers, "the list of explainers") }
        .map_err(|error| error.to_string())?
    {
        // SAFETY: the caller's promise.
        let technique = unsafe { explainer(table, &id, &version, &in_use) }?;
        if !ids.insert(technique.id.clone()) {
            return Err(format!("the technique '{}' is listed twice", technique.id));
        }
        techniques.push(technique);
    }
    ids.clear();
    let mut backends = Vec::new();
    // SAFETY: the caller's promise.
    for &table in unsafe { slice_from(plugin.backends, plugin.n_backends, "the list of back ends") }
        .map_err(|error| error.to_string())?
    {
        // SAFETY: the caller's promise.
        let backend = unsafe { backend(table, &in_use) }?;
        if !ids.insert(backend.id.clone()) {
            return Err(format!("the back end '{}' is listed twice", backend.id));
        }
        backends.push(backend);
    }
    Ok(Offer { id, version, abi_minor: plugin.abi_minor, techniques, backends, shutdown: plugin.shutdown, in_use })
}

/// # Safety
/// As [`check`].
unsafe fn explainer(
    table: *const WgExplainer,
    plugin: &str,
    version: &str,
    in_use: &Arc<Gate>,
) -> Result<Technique, String> {
    // SAFETY: the caller's promise.
    let table: &'static WgExplainer = unsafe { table_from(table) }.map_err(|error| error.to_string())?;
    // SAFETY: the caller's promise.
    let id = unsafe { identifier(table.id, "technique") }?;
    if table.explain.is_none() {
        return Err(format!("the technique '{id}' has no explain function"));
    }
    // SAFETY: the caller's promise.
    let descriptor: ExplainerDescriptor = unsafe { document(table.descriptor, &id) }?;
    Technique::new(id, descriptor, table, (plugin, version), in_use)
}

/// # Safety
/// As [`check`].
unsafe fn backend(table: *const WgBackend, in_use: &Arc<Gate>) -> Result<Backend, String> {
    // SAFETY: the caller's promise.
    let table: &'static WgBackend = unsafe { table_from(table) }.map_err(|error| error.to_string())?;
    // SAFETY: the caller's promise.
    let id = unsafe { identifier(table.id, "back end") }?;
    if table.load.is_none() || table.unload.is_none() {
        return Err(format!("the back end '{id}' has no load or no unload function"));
    }
    // SAFETY: the caller's promise.
    let descriptor = unsafe { document(table.descriptor, &id) }?;
    Ok(Backend { id, descriptor, table, in_use: Arc::clone(in_use) })
}

/// # Safety
/// As [`check`].
unsafe fn text(raw: WgStr, what: &str) -> Result<String, String> {
    // SAFETY: the caller's promise.
    unsafe { str_from(raw) }.map(str::to_owned).map_err(|error| format!("{what}: {error}"))
}

/// # Safety
/// As [`check`].
unsafe fn identifier(raw: WgStr, what: &str) -> Result<String, String> {
    // SAFETY: the caller's promise.
    let id = unsafe { text(raw, what) }?;
    if is_kebab_case(&id) { Ok(id) } else { Err(format!("the {what}'s id '{id}' is not kebab-case")) }
}

/// # Safety
/// As [`check`].
unsafe fn document<T: DeserializeOwned>(raw: WgStr, id: &str) -> Result<T, String> {
    // SAFETY: the caller's promise.
    let json = unsafe { text(raw, "a descriptor") }?;
    serde_json::from_str(&json).map_err(|error| format!("the descriptor of '{id}' cannot be read: {error}"))
}
