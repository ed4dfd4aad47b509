//! The functions behind the tables: they turn raw arguments into safe ones, and errors and panics into statuses.
//!
//! Responsible for rule 5 of the ABI: nothing unwinds over the line. What a technique or a model does with its
//! arguments is not looked at here.

mod backend;
mod explainer;
mod foreign;
mod occlude;
pub(crate) mod plugin;

use crate::{Call, Error, Result, Status, host};
use core::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use whyglass_abi::safe::slice_from;
use whyglass_abi::{WG_CANCELLED, WG_INVALID_ARGUMENT, WG_OK, WG_PANIC, WgCall, WgNamedTensor, WgStatus, WgStr};

/// Runs `body` as one call of the host: checks the call, catches a panic, says what a failure means.
///
/// # Safety
/// `call` is null or a table that lives until this returns.
unsafe fn guard(call: *const WgCall, body: impl FnOnce(&Call<'_>) -> Result<()>) -> WgStatus {
    // SAFETY: the caller's promise.
    let Ok(call) = (unsafe { Call::from_raw(call) }) else {
        return WG_INVALID_ARGUMENT; // nobody to tell more
    };
    match catch_unwind(AssertUnwindSafe(|| body(&call))) {
        Ok(Ok(())) => WG_OK,
        Ok(Err(error)) if error.status == Status::Cancelled => WG_CANCELLED,
        Ok(Err(error)) => {
            if !error.reported {
                call.fail(&error);
            }
            error.status.code()
        }
        Err(payload) => {
            let message = panic_message(payload);
            call.fail_with(WG_PANIC, "PANIC", "", &message);
            WG_PANIC
        }
    }
}

/// Runs something that cannot report: a panic ends in the log, by way of the hook.
fn contain<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        panic_message(payload);
        fallback
    })
}

fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let message = match host::payload_text(&*payload) {
        Some(text) => format!("panicked{}: {text}", host::take_panic_place()),
        None => format!("panicked{} with a payload that is not a string", host::take_panic_place()),
    };
    // A payload may panic again while it is dropped, so it never is.
    core::mem::forget(payload);
    message
}

/// The exported values, one per type: the tables carry no pointer of ours, so a function finds its value by its type.
static INSTANCES: Mutex<Vec<&'static (dyn Any + Send + Sync)>> = Mutex::new(Vec::new());

fn register<T: Send + Sync + 'static>(value: T) {
    let mut instances = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(
        !instances.iter().any(|known| known.is::<T>()),
        "two values of the type {} are exported: make it a type each",
        core::any::type_name::<T>(),
    );
    instances.push(Box::leak(Box::new(value)));
}

fn instance<T: Send + Sync + 'static>() -> Result<&'static T> {
    let instances = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
    instances
        .iter()
        .find_map(|known| known.downcast_ref::<T>())
        .ok_or_else(|| Error::internal(format!("{} is not exported", core::any::type_name::<T>())))
}

/// # Safety
/// As [`slice_from`] and [`whyglass_abi::safe::str_from`], for `'a`.
unsafe fn names_from<'a>(ptr: *const WgStr, count: usize, what: &'static str) -> Result<Vec<&'a str>> {
    // SAFETY: the caller's promise.
    let raw: &'a [WgStr] = unsafe { slice_from(ptr, count, what) }?;
    // SAFETY: the caller's promise.
    raw.iter().map(|&name| Ok(unsafe { whyglass_abi::safe::str_from(name) }?)).collect()
}

/// # Safety
/// As [`slice_from`]: the entries live for `'a`.
unsafe fn named_from<'a, T>(
    ptr: *const WgNamedTensor,
    count: usize,
    what: &'static str,
    read: impl Fn(&'a WgNamedTensor) -> Result<T>,
) -> Result<Vec<(&'a str, T)>> {
    // SAFETY: the caller's promise.
    let raw: &'a [WgNamedTensor] = unsafe { slice_from(ptr, count, what) }?;
    raw.iter()
        .map(|entry| {
            // SAFETY: the caller's promise.
            let name = unsafe { whyglass_abi::safe::str_from(entry.name) }?;
            read(entry).map(|value| (name, value)).map_err(|error| error.with_field(name))
        })
        .collect()
}

/// An error of the host's rather than of the plugin's: a status that is not one of an error.
fn expect_ok(status: WgStatus, what: &str) -> Result<()> {
    match status {
        WG_OK => Ok(()),
        status => Err(Error::from_code(status, what)),
    }
}
