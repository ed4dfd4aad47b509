//! The model that a technique is handed: a table of ours in front of the back end's. Every call through it is checked,
//! counted, timed, can be paused and cancelled.

use std::ffi::c_void;
use std::sync::Arc;

use whyglass_abi::safe::{OwnedTensor, TensorRef, Violation, slice_from, str_from, table_from};
use whyglass_abi::{
    OCCLUDE, WG_F32, WG_INVALID_ARGUMENT, WG_OK, WG_UNIMPLEMENTED, WgCall, WgModel, WgNamedTensor, WgOwned, WgStatus,
    WgStr, WgTensor, WgVjp,
};

use super::loaded::LoadedModel;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::suggest;

/// The most feeds, cotangents, gradients or fetches of one call.
const MOST: usize = 1024;
/// The ids that always mean the same.
pub(crate) const RESERVED: [&str; 4] = ["input", "logits", "probabilities", "features"];

/// One model for one call. Whoever hands out its table keeps it until the function that received it has returned.
pub(crate) struct Proxy {
    pub(super) model: Arc<LoadedModel>,
    pub(super) call: Arc<Call>,
}

impl Proxy {
    pub(crate) fn new(model: &Arc<LoadedModel>, call: &Arc<Call>) -> Box<Self> {
        Box::new(Self { model: Arc::clone(model), call: Arc::clone(call) })
    }

    /// The table for a technique. It borrows this proxy without saying so.
    pub(crate) fn table(&self) -> WgModel {
        WgModel {
            struct_size: size_of::<WgModel>(),
            self_: std::ptr::from_ref(self).cast_mut().cast::<c_void>(),
            descriptor: WgStr::new(&self.model.json),
            run: Some(run),
            vjp: if self.model.has_vjp() { Some(vjp) } else { None },
            extension: Some(extension),
        }
    }

    pub(super) fn refuse(&self, error: Error) -> WgStatus {
        let status = error.code.number();
        self.call.fail(error);
        status
    }
}

/// Runs the model once, from inside the engine.
pub(super) fn forward(
    model: &LoadedModel,
    call: &Arc<Call>,
    (name, shape, data): (&str, &[i64], &[f32]),
    fetch: &str,
) -> Result<Vec<f32>> {
    let tensor = TensorRef { shape, elements: whyglass_abi::safe::Elements::F32(data) }.to_raw();
    let feed = WgNamedTensor { name: WgStr::new(name), tensor };
    let fetch = WgStr::new(fetch);
    let mut out = [WgOwned::EMPTY];
    let rows = shape.first().map_or(1, |&rows| rows.unsigned_abs());
    let status = model.invoke(call, rows, &mut out, |table, call, out| match table.run {
        // SAFETY: the table is the back end's, and everything that is lent lives until it returns.
        Some(run) => unsafe { run(table.self_, call, &raw const feed, 1, &raw const fetch, 1, out) },
        None => WG_UNIMPLEMENTED,
    });
    if status != WG_OK {
        return Err(call.failure(status, &format!("the model '{}'", model.name())));
    }
    let [entry] = out;
    // SAFETY: `invoke` has checked the entry, and it is ours.
    let tensor = unsafe { OwnedTensor::from_raw(entry) };
    tensor.map(OwnedTensor::into_data).map_err(|error| Error::internal("BAD_TENSOR", error.to_string()))
}

/// # Safety
/// `this` is the `self` of a table that [`Proxy::table`] has made, and its proxy is still alive.
pub(super) unsafe fn behind<'a>(this: *mut c_void) -> Option<&'a Proxy> {
    // SAFETY: the caller's promise.
    unsafe { this.cast_const().cast::<Proxy>().as_ref() }
}

/// The caller's out entries, emptied.
///
/// # Safety
/// `out`, where it is not null, points to `count` entries that the caller lends, initialised or not.
unsafe fn outs<'a>(out: *mut WgOwned, count: usize) -> Result<&'a mut [WgOwned], Violation> {
    if count == 0 {
        return Ok(&mut []);
    }
    if count > isize::MAX as usize / size_of::<WgOwned>() {
        return Err(Violation::TooLong { what: "the out entries" });
    }
    if out.is_null() {
        return Err(Violation::Null { what: "the out entries" });
    }
    if !out.is_aligned() {
        return Err(Violation::Misaligned { what: "the out entries" });
    }
    for index in 0..count {
        // SAFETY: the caller's promise; `write` drops nothing, so the memory need not be initialised.
        unsafe { out.add(index).write(WgOwned::EMPTY) };
    }
    // SAFETY: `count` entries that have just been written, lent to this call alone.
    Ok(unsafe { std::slice::from_raw_parts_mut(out, count) })
}

unsafe extern "C" fn run(
    this: *mut c_void,
    _call: *const WgCall,
    feeds: *const WgNamedTensor,
    n_feeds: usize,
    fetches: *const WgStr,
    n_fetches: usize,
    out: *mut WgOwned,
) -> WgStatus {
    // SAFETY: the technique lends its entries until the call returns. Emptied first, so that they are right whatever
    // happens next.
    let out = unsafe { outs(out, n_fetches) };
    // SAFETY: a technique hands back the `self` that it was given, while its call runs.
    let Some(proxy) = (unsafe { behind(this) }) else { return WG_INVALID_ARGUMENT };
    let checked = (|| {
        let out = out.map_err(invalid)?;
        few(n_feeds.saturating_add(n_fetches))?;
        // SAFETY: the technique lends all of this until the call returns.
        let rows = unsafe { proxy.feeds(feeds, n_feeds) }?;
        // SAFETY: as above.
        unsafe { proxy.names(fetches, n_fetches, "fetch") }?;
        Ok((rows, out))
    })();
    match checked {
        Ok((rows, out)) => proxy.model.invoke(&proxy.call, rows, out, |table, call, out| match table.run {
            // SAFETY: the back end's own table; what is lent to us is lent on, and has been checked.
            Some(run) => unsafe { run(table.self_, call, feeds, n_feeds, fetches, n_fetches, out) },
            None => WG_UNIMPLEMENTED,
        }),
        Err(error) => proxy.refuse(error),
    }
}

unsafe extern "C" fn vjp(this: *mut c_void, _call: *const WgCall, vjp: *const WgVjp, out: *mut WgOwned) -> WgStatus {
    // SAFETY: as in `run`.
    let Some(proxy) = (unsafe { behind(this) }) else { return WG_INVALID_ARGUMENT };
    let checked = (|| {
        // SAFETY: the technique lends all of this until the call returns.
        unsafe {
            let query = table_from(vjp).map_err(invalid)?;
            // Emptied first, as in `run`.
            let out = outs(out, query.n_wrt.saturating_add(query.n_fetches)).map_err(invalid)?;
            few(query
                .n_feeds
                .saturating_add(query.n_cotangents)
                .saturating_add(query.n_wrt)
                .saturating_add(query.n_fetches))?;
            let rows = proxy.feeds(query.feeds, query.n_feeds)?;
            proxy.cotangents(query.cotangents, query.n_cotangents)?;
            proxy.names(query.wrt, query.n_wrt, "wrt")?;
            proxy.names(query.fetches, query.n_fetches, "fetch")?;
            Ok((rows, out))
        }
    })();
    match checked {
        Ok((rows, out)) => proxy.model.invoke(&proxy.call, rows, out, |table, call, out| match table.vjp {
            // SAFETY: as in `run`.
            Some(run) => unsafe { run(table.self_, call, vjp, out) },
            None => WG_UNIMPLEMENTED,
        }),
        Err(error) => proxy.refuse(error),
    }
}

unsafe extern "C" fn extension(this: *mut c_void, id: WgStr) -> *const c_void {
    // SAFETY: as in `run`; the technique lends the string for the call.
    let (proxy, id) = unsafe { (behind(this), str_from(id)) };
    // Only those that the engine wraps are forwarded: another would run uncounted.
    match (proxy, id) {
        (Some(proxy), Ok(OCCLUDE)) if proxy.model.occlude.is_some() => (&raw const super::occlude::TABLE).cast(),
        _ => std::ptr::null(),
    }
}

pub(super) fn invalid(violation: Violation) -> Error {
    Error::new(crate::Code::InvalidArgument, "INVALID_CALL", format!("a call of the model: {violation}"))
}

fn few(count: usize) -> Result<()> {
    if count <= MOST {
        return Ok(());
    }
    Err(Error::new(
        crate::Code::InvalidArgument,
        "INVALID_CALL",
        format!("a call of the model names {count} nodes, more than {MOST}"),
    ))
}

impl Proxy {
    /// Checks the feeds; how many rows they have.
    ///
    /// # Safety
    /// The technique lends the entries, and what they point to.
    unsafe fn feeds(&self, feeds: *const WgNamedTensor, count: usize) -> Result<u64> {
        // SAFETY: the caller's promise.
        let feeds = unsafe { slice_from(feeds, count, "the feeds") }.map_err(invalid)?;
        let mut rows = 1;
        for feed in feeds {
            // SAFETY: the caller's promise.
            let shape = unsafe { self.named(feed) }?;
            rows = shape.first().map_or(rows, |&first| rows.max(first.unsigned_abs()));
        }
        Ok(rows)
    }

    /// # Safety
    /// As [`Proxy::feeds`].
    unsafe fn cotangents(&self, cotangents: *const WgNamedTensor, count: usize) -> Result<()> {
        // SAFETY: the caller's promise.
        for cotangent in unsafe { slice_from(cotangents, count, "the cotangents") }.map_err(invalid)? {
            if cotangent.tensor.data.is_null() {
                // The node's own value.
                // SAFETY: the caller's promise.
                self.known(unsafe { str_from(cotangent.name) }.map_err(invalid)?, "cotangent")?;
            } else {
                // SAFETY: the caller's promise.
                unsafe { self.named(cotangent) }?;
            }
        }
        Ok(())
    }

    /// # Safety
    /// As [`Proxy::feeds`].
    unsafe fn named<'a>(&self, entry: &'a WgNamedTensor) -> Result<&'a [i64]> {
        // SAFETY: the caller's promise.
        let name = unsafe { str_from(entry.name) }.map_err(invalid)?;
        self.known(name, "feed")?;
        let tensor: &WgTensor = &entry.tensor;
        // SAFETY: the caller's promise.
        let checked = unsafe { TensorRef::from_raw(tensor) }.map_err(|error| invalid(error).at(name))?;
        if tensor.dtype != WG_F32 {
            return Err(invalid(Violation::Dtype { found: tensor.dtype, wanted: "float32 (1)" }).at(name));
        }
        if checked.shape.contains(&0) || checked.shape.is_empty() {
            let message = format!("'{name}' is fed a tensor of shape {:?}, which is empty", checked.shape);
            return Err(Error::invalid(name, "INVALID_CALL", message));
        }
        Ok(checked.shape)
    }

    /// # Safety
    /// As [`Proxy::feeds`].
    unsafe fn names(&self, names: *const WgStr, count: usize, what: &str) -> Result<()> {
        // SAFETY: the caller's promise.
        for &name in unsafe { slice_from(names, count, "the list of nodes") }.map_err(invalid)? {
            // SAFETY: the caller's promise.
            self.known(unsafe { str_from(name) }.map_err(invalid)?, what)?;
        }
        Ok(())
    }

    /// Names an unknown node with the nearest known one. A back end may know values that it does not list as layers, so
    /// only a model that lists none at all is asked blindly.
    pub(super) fn known(&self, id: &str, what: &str) -> Result<()> {
        let layers = &self.model.descriptor.layers;
        if RESERVED.contains(&id) || layers.is_empty() || layers.iter().any(|layer| layer.id == id) {
            return Ok(());
        }
        let known = RESERVED.into_iter().chain(layers.iter().map(|layer| layer.id.as_str()));
        let message = format!("{what}: {}", suggest::unknown("node", id, known));
        Err(Error::invalid(id, "UNKNOWN_NODE", message))
    }
}
