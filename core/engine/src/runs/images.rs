//! The picture of a run as a technique gets it: a set of one, through a table.

use std::ffi::c_void;
use std::sync::Arc;

use whyglass_abi::safe::OwnedTensor;
use whyglass_abi::{
    WG_CANCELLED, WG_INVALID_ARGUMENT, WG_OK, WG_OUT_OF_RANGE, WgCall, WgImages, WgOwned, WgStatus, WgStr,
};

use crate::call::Call;

/// One picture. Whoever hands out its table keeps it until the function that received it has returned.
pub(super) struct Single {
    call: Arc<Call>,
    shape: [i64; 4],
    pixels: Arc<Vec<f32>>,
}

impl Single {
    /// `pixels`: 3×H×W of the size `input`.
    pub(super) fn new(call: &Arc<Call>, input: [usize; 2], pixels: Arc<Vec<f32>>) -> Box<Self> {
        let [height, width] = input.map(|side| i64::try_from(side).unwrap_or(i64::MAX));
        Box::new(Self { call: Arc::clone(call), shape: [1, 3, height, width], pixels })
    }

    /// It borrows this picture without saying so.
    pub(super) fn table(&self) -> WgImages {
        WgImages {
            struct_size: size_of::<WgImages>(),
            ctx: std::ptr::from_ref(self).cast_mut().cast::<c_void>(),
            count: 1,
            descriptor: WgStr::new("{\"classes\":[],\"items\":[]}"),
            get: Some(get),
            label: Some(label),
        }
    }
}

unsafe extern "C" fn get(images: *const WgImages, _call: *const WgCall, index: usize, out: *mut WgOwned) -> WgStatus {
    if images.is_null() || out.is_null() {
        return WG_INVALID_ARGUMENT;
    }
    // SAFETY: an out entry that the technique lends; it need not be initialised.
    unsafe { out.write(WgOwned::EMPTY) };
    // SAFETY: a technique hands back the table that it was given, while its call runs.
    let Some(single) = (unsafe { (*images).ctx.cast_const().cast::<Single>().as_ref() }) else {
        return WG_INVALID_ARGUMENT;
    };
    if index != 0 {
        return WG_OUT_OF_RANGE;
    }
    if single.call.sink().checkpoint() {
        return WG_CANCELLED;
    }
    match OwnedTensor::from_vec(single.shape.to_vec(), single.pixels.to_vec()) {
        Ok(tensor) => {
            // SAFETY: as above.
            unsafe { out.write(tensor.into_raw()) };
            WG_OK
        }
        Err(_) => WG_INVALID_ARGUMENT,
    }
}

unsafe extern "C" fn label(_images: *const WgImages, _index: usize) -> i64 {
    -1
}
