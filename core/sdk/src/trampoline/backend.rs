//! `WgBackend` for a type that implements [`Backend`], and `WgModel` for the models that it loads.

use super::{contain, guard, instance, named_from, names_from};
use crate::{Backend, Cotangent, Error, Model, Result, Rule, Tensor, TensorView, Vjp, json};
use core::ffi::c_void;
use core::ptr;
use std::path::Path;
use whyglass_abi::safe::{Violation, str_from, table_from};
use whyglass_abi::{
    WG_RULE_DECONVNET, WG_RULE_GUIDED, WgBackend, WgCall, WgModel, WgNamedTensor, WgOwned, WgStatus, WgStr, WgVjp,
};

/// The table of an exported back end; it lives as long as the process.
pub(super) fn table<B: Backend>(backend: &B) -> &'static WgBackend {
    let text = serde_json::to_string(&backend.descriptor()).expect("a descriptor is made of strings");
    Box::leak(Box::new(WgBackend {
        struct_size: size_of::<WgBackend>(),
        id: WgStr::new(B::ID),
        descriptor: WgStr::new(Box::leak(text.into_boxed_str())),
        load: Some(load::<B>),
        unload: Some(unload),
    }))
}

/// What `WgModel::self` points to.
struct Loaded {
    model: Box<dyn Model>,
    descriptor: String,
}

unsafe extern "C" fn load<B: Backend>(call: *const WgCall, path: WgStr, options: WgStr, out: *mut WgModel) -> WgStatus {
    let body = |call: &crate::Call<'_>| {
        // SAFETY: the host keeps the table alive and has set its size; the reference ends before it is written.
        let struct_size = unsafe { table_from(out) }?.struct_size;
        // SAFETY: the host keeps both strings alive until this returns.
        let (path, options) = unsafe { (str_from(path)?, str_from(options)?) };
        let options: json::LoadOptions = crate::schema::parse(options)?;
        let model = instance::<B>()?.load(call, Path::new(path), options)?;
        let descriptor = serde_json::to_string(model.descriptor())
            .map_err(|error| Error::internal(format!("the descriptor of the model {path}: {error}")))?;
        let vjp: Option<unsafe extern "C" fn(_, _, _, _) -> _> = if model.has_vjp() { Some(vjp) } else { None };
        let extension: Option<unsafe extern "C" fn(_, _) -> _> =
            if model.has_occlude() { Some(super::occlude::extension) } else { None };
        let loaded = Box::new(Loaded { model, descriptor });
        let descriptor = WgStr::new(&loaded.descriptor);
        let self_ = Box::into_raw(loaded).cast();
        // SAFETY: `table_from` has seen that there is room for the table of 1.0; nothing beyond it is written.
        unsafe { out.write(WgModel { struct_size, self_, descriptor, run: Some(run), vjp, extension }) };
        Ok(())
    };
    // SAFETY: the host keeps the call alive until this returns.
    unsafe { guard(call, body) }
}

unsafe extern "C" fn unload(model: *mut WgModel) {
    contain((), || {
        // SAFETY: the host hands back the table that `load` filled, after its last call has returned.
        let Some(model) = (unsafe { model.as_mut() }) else { return };
        let self_ = core::mem::replace(&mut model.self_, ptr::null_mut());
        (model.run, model.vjp, model.descriptor) = (None, None, WgStr::EMPTY);
        if !self_.is_null() {
            // SAFETY: `self_` came from `Box::into_raw` in `load`, and is forgotten above.
            drop(unsafe { Box::from_raw(self_.cast::<Loaded>()) });
        }
    });
}

/// # Safety
/// `self_` is null or what `load` put into the table, not yet unloaded.
pub(super) unsafe fn model_from<'a>(self_: *mut c_void) -> Result<&'a dyn Model> {
    // SAFETY: the caller's promise.
    match unsafe { self_.cast::<Loaded>().as_ref() } {
        Some(loaded) => Ok(&*loaded.model),
        None => Err(Violation::Null { what: "WgModel.self" }.into()),
    }
}

/// Empties the out entries, so that they are right whatever happens next.
///
/// # Safety
/// `out` is null or has `count` entries that may be written.
unsafe fn clear(out: *mut WgOwned, count: usize) -> Result<()> {
    if count > 0 && out.is_null() {
        return Err(Violation::Null { what: "the out entries" }.into());
    }
    for index in 0..count {
        // SAFETY: the caller promises `count` entries.
        unsafe { out.add(index).write(WgOwned::EMPTY) };
    }
    Ok(())
}

/// # Safety
/// `out` has room for the tensors.
unsafe fn fill(out: *mut WgOwned, tensors: impl IntoIterator<Item = Tensor>) {
    for (index, tensor) in tensors.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { out.add(index).write(tensor.into_raw()) };
    }
}

fn expect_count(what: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::internal(format!("the back end returned {found} {what} where {wanted} were asked for")))
}

unsafe extern "C" fn run(
    self_: *mut c_void,
    call: *const WgCall,
    feeds: *const WgNamedTensor,
    n_feeds: usize,
    fetches: *const WgStr,
    n_fetches: usize,
    out: *mut WgOwned,
) -> WgStatus {
    let body = |call: &crate::Call<'_>| {
        // SAFETY: the host passes a loaded model, and arguments and entries that live until this returns.
        unsafe {
            clear(out, n_fetches)?;
            let model = model_from(self_)?;
            let feeds = named_from(feeds, n_feeds, "run's feeds", |entry| TensorView::from_raw(&entry.tensor))?;
            let fetches = names_from(fetches, n_fetches, "run's fetches")?;
            let tensors = model.run(call, &feeds, &fetches)?;
            expect_count("values", tensors.len(), n_fetches)?;
            fill(out, tensors);
        }
        Ok(())
    };
    // SAFETY: the host keeps the call alive until this returns.
    unsafe { guard(call, body) }
}

unsafe extern "C" fn vjp(self_: *mut c_void, call: *const WgCall, query: *const WgVjp, out: *mut WgOwned) -> WgStatus {
    let body = |call: &crate::Call<'_>| {
        // SAFETY: as in `run`.
        unsafe {
            let raw = table_from(query)?;
            let entries = raw.n_wrt.checked_add(raw.n_fetches).ok_or(Violation::TooLong { what: "WgVjp.wrt" })?;
            clear(out, entries)?;
            let model = model_from(self_)?;
            let feeds = named_from(raw.feeds, raw.n_feeds, "WgVjp.feeds", |entry| TensorView::from_raw(&entry.tensor))?;
            let cotangents = named_from(raw.cotangents, raw.n_cotangents, "WgVjp.cotangents", |entry| {
                if entry.tensor.data.is_null() {
                    return Ok(Cotangent::Itself);
                }
                TensorView::from_raw(&entry.tensor).map(Cotangent::Tensor)
            })?;
            let wrt = names_from(raw.wrt, raw.n_wrt, "WgVjp.wrt")?;
            let fetches = names_from(raw.fetches, raw.n_fetches, "WgVjp.fetches")?;
            let rule = match raw.rule {
                WG_RULE_GUIDED => Rule::Guided,
                WG_RULE_DECONVNET => Rule::Deconvnet,
                _ => Rule::Standard,
            };
            let query = Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &wrt, fetches: &fetches, rule };
            let gradients = model.vjp(call, &query)?;
            expect_count("gradients", gradients.wrt.len(), raw.n_wrt)?;
            expect_count("values", gradients.fetches.len(), raw.n_fetches)?;
            fill(out, gradients.wrt.into_iter().chain(gradients.fetches));
        }
        Ok(())
    };
    // SAFETY: the host keeps the call alive until this returns.
    unsafe { guard(call, body) }
}
