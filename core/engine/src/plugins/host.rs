//! The host's own table: what a plugin learns of us, and where its log lines go.

use std::ffi::c_void;

use whyglass_abi::safe::str_from;
use whyglass_abi::{WG_ABI_MAJOR, WG_ABI_MINOR, WG_LOG_DEBUG, WG_LOG_ERROR, WG_LOG_TRACE, WG_LOG_WARN, WgHost, WgStr};

struct Table(WgHost);

// SAFETY: the table is constant, its strings are literals and `ctx` is null.
unsafe impl Sync for Table {}

static HOST: Table = Table(WgHost {
    struct_size: size_of::<WgHost>(),
    abi_major: WG_ABI_MAJOR,
    abi_minor: WG_ABI_MINOR,
    reserved: 0,
    name: WgStr::new("whyglass"),
    version: WgStr::new(env!("CARGO_PKG_VERSION")),
    ctx: std::ptr::null_mut(),
    log: Some(log),
    extension: Some(extension),
});

/// Lives as long as the process.
pub(super) fn table() -> *const WgHost {
    &raw const HOST.0
}

unsafe extern "C" fn log(_ctx: *mut c_void, level: u32, target: WgStr, message: WgStr) {
    // SAFETY: the plugin lends both strings for this call.
    let (target, message) = unsafe { (str_from(target), str_from(message)) };
    if let (Ok(target), Ok(message)) = (target, message) {
        write(level, target, message);
    }
}

/// One line of a plugin's log, as ours. A level that is not known counts as information.
pub(crate) fn write(level: u32, plugin: &str, message: &str) {
    match level {
        WG_LOG_ERROR => tracing::error!(plugin, "{message}"),
        WG_LOG_WARN => tracing::warn!(plugin, "{message}"),
        WG_LOG_DEBUG => tracing::debug!(plugin, "{message}"),
        WG_LOG_TRACE => tracing::trace!(plugin, "{message}"),
        _ => tracing::info!(plugin, "{message}"),
    }
}

unsafe extern "C" fn extension(_ctx: *mut c_void, _id: WgStr) -> *const c_void {
    std::ptr::null()
}
