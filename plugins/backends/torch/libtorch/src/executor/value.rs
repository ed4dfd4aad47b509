//! A value while a graph runs: a tensor of libtorch, and the integers in it where they were known beforehand, so that a
//! shape need not be read back from a device.

use super::{Result, TorchError};
use bytes::Bytes;
use std::sync::Arc;
use tch::{Device, Kind, Tensor as Torch};
use whyglass_graph::{Dtype, Tensor};

pub(crate) struct Value {
    pub(crate) tensor: Torch,
    known: Option<Arc<[i64]>>,
}

impl Value {
    pub(crate) fn of(tensor: Torch) -> Self {
        Self { tensor, known: None }
    }

    /// A constant, copied to `device`.
    pub(crate) fn constant(tensor: &Tensor, device: Device) -> Result<Self> {
        let lent = Self::lend(tensor, device)?;
        // A copy of its own, in any case: the graph's bytes may lie anywhere in a file.
        let own = copied(&lent.tensor)?;
        Ok(Self { tensor: own, known: tensor.to_i64().map(Arc::from) })
    }

    /// The tensor's memory as libtorch sees it; it must outlive every use.
    pub(crate) fn lend(tensor: &Tensor, device: Device) -> Result<Self> {
        let kind = kind(tensor.dtype())?;
        let (data, aligned);
        if tensor.bytes().as_ptr().align_offset(tensor.dtype().size()) == 0 {
            data = tensor.bytes().as_ptr();
        } else {
            // Bytes that are not aligned for their type come out of a file's middle: copied once.
            aligned = Torch::f_from_data_size(tensor.bytes(), tensor.shape(), kind)?;
            return Ok(Self::of(aligned.f_to_device(device)?));
        }
        if tensor.bytes().is_empty() {
            return Ok(Self::of(Torch::f_zeros(tensor.shape(), (kind, device))?));
        }
        // SAFETY: the bytes are as many as shape and type ask for (an invariant of `Tensor`), aligned, and outlive the
        // execution; nothing writes into them: no operator of the executor works in place.
        let lent = unsafe { Torch::f_from_blob(data, tensor.shape(), &[], kind, Device::Cpu) }?;
        Ok(Self::of(if device == Device::Cpu { lent } else { lent.f_to_device(device)? }))
    }

    /// A copy that requires a gradient, where it is made of floating-point numbers.
    pub(crate) fn leaf(tensor: &Tensor, device: Device) -> Result<Self> {
        let own = copied(&Self::lend(tensor, device)?.tensor)?;
        Ok(Self::of(if is_float(&own)? { own.f_set_requires_grad(true)? } else { own }))
    }

    /// Another handle of the same value.
    pub(crate) fn share(&self) -> Self {
        Self { tensor: self.tensor.shallow_clone(), known: self.known.clone() }
    }

    /// As floating-point numbers of `kind`; what is no floating-point number stays what it is.
    pub(crate) fn rounded(&self, kind: Kind) -> Result<Self> {
        Ok(if is_float(&self.tensor)? { Self::of(self.tensor.f_to_kind(kind)?) } else { self.share() })
    }

    /// Its type, where it is made of floating-point numbers.
    pub(crate) fn float_kind(&self) -> Option<Kind> {
        is_float(&self.tensor).ok()?.then(|| self.tensor.kind())
    }

    /// The integers in it, in order.
    pub(crate) fn ints(&self) -> Result<Vec<i64>> {
        if let Some(known) = &self.known {
            return Ok(known.to_vec());
        }
        let flat = self.tensor.f_detach()?.f_to_kind(Kind::Int64)?.f_reshape([-1])?.f_to_device(Device::Cpu)?;
        let count = flat.size()[0] as usize;
        let mut ints = vec![0_i64; count];
        flat.f_copy_data(&mut ints, count)?;
        Ok(ints)
    }

    pub(crate) fn shape(&self) -> Vec<i64> {
        self.tensor.size()
    }

    /// In host memory, as the graph crate has it.
    pub(crate) fn take(&self) -> Result<Tensor> {
        let kind = self.tensor.f_kind()?;
        let dtype = dtype(kind)?;
        let shape = self.shape();
        let count = shape.iter().product::<i64>() as usize;
        let mut bytes = vec![0_u8; count * dtype.size()];
        self.tensor.f_detach()?.f_copy_data_u8(&mut bytes, count)?;
        Ok(Tensor::new(dtype, shape, Bytes::from(bytes)))
    }
}

fn copied(tensor: &Torch) -> Result<Torch> {
    let mut own = tensor.f_empty_like()?;
    own.f_copy_(tensor)?;
    Ok(own)
}

pub(super) fn is_float(tensor: &Torch) -> Result<bool> {
    Ok(matches!(tensor.f_kind()?, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16))
}

/// libtorch's type for one of ONNX.
pub(super) fn kind(dtype: Dtype) -> Result<Kind> {
    Ok(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::F16 => Kind::Half,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::U8 => Kind::Uint8,
        Dtype::Bool => Kind::Bool,
        other => {
            return Err(TorchError::Unsupported { op: "a tensor".into(), what: format!("of type {other:?}") });
        }
    })
}

fn dtype(kind: Kind) -> Result<Dtype> {
    Ok(match kind {
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::Bf16,
        Kind::Int8 => Dtype::I8,
        Kind::Int16 => Dtype::I16,
        Kind::Int => Dtype::I32,
        Kind::Int64 => Dtype::I64,
        Kind::Uint8 => Dtype::U8,
        Kind::Bool => Dtype::Bool,
        other => {
            return Err(TorchError::Unsupported { op: "a tensor".into(), what: format!("of type {other:?}") });
        }
    })
}
