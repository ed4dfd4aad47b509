//! The door to libtorch: says what the back end `torch` can load, and opens `libwhyglass_libtorch.so` beside itself when
//! the first model is loaded. libtorch takes a third of a second to map, which nobody pays who does not use it.
//!
//! Nothing of a model is understood here: the tables of the library behind the door are handed on as they are.

mod behind;

use std::panic::catch_unwind;
use std::sync::OnceLock;
use whyglass_abi::json::BackendDescriptor;
use whyglass_abi::safe::{str_from, table_from};
use whyglass_abi::{
    WG_ABI_MAJOR, WG_ABI_MINOR, WG_FAILED_PRECONDITION, WG_INTERNAL, WG_PANIC, WgBackend, WgCall, WgHost, WgModel,
    WgPlugin, WgStatus, WgStr,
};

/// Of the plugin, and of its only back end.
const ID: &str = "torch";

/// What the library behind the door can load: file name extensions and devices.
#[must_use]
pub fn descriptor() -> BackendDescriptor {
    BackendDescriptor {
        title: "libtorch".into(),
        formats: ["pt", "pth", "ts", "torchscript", "onnx"].map(str::to_owned).to_vec(),
        devices: vec!["cpu".into(), "cuda".into()],
        runtime: "libtorch 2.13.0".into(),
        rank: 0,
    }
}

struct Table(&'static WgPlugin);

// SAFETY: the table and what it points to are leaked and never written again.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

static TABLE: OnceLock<Table> = OnceLock::new();

/// The only symbol that a host looks up.
///
/// # Safety
/// `host` is null or a table that lives as long as the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn whyglass_plugin_v1(host: *const WgHost) -> *const WgPlugin {
    // SAFETY: the caller's promise.
    let accepted = unsafe { table_from(host) }.is_ok_and(|host| host.abi_major == WG_ABI_MAJOR);
    if !accepted {
        return std::ptr::null();
    }
    behind::remember(host);
    match catch_unwind(|| TABLE.get_or_init(table).0) {
        Ok(table) => table,
        Err(_) => std::ptr::null(),
    }
}

fn table() -> Table {
    let text = serde_json::to_string(&descriptor()).expect("a descriptor is made of strings");
    let backend: &'static WgBackend = Box::leak(Box::new(WgBackend {
        struct_size: size_of::<WgBackend>(),
        id: WgStr::new(ID),
        descriptor: WgStr::new(text.leak()),
        load: Some(load),
        unload: Some(unload),
    }));
    let backends: &'static [*const WgBackend] = vec![std::ptr::from_ref(backend)].leak();
    Table(Box::leak(Box::new(WgPlugin {
        struct_size: size_of::<WgPlugin>(),
        abi_major: WG_ABI_MAJOR,
        abi_minor: WG_ABI_MINOR,
        reserved: 0,
        id: WgStr::new(ID),
        version: WgStr::new(env!("CARGO_PKG_VERSION")),
        backends: backends.as_ptr(),
        n_backends: backends.len(),
        explainers: std::ptr::null(),
        n_explainers: 0,
        shutdown: None,
    })))
}

unsafe extern "C" fn load(call: *const WgCall, path: WgStr, options: WgStr, out: *mut WgModel) -> WgStatus {
    match catch_unwind(behind::backend) {
        Ok(Ok(backend)) => match backend.load {
            // SAFETY: what the host promises of the arguments is what the function wants of them.
            Some(load) => unsafe { load(call, path, options, out) },
            None => WG_INTERNAL,
        },
        Ok(Err(why)) => {
            // SAFETY: the host's table lives until this returns; the strings are borrowed for the call.
            unsafe { fail(call, &why) };
            WG_FAILED_PRECONDITION
        }
        Err(_) => WG_PANIC,
    }
}

unsafe extern "C" fn unload(model: *mut WgModel) {
    // A model that is unloaded was loaded, so the door is open already.
    if let Ok(Ok(backend)) = catch_unwind(behind::backend)
        && let Some(unload) = backend.unload
    {
        // SAFETY: the host's promise is the function's.
        unsafe { unload(model) };
    }
}

/// # Safety
/// `call` is null or a table that lives.
unsafe fn fail(call: *const WgCall, why: &str) {
    // SAFETY: the caller's promise.
    if let Ok(table) = unsafe { table_from(call) }
        && let Some(fail) = table.fail
    {
        let status = WG_FAILED_PRECONDITION;
        // SAFETY: the table lives, and so do the strings.
        unsafe { fail(call, status, WgStr::new("RUNTIME_MISSING"), WgStr::EMPTY, WgStr::new(why)) };
    }
}

/// The text behind `text`, for messages.
///
/// # Safety
/// As [`str_from`].
unsafe fn shown(text: WgStr) -> String {
    // SAFETY: the caller's promise.
    unsafe { str_from(text) }.unwrap_or("?").to_owned()
}
