//! One running call, as a technique or a back end sees it: its sink, its cancellation, its log, its share of the
//! machine. Any thread may use it until the function that received it returns.

use crate::emit::{Emitter, Image, Map, Matrix, Points, Series, Table};
use crate::{Error, Level, Result, json};
use core::marker::PhantomData;
use core::ptr;
use serde::de::DeserializeOwned;
use std::sync::Mutex;
use whyglass_abi as abi;
use whyglass_abi::safe::{str_from, table_from};
use whyglass_abi::{WG_OK, WgCall, WgEvent, WgStatus, WgStr};

/// One running call.
pub struct Call<'a> {
    raw: &'a WgCall,
    /// The string of `live_params` is valid until the next asking, so askers take turns.
    live: Mutex<()>,
    lifetime: PhantomData<&'a ()>,
}

// SAFETY: the ABI tags every function of the table [any thread], and `ctx` is only ever handed back to them.
unsafe impl Send for Call<'_> {}
// SAFETY: as above.
unsafe impl Sync for Call<'_> {}

impl<'a> Call<'a> {
    /// # Safety
    /// `raw` is null or a table that lives, unchanged, for `'a`, with functions that keep the rules of the header.
    pub(crate) unsafe fn from_raw(raw: *const WgCall) -> Result<Self> {
        // SAFETY: the caller's promise is the callee's.
        let raw = unsafe { table_from(raw) }?;
        Ok(Self { raw, live: Mutex::new(()), lifetime: PhantomData })
    }

    pub(crate) fn raw(&self) -> *const WgCall {
        self.raw
    }

    /// `Err(CANCELLED)` once the caller wants no more: `call.check()?` in every loop that does not emit.
    ///
    /// # Errors
    /// `CANCELLED`.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Whether the caller wants no more. Costs one load.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: the table lives, and so does what it points to.
        self.raw.is_cancelled.is_some_and(|is_cancelled| unsafe { is_cancelled(self.raw) })
    }

    /// How many threads this call may use, itself included: at least 1.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.raw.threads.max(1) as usize
    }

    /// Writes to the log of the run.
    pub fn log(&self, level: Level, message: &str) {
        if let Some(log) = self.raw.log {
            // SAFETY: the table lives; the message is borrowed for the call.
            unsafe { log(self.raw, level.code(), WgStr::new(message)) };
        }
    }

    /// `done` of `total` units of work (model evaluations, say) are done; `total` 0: not known.
    ///
    /// # Errors
    /// `CANCELLED` after a stop.
    pub fn progress(&self, done: u64, total: u64) -> Result<()> {
        self.emit_plain(abi::WG_EVENT_PROGRESS, done, total, "")
    }

    /// As [`Call::progress`], naming the stage that is under way.
    ///
    /// # Errors
    /// `CANCELLED` after a stop.
    pub fn stage(&self, done: u64, total: u64, stage: &str) -> Result<()> {
        self.emit_plain(abi::WG_EVENT_PROGRESS, done, total, &to_json(&json::ProgressMeta { stage: stage.into() })?)
    }

    /// Named numbers of this moment: an objective, a divergence, a gap.
    ///
    /// # Errors
    /// `CANCELLED` after a stop; `INTERNAL` naming a number that is not finite.
    pub fn metrics(&self, metrics: &[(&str, f64)]) -> Result<()> {
        if let Some((name, value)) = metrics.iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::internal(format!("metric '{name}' is {value}, not a finite number")));
        }
        let metrics: serde_json::Map<_, _> =
            metrics.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        self.emit_plain(abi::WG_EVENT_METRICS, 0, 0, &to_json(&metrics)?)
    }

    /// Something that the person who looks at the result should know; `reason` is UPPER_SNAKE.
    ///
    /// # Errors
    /// `CANCELLED` after a stop.
    pub fn notice(&self, reason: &str, message: &str) -> Result<()> {
        let notice = json::NoticeMeta { reason: reason.into(), message: message.into() };
        self.emit_plain(abi::WG_EVENT_NOTICE, 0, 0, &to_json(&notice)?)
    }

    /// The parameters, where those marked `x-live` have changed since the last asking.
    #[must_use]
    pub fn live_params<P: DeserializeOwned>(&self) -> Option<P> {
        let live_params = self.raw.live_params?;
        let _turn = self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = WgStr::EMPTY;
        // SAFETY: the table lives; `text` is written before true is returned.
        if !unsafe { live_params(self.raw, &raw mut text) } {
            return None;
        }
        // SAFETY: valid until the next asking, which waits for `_turn`.
        let parsed = unsafe { str_from(text) }.map_err(Error::from).and_then(crate::schema::parse);
        parsed.inspect_err(|error| self.log(Level::Error, &format!("live parameters were ignored: {error}"))).ok()
    }

    /// Emits the map `artifact`.
    #[must_use]
    pub fn map<'b>(&'b self, artifact: &'b str) -> Emitter<'b, Map> {
        Emitter::new(self, artifact)
    }

    /// Emits the image `artifact`.
    #[must_use]
    pub fn image<'b>(&'b self, artifact: &'b str) -> Emitter<'b, Image> {
        Emitter::new(self, artifact)
    }

    /// Emits the points `artifact`.
    #[must_use]
    pub fn points<'b>(&'b self, artifact: &'b str) -> Emitter<'b, Points> {
        Emitter::new(self, artifact)
    }

    /// Emits the matrix `artifact`.
    #[must_use]
    pub fn matrix<'b>(&'b self, artifact: &'b str) -> Emitter<'b, Matrix> {
        Emitter::new(self, artifact)
    }

    /// Emits the series `artifact`.
    #[must_use]
    pub fn series<'b>(&'b self, artifact: &'b str) -> Emitter<'b, Series> {
        Emitter::new(self, artifact)
    }

    /// Emits the table `artifact`.
    #[must_use]
    pub fn table<'b>(&'b self, artifact: &'b str) -> Emitter<'b, Table> {
        Emitter::new(self, artifact)
    }

    fn emit_plain(&self, kind: u32, step: u64, total: u64, meta: &str) -> Result<()> {
        self.emit(&WgEvent {
            struct_size: size_of::<WgEvent>(),
            kind,
            artifact_kind: 0,
            artifact: WgStr::EMPTY,
            step,
            total,
            y: 0,
            x: 0,
            tensor: ptr::null(),
            standard_error: ptr::null(),
            meta: WgStr::new(meta),
        })
    }

    pub(crate) fn emit(&self, event: &WgEvent) -> Result<()> {
        let Some(emit) = self.raw.emit else {
            return Err(Error::from(abi::safe::Violation::Null { what: "WgCall.emit" }));
        };
        // SAFETY: the table lives; everything that the event borrows outlives the call.
        match unsafe { emit(self.raw, event) } {
            WG_OK => Ok(()),
            status => Err(Error::from_code(status, "emit")),
        }
    }

    pub(crate) fn fail(&self, error: &Error) {
        self.fail_with(error.status.code(), &error.reason, &error.field, &error.message);
    }

    pub(crate) fn fail_with(&self, status: WgStatus, reason: &str, field: &str, message: &str) {
        if let Some(fail) = self.raw.fail {
            // SAFETY: the table lives; the strings are borrowed for the call.
            unsafe { fail(self.raw, status, WgStr::new(reason), WgStr::new(field), WgStr::new(message)) };
        }
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(format!("an event's meta: {error}")))
}
