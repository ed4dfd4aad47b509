//! `WgPlugin`: what [`export_plugin!`](crate::export_plugin) builds, once, when a host asks for it.

use super::{backend, contain, explainer, register};
use crate::{Backend, Explainer, Level, host};
use std::sync::OnceLock;
use whyglass_abi::safe::table_from;
use whyglass_abi::{WG_ABI_MAJOR, WG_ABI_MINOR, WgBackend, WgExplainer, WgHost, WgPlugin, WgStr};

/// A plugin being put together.
pub struct Plugin {
    id: &'static str,
    version: &'static str,
    backends: Vec<*const WgBackend>,
    explainers: Vec<*const WgExplainer>,
}

impl Plugin {
    /// A plugin that offers nothing yet.
    #[must_use]
    pub fn new(id: &'static str, version: &'static str) -> Self {
        Self { id, version, backends: Vec::new(), explainers: Vec::new() }
    }

    /// Adds a technique.
    #[must_use]
    pub fn explainer<E: Explainer>(mut self, value: E) -> Self {
        self.explainers.push(explainer::table(&value));
        register(value);
        self
    }

    /// Adds a back end.
    #[must_use]
    pub fn backend<B: Backend>(mut self, value: B) -> Self {
        self.backends.push(backend::table(&value));
        register(value);
        self
    }

    fn into_table(self) -> Table {
        let (backends, explainers) = (self.backends.leak(), self.explainers.leak());
        Table(Box::leak(Box::new(WgPlugin {
            struct_size: size_of::<WgPlugin>(),
            abi_major: WG_ABI_MAJOR,
            abi_minor: WG_ABI_MINOR,
            reserved: 0,
            id: WgStr::new(self.id),
            version: WgStr::new(self.version),
            backends: backends.as_ptr(),
            n_backends: backends.len(),
            explainers: explainers.as_ptr(),
            n_explainers: explainers.len(),
            shutdown: None,
        })))
    }
}

struct Table(&'static WgPlugin);

// SAFETY: the table and what it points to are leaked and never written again.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// The plugin of one shared library, made at the first call of its entry function.
pub struct Exported(OnceLock<Option<Table>>);

impl Exported {
    /// Nothing asked for yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only export_plugin! makes one, in a static")]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }
}

/// The body of the entry function: null where the host is not one of ABI 1, or where the plugin cannot be built.
///
/// # Safety
/// `host` is null or a table that lives as long as the process.
pub unsafe fn entry(
    exported: &'static Exported,
    host: *const WgHost,
    build: impl FnOnce() -> Plugin,
) -> *const WgPlugin {
    contain(core::ptr::null(), || {
        // SAFETY: the caller's promise.
        let Ok(host) = (unsafe { table_from(host) }) else { return core::ptr::null() };
        if host.abi_major != WG_ABI_MAJOR {
            return core::ptr::null();
        }
        host::attach(host);
        let table = exported.0.get_or_init(|| {
            let built = contain(None, || Some(build().into_table()));
            if built.is_none() {
                host::log(Level::Error, module_path!(), "the plugin could not put its tables together");
            }
            built
        });
        table.as_ref().map_or(core::ptr::null(), |table| core::ptr::from_ref(table.0))
    })
}
