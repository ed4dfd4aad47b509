//! The host as this shared library knows it: where logs and panics go. Statics and the panic hook exist once per
//! shared library, so nothing here touches those of the host or of another plugin.

use core::cell::RefCell;
use std::sync::{Once, OnceLock};
use whyglass_abi as abi;
use whyglass_abi::{WgHost, WgStr};

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    /// The `WG_LOG_*` number.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Error => abi::WG_LOG_ERROR,
            Self::Warn => abi::WG_LOG_WARN,
            Self::Info => abi::WG_LOG_INFO,
            Self::Debug => abi::WG_LOG_DEBUG,
            Self::Trace => abi::WG_LOG_TRACE,
        }
    }
}

struct Host(&'static WgHost);

// SAFETY: the table lives as long as the process and its functions are tagged [any thread].
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

static HOST: OnceLock<Host> = OnceLock::new();

/// Remembers the host and sends it this library's panics from now on. Later calls change nothing.
pub(crate) fn attach(host: &'static WgHost) {
    static HOOK: Once = Once::new();
    HOST.get_or_init(|| Host(host));
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = payload_text(info.payload()).unwrap_or("a panic whose payload is not a string");
            let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
            let thread = std::thread::current();
            let line = format!("thread '{}' panicked{place}: {message}", thread.name().unwrap_or("unnamed"));
            // A panic while a thread is being torn down has no place to remember anything; the log still gets it.
            let _ = PLACE.try_with(|kept| kept.replace(place));
            if !send(Level::Error, module_path!(), &line) {
                default(info);
            }
        }));
    });
}

thread_local! {
    /// Where the last panic of this thread happened: the payload that `catch_unwind` returns does not say.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// `" at file:line:column"` of the last panic of this thread, once.
pub(crate) fn take_panic_place() -> String {
    PLACE.try_with(RefCell::take).unwrap_or_default()
}

/// The message of a panic, where its payload is a string.
pub(crate) fn payload_text(payload: &(dyn core::any::Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Writes to the host's log, outside of any run. Before the plugin is loaded by a host, and in tests, it goes nowhere.
pub fn log(level: Level, target: &str, message: &str) {
    send(level, target, message);
}

fn send(level: Level, target: &str, message: &str) -> bool {
    let Some(host) = HOST.get() else { return false };
    let Some(log) = host.0.log else { return false };
    // SAFETY: the table lives as long as the process; the strings are borrowed for the call.
    unsafe { log(host.0.ctx, level.code(), WgStr::new(target), WgStr::new(message)) };
    true
}
