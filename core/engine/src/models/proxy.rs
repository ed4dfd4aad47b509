//! The model that a technique is handed: a table of ours in front of the back end's. Every call through it is checked,
//! counted, timed, can be paused and cancelled.

use std::ffi::c_void;
use std::sync::Arc;

use whyglass_abi::safe::{Elements, OwnedTensor, TensorRef, Violation, slice_from, str_from, table_from};
use whyglass_abi::{
    OCCLUDE, WG_F32, WG_INVALID_ARGUMENT, WG_OK, WG_UNIMPLEMENTED, WgCall, WgModel, WgNamedTensor, WgOwned, WgStatus,
    WgStr, WgTensor, WgVjp,
};

use super::activations::{Asked, bitwise};
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
    /// What the run is about, where that is one picture and what it gives is remembered.
    picture: Option<Arc<Vec<f32>>>,
}

impl Proxy {
    pub(crate) fn new(model: &Arc<LoadedModel>, call: &Arc<Call>, picture: Option<Arc<Vec<f32>>>) -> Box<Self> {
        let picture = picture.filter(|_| model.activations.is_on());
        Box::new(Self { model: Arc::clone(model), call: Arc::clone(call), picture })
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

/// What the model gives for a picture at the first of `fetches`, from inside the engine. The others are asked for with it.
pub(super) fn forward(
    model: &LoadedModel,
    call: &Arc<Call>,
    picture: &Arc<Vec<f32>>,
    fetches: &[&str],
) -> Result<Vec<f32>> {
    let [height, width] = model.input();
    let shape = [1, 3, height as i64, width as i64];
    let tensor = TensorRef { shape: &shape, elements: Elements::F32(picture) }.to_raw();
    let feed = WgNamedTensor { name: WgStr::new("input"), tensor };
    let asked = Asked { picture, fetches, threads: call.threads() };
    let names: Vec<WgStr> = fetches.iter().map(|fetch| WgStr::new(fetch)).collect();
    let mut out: Vec<WgOwned> = fetches.iter().map(|_| WgOwned::EMPTY).collect();
    let status = model.invoke_or_recall(call, asked, &mut out, |table, call, out| match table.run {
        // SAFETY: the table is the back end's, and everything that is lent lives until it returns.
        Some(run) => unsafe { run(table.self_, call, &raw const feed, 1, names.as_ptr(), names.len(), out) },
        None => WG_UNIMPLEMENTED,
    });
    if status != WG_OK {
        return Err(call.failure(status, &format!("the model '{}'", model.name())));
    }
    let mut tensors = Vec::with_capacity(out.len());
    for entry in out {
        // SAFETY: `invoke` has checked the entry, and it is ours.
        tensors.push(unsafe { OwnedTensor::from_raw(entry) });
    }
    let first = tensors.into_iter().next().ok_or_else(|| Error::internal("NO_FETCH", "nothing was asked for"))?;
    first.map(OwnedTensor::into_data).map_err(|error| Error::internal("BAD_TENSOR", error.to_string()))
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
        let fed = unsafe { proxy.feeds(feeds, n_feeds) }?;
        // SAFETY: as above.
        let names = unsafe { proxy.names(fetches, n_fetches, "fetch") }?;
        Ok((fed, names, out))
    })();
    let (fed, names, out) = match checked {
        Ok(checked) => checked,
        Err(error) => return proxy.refuse(error),
    };
    let body = |table: &WgModel, call: &WgCall, out: *mut WgOwned| match table.run {
        // SAFETY: the back end's own table; what is lent to us is lent on, and has been checked.
        Some(run) => unsafe { run(table.self_, call, feeds, n_feeds, fetches, n_fetches, out) },
        None => WG_UNIMPLEMENTED,
    };
    let (model, call) = (&proxy.model, &proxy.call);
    match proxy.picture_in(&fed) {
        Some(picture) => {
            let asked = Asked { picture, fetches: &names, threads: call.threads() };
            model.invoke_or_recall(call, asked, out, body)
        }
        None => model.invoke(call, fed.rows, out, body),
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
            let rows = proxy.feeds(query.feeds, query.n_feeds)?.rows;
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

/// What a call feeds.
struct Fed<'a> {
    rows: u64,
    /// Where nothing but this is fed.
    input: Option<TensorRef<'a>>,
}

impl Proxy {
    /// Checks the feeds.
    ///
    /// # Safety
    /// The technique lends the entries, and what they point to.
    unsafe fn feeds<'a>(&self, feeds: *const WgNamedTensor, count: usize) -> Result<Fed<'a>> {
        // SAFETY: the caller's promise.
        let feeds: &'a [WgNamedTensor] = unsafe { slice_from(feeds, count, "the feeds") }.map_err(invalid)?;
        let mut fed = Fed { rows: 1, input: None };
        for feed in feeds {
            // SAFETY: the caller's promise.
            let (name, tensor) = unsafe { self.named(feed) }?;
            fed.rows = tensor.shape.first().map_or(fed.rows, |&first| fed.rows.max(first.unsigned_abs()));
            fed.input = (count == 1 && name == "input").then_some(tensor);
        }
        Ok(fed)
    }

    /// The run's picture, where that is all that is fed.
    fn picture_in(&self, fed: &Fed<'_>) -> Option<&Arc<Vec<f32>>> {
        let (picture, tensor) = (self.picture.as_ref()?, fed.input?);
        let [height, width] = self.model.input();
        let one = tensor.shape == [1, 3, height as i64, width as i64];
        (one && tensor.f32().is_ok_and(|data| bitwise(data, picture))).then_some(picture)
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
    unsafe fn named<'a>(&self, entry: &'a WgNamedTensor) -> Result<(&'a str, TensorRef<'a>)> {
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
        Ok((name, checked))
    }

    /// # Safety
    /// As [`Proxy::feeds`].
    unsafe fn names<'a>(&self, names: *const WgStr, count: usize, what: &str) -> Result<Vec<&'a str>> {
        // SAFETY: the caller's promise.
        let names: &'a [WgStr] = unsafe { slice_from(names, count, "the list of nodes") }.map_err(invalid)?;
        let known = |&name: &WgStr| {
            // SAFETY: the caller's promise.
            let name = unsafe { str_from(name) }.map_err(invalid)?;
            self.known(name, what).map(|()| name)
        };
        names.iter().map(known).collect()
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
