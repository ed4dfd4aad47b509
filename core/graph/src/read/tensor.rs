//! `TensorProto` → [`Tensor`]: one element type, and one of seven places where the elements may lie.
//!
//! Sizes are checked before anything is allocated. The result has memory of its own, so that the file's can go and the
//! elements are aligned.

use super::external;
use crate::proto::{EXTERNAL, TensorProto};
use crate::{Dtype, Error, Tensor};
use bytes::Bytes;
use std::path::Path;

pub(super) fn read(proto: &TensorProto, folder: Option<&Path>) -> Result<Tensor, Error> {
    let name = &proto.name;
    let dtype = Dtype::from_code(proto.data_type)
        .ok_or_else(|| Error::unsupported(format!("tensor {name:?} has element type {}", proto.data_type)))?;
    let size = Tensor::byte_size(dtype, &proto.dims)
        .ok_or_else(|| Error::malformed(format!("tensor {name:?} has the impossible shape {:?}", proto.dims)))?;
    let data = if proto.data_location == EXTERNAL {
        external::read_tensor(name, &proto.external_data, size, folder)?
    } else {
        inline(proto, dtype)
    };
    let given = data.len();
    Tensor::checked(dtype, proto.dims.clone(), data).ok_or_else(|| {
        Error::malformed(format!("tensor {name:?} of {dtype:?} {:?} wants {size} bytes and has {given}", proto.dims))
    })
}

/// The elements as they lie in the message. Types narrower than their field are cut to their width, as ONNX says.
fn inline(proto: &TensorProto, dtype: Dtype) -> Bytes {
    if let Some(raw) = &proto.raw_data {
        return Bytes::copy_from_slice(raw);
    }
    match dtype {
        Dtype::F32 => bytes(&proto.float_data, |v| v.to_le_bytes()),
        Dtype::F64 => bytes(&proto.double_data, |v| v.to_le_bytes()),
        Dtype::I64 => bytes(&proto.int64_data, |v| v.to_le_bytes()),
        Dtype::U64 => bytes(&proto.uint64_data, |v| v.to_le_bytes()),
        Dtype::U32 => bytes(&proto.uint64_data, |v| (v as u32).to_le_bytes()),
        Dtype::I32 => bytes(&proto.int32_data, |v| v.to_le_bytes()),
        Dtype::U8 | Dtype::I8 => bytes(&proto.int32_data, |v| [v as u8]),
        Dtype::Bool => bytes(&proto.int32_data, |v| [u8::from(v != 0)]),
        Dtype::U16 | Dtype::I16 | Dtype::F16 | Dtype::Bf16 => bytes(&proto.int32_data, |v| (v as u16).to_le_bytes()),
    }
}

fn bytes<T: Copy, const N: usize>(elements: &[T], write: impl Fn(T) -> [u8; N]) -> Bytes {
    elements.iter().flat_map(|&element| write(element)).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_every_field_that_onnx_allows() {
        let of = |dtype: Dtype, proto: TensorProto| {
            read(&TensorProto { data_type: dtype as i32, dims: vec![2], ..proto }, None).unwrap()
        };
        let int32 = || TensorProto { int32_data: vec![1, -2], ..Default::default() };
        let uint64 = || TensorProto { uint64_data: vec![1, 7], ..Default::default() };
        for dtype in [Dtype::I8, Dtype::I16, Dtype::I32] {
            assert_eq!(of(dtype, int32()).to_i64().unwrap(), [1, -2], "{dtype:?}");
        }
        assert_eq!(of(Dtype::U8, int32()).to_i64().unwrap(), [1, 254]);
        assert_eq!(of(Dtype::U16, int32()).to_i64().unwrap(), [1, 65534]);
        assert_eq!(of(Dtype::Bool, int32()).to_i64().unwrap(), [1, 1]);
        for dtype in [Dtype::U32, Dtype::U64] {
            assert_eq!(of(dtype, uint64()).to_i64().unwrap(), [1, 7], "{dtype:?}");
        }
        let halves = TensorProto { int32_data: vec![0x3c00, 0xc000], ..Default::default() };
        assert_eq!(of(Dtype::F16, halves).to_f64(), [1.0, -2.0]);
        let floats = TensorProto { float_data: vec![0.5, -1.0], ..Default::default() };
        assert_eq!(of(Dtype::F32, floats).to_f64(), [0.5, -1.0]);
        let doubles = TensorProto { double_data: vec![0.5, -1.0], ..Default::default() };
        assert_eq!(of(Dtype::F64, doubles).to_f64(), [0.5, -1.0]);
        let longs = TensorProto { int64_data: vec![1 << 40, -1], ..Default::default() };
        assert_eq!(of(Dtype::I64, longs).to_i64().unwrap(), [1 << 40, -1]);
        let raw = TensorProto { raw_data: Some(vec![0, 0, 0x80, 0x3f, 0, 0, 0, 0].into()), ..Default::default() };
        assert_eq!(of(Dtype::F32, raw).to_f32().unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn a_tensor_whose_shape_and_data_disagree_is_refused_by_name() {
        for dims in [vec![3], vec![-1], vec![i64::MAX, i64::MAX], vec![1 << 62, 4]] {
            let proto = TensorProto {
                name: "weight".into(),
                data_type: 1,
                dims: dims.clone(),
                float_data: vec![1.0, 2.0],
                ..Default::default()
            };
            let error = read(&proto, None).unwrap_err().to_string();
            assert!(error.contains("\"weight\""), "{dims:?}: {error}");
        }
    }
}
