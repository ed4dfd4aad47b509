//! The host's side of one running call: the `WgCall` table that a plugin is handed, and the [`Sink`] behind it.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use whyglass_abi::safe::str_from;
use whyglass_abi::{WG_CANCELLED, WG_INVALID_ARGUMENT, WG_OK, WG_PANIC, WgCall, WgEvent, WgStatus, WgStr};

use crate::emission::{self, Emission};
use crate::error::{Code, Error, Result};
use crate::plugins::write_log;

/// A failure's text is kept up to this length.
const MESSAGE: usize = 4096;

/// What stands behind a call: a run, or nothing in particular.
pub(crate) trait Sink: Send + Sync {
    /// Blocks while paused. An event that the rules forbid is an error, a stop is one with [`Code::Cancelled`].
    fn emit(&self, emission: Result<Emission<'_>>) -> Result<()>;
    fn is_cancelled(&self) -> bool;
    /// Blocks while paused; true: cancelled.
    fn checkpoint(&self) -> bool;
    /// The parameters, where they have changed since the last asking.
    fn live_params(&self) -> Option<String>;
    /// A model starts working for this call …
    fn model_entered(&self);
    /// … and has returned.
    fn model_returned(&self, rows: u64, took: Duration);
    /// A picture of the dataset cannot be read; it is passed over.
    fn unreadable(&self, _item: &str, _why: &str) {}
    /// Whose log lines these are.
    fn name(&self) -> &str;
}

/// A call for its own sake: classification, loading, `resolve`. It can be cancelled; what it emits is refused.
#[derive(Debug)]
pub(crate) struct Silent {
    name: String,
    cancelled: AtomicBool,
}

impl Silent {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), cancelled: AtomicBool::new(false) })
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Sink for Silent {
    fn emit(&self, _: Result<Emission<'_>>) -> Result<()> {
        Err(Error::precondition("NO_SINK", "this call takes no events"))
    }
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
    fn checkpoint(&self) -> bool {
        self.is_cancelled()
    }
    fn live_params(&self) -> Option<String> {
        None
    }
    fn model_entered(&self) {}
    fn model_returned(&self, _: u64, _: Duration) {}
    fn name(&self) -> &str {
        &self.name
    }
}

/// One running call. Whoever hands out its tables keeps it until the function that received them has returned.
pub(crate) struct Call {
    sink: Arc<dyn Sink>,
    threads: u32,
    failure: Mutex<Option<Error>>,
    live: Mutex<String>,
}

impl Call {
    pub(crate) fn new(sink: Arc<dyn Sink>, threads: u32) -> Arc<Self> {
        Arc::new(Self { sink, threads: threads.max(1), failure: Mutex::new(None), live: Mutex::new(String::new()) })
    }

    /// Its share of the machine.
    pub(crate) fn threads(&self) -> u32 {
        self.threads
    }

    pub(crate) fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// The table for a technique. It borrows this call without saying so.
    pub(crate) fn table(self: &Arc<Self>) -> WgCall {
        WgCall {
            struct_size: size_of::<WgCall>(),
            ctx: Arc::as_ptr(self).cast_mut().cast::<c_void>(),
            emit: Some(emit),
            is_cancelled: Some(is_cancelled),
            fail: Some(fail),
            log: Some(log),
            live_params: Some(live_params),
            threads: self.threads,
            reserved: 0,
        }
    }

    /// The table for a back end: the same call, but a model has no events to send.
    pub(crate) fn model_table(self: &Arc<Self>) -> WgCall {
        WgCall { emit: Some(refuse), live_params: Some(no_params), ..self.table() }
    }

    /// Says what a status that is about to be returned means. The last one wins.
    pub(crate) fn fail(&self, error: Error) {
        *self.failure.lock() = Some(error);
    }

    /// What `status` meant, by what was said last, or `what` failed without a word.
    pub(crate) fn failure(&self, status: WgStatus, what: &str) -> Error {
        let said = self.failure.lock().take();
        let code = Code::from_status(status);
        match said {
            Some(error) if error.code == code => error,
            // A model's panic is what a technique may pass on under another code.
            Some(error) if error.reason == "PANIC" => error,
            _ if status == WG_PANIC => Error::internal("PANIC", format!("{what} panicked")),
            _ => Error::new(code, "PLUGIN_ERROR", format!("{what} failed with status {status} and did not say why")),
        }
    }
}

/// # Safety
/// `call` is a table that [`Call::table`] has made, and its call is still alive.
unsafe fn behind<'a>(call: *const WgCall) -> Option<&'a Call> {
    if call.is_null() {
        return None;
    }
    // SAFETY: the caller's promise: `ctx` is what `table` put there.
    unsafe { (*call).ctx.cast_const().cast::<Call>().as_ref() }
}

unsafe extern "C" fn emit(call: *const WgCall, event: *const WgEvent) -> WgStatus {
    // SAFETY: a plugin hands back the table that it was given, while its call runs.
    let Some(call) = (unsafe { behind(call) }) else { return WG_INVALID_ARGUMENT };
    // SAFETY: the plugin lends the event, and what it points to, until this returns.
    let emission = unsafe { emission::read(event) };
    match call.sink.emit(emission) {
        Ok(()) => WG_OK,
        Err(error) if error.code == Code::Cancelled => WG_CANCELLED,
        Err(error) => {
            let status = error.code.number();
            call.fail(error);
            status
        }
    }
}

unsafe extern "C" fn refuse(call: *const WgCall, _event: *const WgEvent) -> WgStatus {
    // SAFETY: as in `emit`.
    if let Some(call) = unsafe { behind(call) } {
        tracing::warn!(of = call.sink.name(), "a model tried to send an event");
    }
    WG_INVALID_ARGUMENT
}

unsafe extern "C" fn is_cancelled(call: *const WgCall) -> bool {
    // SAFETY: as in `emit`.
    unsafe { behind(call) }.is_none_or(|call| call.sink.is_cancelled())
}

unsafe extern "C" fn fail(call: *const WgCall, status: WgStatus, reason: WgStr, field: WgStr, message: WgStr) {
    // SAFETY: as in `emit`.
    let Some(call) = (unsafe { behind(call) }) else { return };
    let text = |raw: WgStr, limit: usize| {
        // SAFETY: the plugin lends its strings until this returns.
        let text = unsafe { str_from(raw) }.unwrap_or("(not UTF-8)");
        text[..text.floor_char_boundary(limit)].to_owned()
    };
    let reason = text(reason, 64);
    let reason = if is_upper_snake(&reason) { reason } else { "PLUGIN_ERROR".to_owned() };
    let (field, message) = (text(field, 256), text(message, MESSAGE));
    call.fail(Error { code: Code::from_status(status), reason, field, message, retry_after: None });
}

unsafe extern "C" fn log(call: *const WgCall, level: u32, message: WgStr) {
    // SAFETY: as in `emit`; the plugin lends the message until this returns.
    if let (Some(call), Ok(message)) = (unsafe { behind(call) }, unsafe { str_from(message) }) {
        write_log(level, call.sink.name(), message);
    }
}

unsafe extern "C" fn live_params(call: *const WgCall, params: *mut WgStr) -> bool {
    // SAFETY: as in `emit`.
    let Some(call) = (unsafe { behind(call) }) else { return false };
    if params.is_null() {
        return false;
    }
    let Some(text) = call.sink.live_params() else { return false };
    let mut live = call.live.lock();
    *live = text;
    // SAFETY: the plugin's own variable. The text lives until the next asking, as the header says.
    unsafe { params.write(WgStr::new(&live)) };
    true
}

unsafe extern "C" fn no_params(_call: *const WgCall, _params: *mut WgStr) -> bool {
    false
}

/// `NOT_FINITE`, `X2`: what programs may rely on.
pub(crate) fn is_upper_snake(reason: &str) -> bool {
    reason.len() <= 64
        && reason.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase())
        && reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
