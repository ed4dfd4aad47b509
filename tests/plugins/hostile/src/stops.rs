//! Techniques that do not stop when they are told to.

use crate::raw::{NO_PARAMS, emit, event, is_cancelled, keyframe, table, tensor};
use core::time::Duration;
use std::time::Instant;
use whyglass_abi::*;

pub(crate) fn tables() -> Vec<*const WgExplainer> {
    vec![
        table("emits-after-cancel", NO_PARAMS, emits_after_cancel),
        table("spins-past-stop", NO_PARAMS, spins_past_stop),
    ]
}

/// Without a stop each of them ends by itself, so that no test hangs.
const BOUND: Duration = Duration::from_secs(30);

/// emits-after-cancel: a map of zeros; once it is told to stop it emits a hundred maps of ones and says all went well.
unsafe extern "C" fn emits_after_cancel(
    call: *const WgCall,
    _: *const WgModel,
    _: *const WgRequest,
    _: WgStr,
) -> WgStatus {
    let begin = Instant::now();
    // SAFETY: the call runs; everything lives until emit returns.
    unsafe {
        keyframe(call, 2, 2);
        while !is_cancelled(call) && begin.elapsed() < BOUND {
            std::thread::sleep(Duration::from_millis(5));
        }
        let ones = [1.0; 4];
        let tensor = tensor(&[2, 2], ones.as_ptr());
        let meta = WgStr::new(r#"{"cell": [1, 1]}"#);
        for _ in 0..100 {
            emit(call, &WgEvent { meta, ..event(WG_EVENT_KEYFRAME, &raw const tensor) });
        }
    }
    WG_OK
}

/// spins-past-stop: goes on for four seconds after it was told to stop.
unsafe extern "C" fn spins_past_stop(
    call: *const WgCall,
    _: *const WgModel,
    _: *const WgRequest,
    _: WgStr,
) -> WgStatus {
    let begin = Instant::now();
    let mut told = None;
    // SAFETY: the call runs.
    unsafe {
        keyframe(call, 2, 2);
        while begin.elapsed() < BOUND && told.is_none_or(|told: Instant| told.elapsed() < Duration::from_secs(4)) {
            if told.is_none() && is_cancelled(call) {
                told = Some(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    WG_OK
}
