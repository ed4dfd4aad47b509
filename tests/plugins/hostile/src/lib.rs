//! A plugin that does everything wrong, one technique per crime: what a host must survive, and say in words.
//!
//! Crimes that the SDK prevents are committed against the raw tables (`emits`, `stops`, `statuses`); those that the SDK
//! must contain go through it (`panics`). Plugins that cannot even be loaded are the C files in `variants/`.

mod emits;
mod panics;
mod raw;
mod statuses;
mod stops;

use std::sync::OnceLock;
use whyglass_abi::{WgExplainer, WgHost, WgPlugin};
use whyglass_sdk::export::{Exported, Plugin, entry};

struct Table(&'static WgPlugin);

// SAFETY: leaked, and never written again.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// The techniques of the SDK's table, followed by those with tables of their own.
///
/// # Safety
/// `host` is null or a table that lives as long as the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn whyglass_plugin_v1(host: *const WgHost) -> *const WgPlugin {
    static SDK: Exported = Exported::new();
    static MERGED: OnceLock<Table> = OnceLock::new();
    let build = || {
        Plugin::new("hostile", env!("CARGO_PKG_VERSION"))
            .explainer(panics::InResolve)
            .explainer(panics::InExplain)
            .explainer(panics::WithPayload)
            .explainer(panics::InThread)
            .explainer(statuses::NeverEmits)
    };
    // SAFETY: the host keeps the promise above; the SDK's tables live for ever.
    let Some(sdk) = (unsafe { entry(&SDK, host, build).as_ref() }) else { return core::ptr::null() };
    let merged = MERGED.get_or_init(|| {
        // SAFETY: the SDK's list lives for ever.
        let safe = unsafe { core::slice::from_raw_parts(sdk.explainers, sdk.n_explainers) };
        let all: Vec<*const WgExplainer> =
            safe.iter().copied().chain(emits::tables()).chain(stops::tables()).chain(statuses::tables()).collect();
        let all = all.leak();
        Table(Box::leak(Box::new(WgPlugin { explainers: all.as_ptr(), n_explainers: all.len(), ..*sdk })))
    });
    core::ptr::from_ref(merged.0)
}
