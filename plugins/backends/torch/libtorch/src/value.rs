//! Tensors in and out: inward they borrow the caller's memory for the length of a call, outward they are copied.

use crate::error::torch;
use tch::{Device, Kind, Tensor};
use whyglass_sdk::{Error, Result, TensorView};

/// `view` as libtorch sees it, on `device`. On the CPU it is the caller's own memory: never written to, and not kept
/// beyond the call.
///
/// # Errors
/// If libtorch refuses.
pub(crate) fn lend(view: &TensorView<'_>, device: Device) -> Result<Tensor> {
    // SAFETY: the view is contiguous float32 of this shape, and outlives the call in which every use of the tensor ends.
    // Nothing writes into it: a module gets a tensor that was computed from it.
    let tensor =
        unsafe { Tensor::f_from_blob(view.data().as_ptr().cast(), view.shape(), &[], Kind::Float, Device::Cpu) };
    tensor.and_then(|tensor| if device == Device::Cpu { Ok(tensor) } else { tensor.f_to_device(device) }).map_err(torch)
}

/// `tensor` as the caller gets it: float32 in host memory.
///
/// # Errors
/// If it is not made of numbers that float32 can stand for, or libtorch fails.
pub(crate) fn take(tensor: &Tensor) -> Result<whyglass_sdk::Tensor> {
    let shape = tensor.size();
    let plain = tensor.f_detach().and_then(|tensor| tensor.f_to_kind(Kind::Float)).map_err(torch)?;
    let count = usize::try_from(shape.iter().product::<i64>()).map_err(|_| Error::internal("a negative dimension"))?;
    let mut data = vec![0.0_f32; count];
    plain.f_copy_data(&mut data, count).map_err(torch)?;
    whyglass_sdk::Tensor::try_new(shape, data)
}
