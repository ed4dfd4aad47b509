//! Tensors on the wire: little-endian, row-major, float32 from us; pixels may also arrive as bytes.

use bytes::Bytes;
use tonic::Status;
use whyglass_engine as engine;
use whyglass_proto::v1;

use crate::grpc::status::invalid;

/// A tensor of ours as a message.
pub(in crate::grpc) fn tensor(tensor: &engine::Tensor) -> v1::Tensor {
    let mut data = Vec::with_capacity(tensor.data.len() * size_of::<f32>());
    data.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes()));
    let shape = tensor.shape.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
    v1::Tensor { data_type: v1::DataType::F32.into(), shape, data: Bytes::from(data) }
}

/// Shape and values of a message: F32 as they are, U8 as 0…1. `field` is where it was found.
///
/// # Errors
/// INVALID_ARGUMENT naming the field at fault: a negative size, another type, a length that does not fit.
pub fn floats(message: &v1::Tensor, field: &str) -> Result<(Vec<usize>, Vec<f32>), Status> {
    let size = match message.data_type() {
        v1::DataType::F32 => 4,
        v1::DataType::U8 => 1,
        _ => return Err(invalid(&format!("{field}.data_type"), "BAD_DATA_TYPE", "use DATA_TYPE_F32 or DATA_TYPE_U8")),
    };
    let shape: Option<Vec<usize>> = message.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    let count = shape.as_ref().and_then(|shape| shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)));
    let (Some(shape), Some(count)) = (shape, count) else {
        return Err(invalid(
            &format!("{field}.shape"),
            "BAD_SHAPE",
            "sizes must not be negative, nor their product too large",
        ));
    };
    if count.checked_mul(size) != Some(message.data.len()) {
        let text =
            format!("{} bytes do not fit the shape {shape:?}, which needs {count} times {size}", message.data.len());
        return Err(invalid(&format!("{field}.data"), "WRONG_LENGTH", text));
    }
    let values = match size {
        1 => message.data.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
        _ => {
            let words = message.data.as_chunks::<4>().0;
            words.iter().map(|&word| f32::from_le_bytes(word)).collect()
        }
    };
    Ok((shape, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn values_come_back_bit_for_bit() {
        let ours = engine::Tensor { shape: vec![1, 3], data: Arc::new(vec![0.1, f32::NAN, -0.0]) };
        let (shape, values) = floats(&tensor(&ours), "x").expect("fine");
        assert_eq!(shape, [1, 3]);
        assert!(values.iter().zip(ours.data.iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn bytes_become_fractions() {
        let message = v1::Tensor { data_type: v1::DataType::U8.into(), shape: vec![2], data: vec![0, 255].into() };
        assert_eq!(floats(&message, "x").expect("fine").1, [0.0, 1.0]);
    }

    #[test]
    fn each_fault_names_its_field() {
        let fault = |data_type: v1::DataType, shape: &[i64], bytes: usize| {
            let message =
                v1::Tensor { data_type: data_type.into(), shape: shape.to_vec(), data: vec![0; bytes].into() };
            floats(&message, "pixels").expect_err("a fault").message().split(':').next().map(str::to_owned)
        };
        assert_eq!(fault(v1::DataType::I64, &[1], 8).as_deref(), Some("pixels.data_type"));
        assert_eq!(fault(v1::DataType::F32, &[-1], 4).as_deref(), Some("pixels.shape"));
        assert_eq!(fault(v1::DataType::F32, &[i64::MAX, 16], 4).as_deref(), Some("pixels.shape"));
        assert_eq!(fault(v1::DataType::F32, &[2], 4).as_deref(), Some("pixels.data"));
    }
}
