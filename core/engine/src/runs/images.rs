//! The pictures of a run as a technique gets them, through a table: one, or those of a dataset, which are decoded when they
//! are asked for.

use std::ffi::c_void;
use std::sync::Arc;

use whyglass_abi::safe::OwnedTensor;
use whyglass_abi::{
    WG_CANCELLED, WG_INVALID_ARGUMENT, WG_OK, WG_OUT_OF_RANGE, WgCall, WgImages, WgOwned, WgStatus, WgStr,
};

use crate::call::Call;
use crate::datasets::bound::Bound;

/// What a run is about.
#[derive(Clone)]
pub(crate) enum Subject {
    /// 3×H×W at the model's input size.
    Picture(Arc<Vec<f32>>),
    Dataset(Arc<Bound>),
}

impl Subject {
    /// Where it is one.
    pub(super) fn picture(&self) -> Option<&Arc<Vec<f32>>> {
        match self {
            Self::Picture(pixels) => Some(pixels),
            Self::Dataset(_) => None,
        }
    }
}

/// Pictures for one call. Whoever hands out its table keeps it until the function that received it has returned.
pub(super) struct Images {
    call: Arc<Call>,
    shape: [i64; 4],
    subject: Subject,
}

impl Images {
    /// Pictures of the size `input`.
    pub(super) fn new(call: &Arc<Call>, input: [usize; 2], subject: Subject) -> Box<Self> {
        let [height, width] = input.map(|side| i64::try_from(side).unwrap_or(i64::MAX));
        Box::new(Self { call: Arc::clone(call), shape: [1, 3, height, width], subject })
    }

    /// It borrows these pictures without saying so.
    pub(super) fn table(&self) -> WgImages {
        let (count, descriptor) = match &self.subject {
            Subject::Picture(_) => (1, r#"{"classes":[],"items":[]}"#),
            Subject::Dataset(bound) => (bound.count(), bound.descriptor.as_str()),
        };
        WgImages {
            struct_size: size_of::<WgImages>(),
            ctx: std::ptr::from_ref(self).cast_mut().cast::<c_void>(),
            count,
            descriptor: WgStr::new(descriptor),
            get: Some(get),
            label: Some(label),
        }
    }

    /// One picture, or the status that says why there is none.
    fn pixels(&self, index: usize) -> Result<Vec<f32>, WgStatus> {
        match &self.subject {
            Subject::Picture(pixels) if index == 0 => Ok(pixels.to_vec()),
            Subject::Dataset(bound) if index < bound.count() => bound.pixels(index).map_err(|error| {
                self.call.sink().unreadable(&bound.dataset.items[index].id, &error.message);
                let status = error.code.number();
                self.call.fail(error);
                status
            }),
            _ => Err(WG_OUT_OF_RANGE),
        }
    }
}

/// # Safety
/// `images` is null or a table that [`Images::table`] has made, and its pictures are still there.
unsafe fn behind<'a>(images: *const WgImages) -> Option<&'a Images> {
    if images.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { (*images).ctx.cast_const().cast::<Images>().as_ref() }
}

unsafe extern "C" fn get(images: *const WgImages, _call: *const WgCall, index: usize, out: *mut WgOwned) -> WgStatus {
    if out.is_null() {
        return WG_INVALID_ARGUMENT;
    }
    // SAFETY: an out entry that the technique lends; it need not be initialised.
    unsafe { out.write(WgOwned::EMPTY) };
    // SAFETY: a technique hands back the table that it was given, while its call runs.
    let Some(images) = (unsafe { behind(images) }) else { return WG_INVALID_ARGUMENT };
    if images.call.sink().checkpoint() {
        return WG_CANCELLED;
    }
    let pixels = match images.pixels(index) {
        Ok(pixels) => pixels,
        Err(status) => return status,
    };
    match OwnedTensor::from_vec(images.shape.to_vec(), pixels) {
        Ok(tensor) => {
            // SAFETY: as above.
            unsafe { out.write(tensor.into_raw()) };
            WG_OK
        }
        Err(_) => WG_INVALID_ARGUMENT,
    }
}

unsafe extern "C" fn label(images: *const WgImages, index: usize) -> i64 {
    // SAFETY: as in `get`.
    match unsafe { behind(images) }.map(|images| &images.subject) {
        Some(Subject::Dataset(bound)) => bound.label(index),
        _ => -1,
    }
}
