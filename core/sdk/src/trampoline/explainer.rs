//! `WgExplainer` for a type that implements [`Explainer`].

use super::foreign::{ForeignModel, with_request};
use super::{guard, instance};
use crate::{Error, Explainer, Model, schema};
use core::ffi::c_void;
use whyglass_abi::safe::{Violation, str_from};
use whyglass_abi::{WgCall, WgExplainer, WgModel, WgRequest, WgStatus, WgStr};

/// The table of an exported technique; it lives as long as the process.
pub(super) fn table<E: Explainer>(explainer: &E) -> &'static WgExplainer {
    let mut descriptor = explainer.descriptor();
    if descriptor.params.is_null() {
        descriptor.params = schema::of::<E::Params>();
    }
    let text = serde_json::to_string(&descriptor).expect("a descriptor is made of strings, numbers and JSON");
    Box::leak(Box::new(WgExplainer {
        struct_size: size_of::<WgExplainer>(),
        id: WgStr::new(E::ID),
        descriptor: WgStr::new(Box::leak(text.into_boxed_str())),
        resolve: Some(resolve::<E>),
        explain: Some(explain::<E>),
    }))
}

unsafe extern "C" fn resolve<E: Explainer>(
    call: *const WgCall,
    model: *const WgModel,
    params: WgStr,
    ctx: *mut c_void,
    put: Option<unsafe extern "C" fn(ctx: *mut c_void, resolved: WgStr)>,
) -> WgStatus {
    let body = |call: &crate::Call<'_>| {
        let put = put.ok_or(Violation::Null { what: "resolve's put" })?;
        // SAFETY: the host keeps the model alive until this returns.
        let model = unsafe { ForeignModel::from_raw(model) }?;
        // SAFETY: the host keeps the parameters alive until this returns.
        let params = schema::parse(unsafe { str_from(params) }?)?;
        let resolved = instance::<E>()?.resolve(call, &model as &dyn Model, params)?;
        let text = serde_json::to_string(&resolved)
            .map_err(|error| Error::internal(format!("the resolved parameters of {}: {error}", E::ID)))?;
        // SAFETY: the host's function, with the host's context; the string is borrowed for the call.
        unsafe { put(ctx, WgStr::new(&text)) };
        Ok(())
    };
    // SAFETY: the host keeps the call alive until this returns.
    unsafe { guard(call, body) }
}

unsafe extern "C" fn explain<E: Explainer>(
    call: *const WgCall,
    model: *const WgModel,
    request: *const WgRequest,
    params: WgStr,
) -> WgStatus {
    let body = |call: &crate::Call<'_>| {
        // SAFETY: the host keeps the model alive until this returns.
        let model = unsafe { ForeignModel::from_raw(model) }?;
        // SAFETY: the host keeps the parameters alive until this returns.
        let params = schema::parse(unsafe { str_from(params) }?)?;
        // SAFETY: the host keeps the request alive until this returns.
        unsafe { with_request(request, |request| instance::<E>()?.explain(call, &model, request, &params)) }
    };
    // SAFETY: the host keeps the call alive until this returns.
    unsafe { guard(call, body) }
}
