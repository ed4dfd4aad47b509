//! Tables and events by hand, without any of the SDK's checks.

use core::ptr;
use whyglass_abi::*;

/// `WgExplainer::explain`.
pub(crate) type Explain = unsafe extern "C" fn(*const WgCall, *const WgModel, *const WgRequest, WgStr) -> WgStatus;

/// The schema of a technique without parameters.
pub(crate) const NO_PARAMS: &str = r#"{"type": "object", "properties": {}, "additionalProperties": false}"#;

/// The table of a technique that declares one map called `map`.
pub(crate) fn table(id: &'static str, params: &str, explain: Explain) -> *const WgExplainer {
    let descriptor = format!(
        r#"{{"title": "{id}", "family": "hostile", "artifacts": [{{"id": "map", "kind": "map"}}], "params": {params}}}"#
    );
    Box::leak(Box::new(WgExplainer {
        struct_size: size_of::<WgExplainer>(),
        id: WgStr::new(id),
        descriptor: WgStr::new(descriptor.leak()),
        resolve: None,
        explain: Some(explain),
    }))
}

/// An event of `kind` for the map called `map`.
pub(crate) fn event(kind: u32, tensor: *const WgTensor) -> WgEvent {
    WgEvent {
        struct_size: size_of::<WgEvent>(),
        kind,
        artifact_kind: WG_ARTIFACT_MAP,
        artifact: WgStr::new("map"),
        step: 0,
        total: 0,
        y: 0,
        x: 0,
        tensor,
        standard_error: ptr::null(),
        meta: WgStr::EMPTY,
    }
}

/// A tensor that says it is float32 of `shape`, whatever lies behind `data`.
pub(crate) fn tensor(shape: &[i64], data: *const f32) -> WgTensor {
    let rank = u32::try_from(shape.len()).expect("a handful of dimensions");
    WgTensor { data: data.cast_mut().cast(), shape: shape.as_ptr(), rank, dtype: WG_F32 }
}

/// Emits, whatever the event.
///
/// # Safety
/// `call` is the host's, while it runs. The event may lie, but only in ways that the host can see.
pub(crate) unsafe fn emit(call: *const WgCall, event: &WgEvent) -> WgStatus {
    // SAFETY: the caller's promise.
    unsafe { (*call).emit.expect("the host has an emit")(call, event) }
}

/// Emits a good keyframe of `height`×`width` zeros.
///
/// # Safety
/// As [`emit`].
pub(crate) unsafe fn keyframe(call: *const WgCall, height: i64, width: i64) -> WgStatus {
    let data = vec![0.0_f32; usize::try_from(height * width).expect("a small map")];
    let shape = [height, width];
    let tensor = tensor(&shape, data.as_ptr());
    let meta = r#"{"cell": [1, 1]}"#;
    // SAFETY: the caller's promise; everything lives until emit returns.
    unsafe { emit(call, &WgEvent { meta: WgStr::new(meta), ..event(WG_EVENT_KEYFRAME, &raw const tensor) }) }
}

/// # Safety
/// As [`emit`].
pub(crate) unsafe fn is_cancelled(call: *const WgCall) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (*call).is_cancelled.expect("the host has an is_cancelled")(call) }
}
