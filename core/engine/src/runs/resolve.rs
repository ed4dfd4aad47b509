//! A technique's own say in its parameters: what depends on the model is filled in by `resolve`, before a run exists, so
//! that what cannot be is an error of the request. It is code of a plugin, so it may take its time only so long.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Map, Value};
use whyglass_abi::safe::str_from;
use whyglass_abi::{WG_OK, WG_PANIC, WgStr};

use crate::call::{Call, Silent};
use crate::error::{Error, Result};
use crate::models::LoadedModel;
use crate::models::proxy::Proxy;
use crate::plugins::Technique;

/// The parameters with everything filled in. Fields of errors begin at `params`.
pub(super) fn resolve(
    technique: &Arc<Technique>,
    model: &Arc<LoadedModel>,
    params: Map<String, Value>,
    patience: Duration,
    threads: u32,
) -> Result<Map<String, Value>> {
    if technique.table.resolve.is_none() {
        return Ok(params);
    }
    let (send, receive) = mpsc::channel();
    let silent = Silent::new(&technique.plugin);
    let call = Call::new(Arc::clone(&silent) as Arc<_>, threads);
    let (its_technique, its_model) = (Arc::clone(technique), Arc::clone(model));
    let thread = std::thread::Builder::new().name(format!("resolve-{}", technique.id)).spawn(move || {
        // Whoever asked may have lost patience; then nobody is there to hear it.
        let _ = send.send(ask(&its_technique, &its_model, &call, &params));
    });
    thread.map_err(|error| Error::internal("NO_THREAD", format!("no thread to resolve parameters: {error}")))?;
    let text = receive.recv_timeout(patience).unwrap_or_else(|_| {
        silent.cancel();
        technique.strike();
        let message = format!("the technique '{}' takes too long to fill in its parameters", technique.id);
        Err(Error::internal("PLUGIN_UNRESPONSIVE", message))
    })?;
    let given = serde_json::from_str(&text).map_err(|error| {
        Error::internal("PLUGIN_ERROR", format!("'{}' resolves to bad JSON: {error}", technique.id))
    })?;
    technique.complete(&given).map_err(|error| {
        let message = format!("'{}' resolves to parameters that its own schema refuses: {error}", technique.id);
        Error::internal("PLUGIN_ERROR", message)
    })
}

fn ask(
    technique: &Technique,
    model: &Arc<LoadedModel>,
    call: &Arc<Call>,
    params: &Map<String, Value>,
) -> Result<String> {
    let text = serde_json::to_string(params).map_err(|error| Error::internal("PARAMS", error.to_string()))?;
    let Some(resolve) = technique.table.resolve else { return Ok(text) };
    let _in_use = technique.enter()?;
    let proxy = Proxy::new(model, call, None);
    let (table, its_call) = (proxy.table(), call.table());
    let mut answer: Option<Result<String, String>> = None;
    // SAFETY: everything that is lent lives until `resolve` returns, and `put` is called only until then.
    let status = unsafe {
        resolve(&raw const its_call, &raw const table, WgStr::new(&text), (&raw mut answer).cast(), Some(put))
    };
    let what = format!("the technique '{}'", technique.id);
    match (status, answer) {
        (WG_OK, Some(Ok(answer))) => Ok(answer),
        (WG_OK, Some(Err(why))) => Err(Error::internal("PLUGIN_ERROR", format!("{what} resolves to no text: {why}"))),
        (WG_OK, None) => Ok(text),
        (status, _) => {
            let error = call.failure(status, &what);
            if status == WG_PANIC {
                technique.disable(&error.message);
            }
            Err(if error.field.is_empty() { error } else { error.within("params") })
        }
    }
}

unsafe extern "C" fn put(ctx: *mut c_void, resolved: WgStr) {
    // SAFETY: `ctx` is what `ask` has lent, and it waits.
    if let Some(answer) = unsafe { ctx.cast::<Option<Result<String, String>>>().as_mut() } {
        // SAFETY: the plugin lends the text for this call.
        let text = unsafe { str_from(resolved) };
        *answer = Some(text.map(str::to_owned).map_err(|violation| violation.to_string()));
    }
}
