//! The library behind the door: where it lies, opening it once, and the back end that it offers.

use crate::shown;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};
use whyglass_abi::safe::{slice_from, table_from};
use whyglass_abi::{EntryFn, WG_ABI_MAJOR, WgBackend, WgHost};
use whyglass_sdk::place::own_file;

/// Its file name, in this plugin's own folder and nowhere else.
pub(crate) const LIBRARY: &str = "libwhyglass_libtorch.so";
/// Its entry, which is a plugin's but for the name.
const ENTRY: &str = "whyglass_libtorch_v1";

/// What the host has handed to this plugin is what the library behind the door gets.
static HOST: AtomicPtr<WgHost> = AtomicPtr::new(std::ptr::null_mut());

pub(crate) fn remember(host: *const WgHost) {
    HOST.store(host.cast_mut(), Ordering::Release);
}

struct Offer(&'static WgBackend);

// SAFETY: the table is never written after the library has returned it, and `load` is tagged [any thread].
unsafe impl Send for Offer {}
// SAFETY: as above.
unsafe impl Sync for Offer {}

/// The back end of the library, which is opened by whoever asks first and never closed.
pub(crate) fn backend() -> Result<&'static WgBackend, String> {
    static OFFER: OnceLock<Result<Offer, String>> = OnceLock::new();
    match OFFER.get_or_init(open) {
        Ok(offer) => Ok(offer.0),
        Err(why) => Err(why.clone()),
    }
}

fn open() -> Result<Offer, String> {
    let folder = own_file().and_then(|path| path.parent().map(Path::to_owned));
    let path = folder.ok_or("cannot tell which folder this plugin was loaded from")?.join(LIBRARY);
    if !path.is_file() {
        return Err(format!(
            "libtorch is not there ({} is missing): run `cargo xtask setup --torch`, then `cargo xtask build`",
            path.display()
        ));
    }
    // SAFETY: loading runs the library's initialisers. It lies in the folder from which this plugin was loaded.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| format!("cannot load {}: {error}", path.display()))?;
    // libtorch has thread-local destructors and threads of its own: it outlives any moment at which closing were safe.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: the major version in the symbol's name promises this type.
    let entry = unsafe { library.get::<EntryFn>(ENTRY.as_bytes()) }
        .map_err(|_| format!("{} exports no {ENTRY}: build it anew with `cargo xtask build`", path.display()))?;
    // SAFETY: the host's table lives as long as the process, and so does what the entry returns.
    let backends = unsafe {
        let plugin = table_from(entry(HOST.load(Ordering::Acquire))).map_err(|error| error.to_string())?;
        if plugin.abi_major != WG_ABI_MAJOR {
            return Err(format!("{} speaks ABI {}.x: rebuild it", path.display(), plugin.abi_major));
        }
        slice_from(plugin.backends, plugin.n_backends, "the list of back ends").map_err(|error| error.to_string())?
    };
    for &table in backends {
        // SAFETY: as above.
        let backend = unsafe { table_from(table) }.map_err(|error| error.to_string())?;
        // SAFETY: as above.
        if unsafe { shown(backend.id) } == crate::ID {
            return Ok(Offer(backend));
        }
    }
    Err(format!("{} offers no back end '{}'", path.display(), crate::ID))
}
