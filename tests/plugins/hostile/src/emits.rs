//! Events that the ABI forbids. Each technique ignores what emit returns and says that all went well: the host has to
//! see the crime by itself.

use crate::raw::{NO_PARAMS, emit, event, keyframe, table, tensor};
use core::ptr;
use whyglass_abi::*;

pub(crate) fn tables() -> Vec<*const WgExplainer> {
    vec![
        table("nan-map", NO_PARAMS, nan_map),
        table("null-tensor", NO_PARAMS, null_tensor),
        table("negative-shape", NO_PARAMS, negative_shape),
        table("huge-shape", NO_PARAMS, huge_shape),
        table("path-artifact", NO_PARAMS, path_artifact),
        table("undeclared-artifact", NO_PARAMS, undeclared_artifact),
        table("invalid-utf8", NO_PARAMS, invalid_utf8),
        table("emits-too-much", NO_PARAMS, emits_too_much),
    ]
}

/// nan-map: a final map that is not a number.
unsafe extern "C" fn nan_map(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    let data = [f32::NAN, 1.0, f32::INFINITY, 2.0];
    let tensor = tensor(&[2, 2], data.as_ptr());
    let meta = WgStr::new(r#"{"cell": [1, 1]}"#);
    // SAFETY: the call runs; everything lives until emit returns.
    unsafe { emit(call, &WgEvent { meta, ..event(WG_EVENT_KEYFRAME, &raw const tensor) }) };
    WG_OK
}

/// null-tensor: a keyframe without a tensor, one whose tensor has no data, and one whose tensor has no shape.
unsafe extern "C" fn null_tensor(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    let no_data = tensor(&[2, 2], ptr::null());
    let value = 1.0;
    let no_shape = WgTensor { shape: ptr::null(), rank: 2, ..tensor(&[], &raw const value) };
    for tensor in [ptr::null(), &raw const no_data, &raw const no_shape] {
        // SAFETY: the call runs; nulls can be seen.
        unsafe { emit(call, &event(WG_EVENT_KEYFRAME, tensor)) };
    }
    WG_OK
}

/// negative-shape: a map of −2×2.
unsafe extern "C" fn negative_shape(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    let data = [0.0; 4];
    let tensor = tensor(&[-2, 2], data.as_ptr());
    // SAFETY: the call runs; a negative length can be seen.
    unsafe { emit(call, &event(WG_EVENT_KEYFRAME, &raw const tensor)) };
    WG_OK
}

/// huge-shape: a map whose size overflows, one of nine dimensions, and one beyond every limit; behind each lie four
/// numbers only.
unsafe extern "C" fn huge_shape(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    let data = [0.0; 4];
    for shape in [&[1 << 40, 1 << 40][..], &[1; 9], &[1 << 20, 1 << 20]] {
        let tensor = tensor(shape, data.as_ptr());
        // SAFETY: the call runs; a map beyond the host's limits is refused before it is read.
        unsafe { emit(call, &event(WG_EVENT_KEYFRAME, &raw const tensor)) };
    }
    WG_OK
}

/// path-artifact: an artifact whose name would leave the folder that results are written to.
unsafe extern "C" fn path_artifact(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    // SAFETY: the call runs.
    unsafe { named(call, WgStr::new("../../x")) };
    WG_OK
}

/// undeclared-artifact: a good name that the descriptor does not declare.
unsafe extern "C" fn undeclared_artifact(
    call: *const WgCall,
    _: *const WgModel,
    _: *const WgRequest,
    _: WgStr,
) -> WgStatus {
    // SAFETY: the call runs.
    unsafe { named(call, WgStr::new("surprise")) };
    WG_OK
}

/// invalid-utf8: in an artifact's name, in a meta, in a line of the log, and in the failure that it ends with.
unsafe extern "C" fn invalid_utf8(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    static BYTES: [u8; 4] = [b'm', 0xff, 0xfe, b'p'];
    let text = WgStr { ptr: BYTES.as_ptr(), len: BYTES.len() };
    // SAFETY: the call runs; bytes that are not UTF-8 can be seen.
    unsafe {
        named(call, text);
        let value = 1.0;
        let tensor = tensor(&[1, 1], &raw const value);
        emit(call, &WgEvent { meta: text, ..event(WG_EVENT_KEYFRAME, &raw const tensor) });
        emit(
            call,
            &WgEvent { meta: text, artifact: WgStr::EMPTY, artifact_kind: 0, ..event(WG_EVENT_METRICS, ptr::null()) },
        );
        (*call).log.expect("the host has a log")(call, WG_LOG_INFO, text);
        (*call).fail.expect("the host has a fail")(call, WG_INTERNAL, text, text, text);
    }
    WG_INTERNAL
}

/// emits-too-much: 100,000 tiles as fast as it can, then the truth. Not forbidden: the host must not grow.
unsafe extern "C" fn emits_too_much(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    const SIDE: u32 = 64;
    // SAFETY: the call runs; everything lives until emit returns.
    unsafe {
        let mut status = keyframe(call, i64::from(SIDE), i64::from(SIDE));
        for index in 0..100_000_u32 {
            if status != WG_OK {
                return status;
            }
            let value = index as f32;
            let tensor = tensor(&[1, 1], &raw const value);
            let cell = index % (SIDE * SIDE);
            status = emit(call, &WgEvent { y: cell / SIDE, x: cell % SIDE, ..event(WG_EVENT_TILE, &raw const tensor) });
        }
        status
    }
}

/// # Safety
/// The call runs.
unsafe fn named(call: *const WgCall, artifact: WgStr) {
    let value = 1.0;
    let tensor = tensor(&[1, 1], &raw const value);
    let meta = WgStr::new(r#"{"cell": [1, 1]}"#);
    // SAFETY: the caller's promise; everything lives until emit returns.
    unsafe { emit(call, &WgEvent { artifact, meta, ..event(WG_EVENT_KEYFRAME, &raw const tensor) }) };
}
