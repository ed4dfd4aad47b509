//! Tensors in and out of ONNX Runtime without copying them: an input borrows our bytes, an output lends us the
//! engine's. Everything here is about whose memory it is.

use crate::runtime::OrtError;
use bytes::Bytes;
use ort::memory::{Allocator, MemoryInfo};
use ort::session::SharedSessionInner;
use ort::value::{DynValue, ValueType};
use ort::{AsPointer, sys};
use std::ptr::NonNull;
use std::sync::Arc;
use whyglass_graph::{Dtype, Tensor};

/// A tensor as ONNX Runtime sees it, over memory that it keeps alive.
pub(crate) struct Lent {
    // Dropped first: it points into `_memory`.
    value: Arc<DynValue>,
    _memory: Bytes,
}

impl Lent {
    /// Lends `tensor`'s memory. Bytes that are not aligned for their type (they come out of a file's middle) are
    /// copied once.
    ///
    /// # Errors
    /// If the engine refuses the shape.
    pub(crate) fn new(tensor: &Tensor) -> Result<Self, OrtError> {
        let memory = aligned(tensor.bytes(), tensor.dtype());
        let info = MemoryInfo::default();
        let mut pointer: *mut sys::OrtValue = std::ptr::null_mut();
        // SAFETY: `memory` holds as many bytes as shape and type ask for (an invariant of `Tensor`), is aligned, and
        // outlives the value, which is only ever read: inputs and initialisers are const to the engine.
        let status = unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                info.ptr(),
                memory.as_ptr().cast_mut().cast(),
                memory.len(),
                tensor.shape().as_ptr(),
                tensor.shape().len(),
                element_type(tensor.dtype()),
                &raw mut pointer,
            )
        };
        // SAFETY: the status comes from the call above and is handed over.
        unsafe { ort::Error::result_from_status(status) }?;
        let pointer = NonNull::new(pointer).ok_or(OrtError::Null("a tensor"))?;
        // SAFETY: a tensor made just now, which nobody else owns.
        let value = unsafe { DynValue::from_ptr(pointer, Some(&Allocator::default())) };
        Ok(Self { value: Arc::new(value), _memory: memory })
    }

    pub(crate) fn value(&self) -> &Arc<DynValue> {
        &self.value
    }
}

/// The owner behind an output's bytes.
struct Output {
    // Its memory is from the arena of the environment, which the session keeps alive.
    value: DynValue,
    data: NonNull<u8>,
    len: usize,
    _session: Arc<SharedSessionInner>,
}

// SAFETY: `data` points into `value`, which may move between threads and is only read from here on.
unsafe impl Send for Output {}
// SAFETY: as above; shared reads of plain bytes.
unsafe impl Sync for Output {}

impl AsRef<[u8]> for Output {
    fn as_ref(&self) -> &[u8] {
        debug_assert!(!self.value.ptr().is_null());
        // SAFETY: the engine allocated `len` bytes at `data`, and they live as long as `value`.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

/// Takes over the output `pointer` of a run of `session`; the tensor's bytes stay where the engine put them.
///
/// # Errors
/// If the output is not a tensor of a type that the graph crate knows.
///
/// # Safety
/// `pointer` came out of a run of `session`, and nobody else releases it.
pub(crate) unsafe fn take(
    pointer: NonNull<sys::OrtValue>,
    session: &Arc<SharedSessionInner>,
    name: &str,
) -> Result<Tensor, OrtError> {
    // SAFETY: the caller hands the value over; its memory is host memory of the default allocator.
    let mut value: DynValue = unsafe { DynValue::from_ptr(pointer, Some(&Allocator::default())) };
    let ValueType::Tensor { shape, .. } = value.dtype() else {
        return Err(OrtError::Output { name: name.to_owned(), what: value.dtype().to_string() });
    };
    let shape = shape.to_vec();
    let dtype = dtype_of(&value, name)?;
    let len = shape.iter().product::<i64>() as usize * dtype.size();
    let mut data = std::ptr::null_mut();
    // SAFETY: `value` is a tensor in host memory.
    let status = unsafe { (ort::api().GetTensorMutableData)(value.ptr_mut(), &raw mut data) };
    // SAFETY: the status comes from the call above and is handed over.
    unsafe { ort::Error::result_from_status(status) }?;
    let Some(data) = NonNull::new(data.cast::<u8>()).filter(|_| len > 0) else {
        return Ok(Tensor::new(dtype, shape, Bytes::new()));
    };
    let owner = Output { value, data, len, _session: Arc::clone(session) };
    Ok(Tensor::new(dtype, shape, Bytes::from_owner(owner)))
}

fn aligned(bytes: &Bytes, dtype: Dtype) -> Bytes {
    if bytes.as_ptr().align_offset(dtype.size()) == 0 { bytes.clone() } else { Bytes::from(bytes.to_vec()) }
}

fn dtype_of(value: &DynValue, name: &str) -> Result<Dtype, OrtError> {
    use ort::value::TensorElementType as T;
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(OrtError::Output { name: name.to_owned(), what: value.dtype().to_string() });
    };
    Ok(match ty {
        T::Float32 => Dtype::F32,
        T::Float64 => Dtype::F64,
        T::Float16 => Dtype::F16,
        T::Bfloat16 => Dtype::Bf16,
        T::Int8 => Dtype::I8,
        T::Int16 => Dtype::I16,
        T::Int32 => Dtype::I32,
        T::Int64 => Dtype::I64,
        T::Uint8 => Dtype::U8,
        T::Uint16 => Dtype::U16,
        T::Uint32 => Dtype::U32,
        T::Uint64 => Dtype::U64,
        T::Bool => Dtype::Bool,
        other => return Err(OrtError::Output { name: name.to_owned(), what: format!("a tensor of {other}") }),
    })
}

fn element_type(dtype: Dtype) -> sys::ONNXTensorElementDataType {
    use ort::value::TensorElementType as T;
    match dtype {
        Dtype::F32 => T::Float32,
        Dtype::F64 => T::Float64,
        Dtype::F16 => T::Float16,
        Dtype::Bf16 => T::Bfloat16,
        Dtype::I8 => T::Int8,
        Dtype::I16 => T::Int16,
        Dtype::I32 => T::Int32,
        Dtype::I64 => T::Int64,
        Dtype::U8 => T::Uint8,
        Dtype::U16 => T::Uint16,
        Dtype::U32 => T::Uint32,
        Dtype::U64 => T::Uint64,
        Dtype::Bool => T::Bool,
    }
    .into()
}
