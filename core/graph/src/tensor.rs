//! A dense tensor of any ONNX element type: little-endian bytes in row-major order, shared, never written in place.
//! It is what constants are and what flows in and out of a [`Runtime`](crate::Runtime).

use bytes::Bytes;

#[cfg(target_endian = "big")]
compile_error!("tensors are little-endian bytes, and are lent as numbers without conversion");

/// Lends the memory of a vector as bytes.
struct Elements(Vec<f32>);

impl AsRef<[u8]> for Elements {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Element types, with ONNX's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Dtype {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I16 = 5,
    I32 = 6,
    I64 = 7,
    Bool = 9,
    F16 = 10,
    F64 = 11,
    U32 = 12,
    U64 = 13,
    Bf16 = 16,
}

impl Dtype {
    /// The type with ONNX's number `code`, if it is one that this crate handles.
    #[must_use]
    pub const fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::Bf16,
            _ => return None,
        })
    }

    /// Bytes per element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I64 | Self::F64 | Self::U64 => 8,
        }
    }
}

/// See the module. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<i64>,
    data: Bytes,
}

impl Tensor {
    /// A tensor over `data`.
    ///
    /// # Panics
    /// If the number of bytes is not what `shape` and `dtype` ask for: check sizes from files with [`Tensor::checked`].
    #[must_use]
    pub fn new(dtype: Dtype, shape: Vec<i64>, data: Bytes) -> Self {
        let given = data.len();
        match Self::checked(dtype, shape.clone(), data) {
            Some(tensor) => tensor,
            None => panic!("{given} bytes for a tensor of {dtype:?} {shape:?}"),
        }
    }

    /// A tensor over `data`, if it has as many bytes as `shape` and `dtype` ask for.
    #[must_use]
    pub fn checked(dtype: Dtype, shape: Vec<i64>, data: Bytes) -> Option<Self> {
        (Self::byte_size(dtype, &shape)? == data.len()).then_some(Self { dtype, shape, data })
    }

    /// How many bytes a tensor takes; `None` for a negative dimension or more than can be addressed.
    #[must_use]
    pub fn byte_size(dtype: Dtype, shape: &[i64]) -> Option<usize> {
        // A zero anywhere makes the tensor empty, however large the others are.
        if shape.iter().any(|&dim| dim < 0) {
            return None;
        }
        if shape.contains(&0) {
            return Some(0);
        }
        shape
            .iter()
            .try_fold(dtype.size(), |bytes, &dim| bytes.checked_mul(usize::try_from(dim).ok()?))
            .filter(|&bytes| bytes <= isize::MAX as usize)
    }

    /// A float32 tensor, copied.
    #[must_use]
    pub fn f32(shape: &[i64], data: &[f32]) -> Self {
        Self::new(Dtype::F32, shape.to_vec(), Bytes::copy_from_slice(bytemuck::cast_slice(data)))
    }

    /// A float32 tensor over `data`, not copied.
    #[must_use]
    pub fn from_f32(shape: Vec<i64>, data: Vec<f32>) -> Self {
        Self::new(Dtype::F32, shape, Bytes::from_owner(Elements(data)))
    }

    /// A float32 tensor of nothing but `value`.
    #[must_use]
    pub fn filled(shape: &[i64], value: f32) -> Self {
        let elements = shape.iter().product::<i64>().max(0) as usize;
        Self::from_f32(shape.to_vec(), vec![value; elements])
    }

    /// A float64 tensor, copied.
    #[must_use]
    pub fn f64(shape: &[i64], data: &[f64]) -> Self {
        Self::new(Dtype::F64, shape.to_vec(), Bytes::copy_from_slice(bytemuck::cast_slice(data)))
    }

    /// An int64 tensor, copied.
    #[must_use]
    pub fn i64(shape: &[i64], data: &[i64]) -> Self {
        Self::new(Dtype::I64, shape.to_vec(), Bytes::copy_from_slice(bytemuck::cast_slice(data)))
    }

    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    #[must_use]
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The raw little-endian bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// The elements where they lie, if they are float32 and aligned (what this crate makes and reads is).
    #[must_use]
    pub fn as_f32(&self) -> Option<&[f32]> {
        if self.dtype != Dtype::F32 {
            return None;
        }
        bytemuck::try_cast_slice(&self.data).ok()
    }

    /// The elements as float32, if that is what they are.
    #[must_use]
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        match self.as_f32() {
            Some(elements) => Some(elements.to_vec()),
            None => (self.dtype == Dtype::F32).then(|| self.elements(f32::from_le_bytes)),
        }
    }

    /// Rows `start..start + count` of the first dimension, sharing the bytes.
    ///
    /// # Panics
    /// If the tensor has no such rows.
    #[must_use]
    pub fn rows(&self, start: i64, count: i64) -> Self {
        let rows = self.shape[0];
        assert!(0 <= start && 0 <= count && start + count <= rows, "rows {start}+{count} of {rows}");
        let row = if rows == 0 { 0 } else { self.data.len() / rows as usize };
        let mut shape = self.shape.clone();
        shape[0] = count;
        let data = self.data.slice(start as usize * row..(start + count) as usize * row);
        Self { dtype: self.dtype, shape, data }
    }

    /// `parts` one after the other along the first dimension. They agree in type and in the other dimensions.
    #[must_use]
    pub(crate) fn concatenate(parts: &[Self]) -> Self {
        let first = &parts[0];
        let mut shape = first.shape.clone();
        shape[0] = parts.iter().map(|part| part.shape[0]).sum();
        let mut data = Vec::with_capacity(parts.iter().map(|part| part.data.len()).sum());
        for part in parts {
            data.extend_from_slice(&part.data);
        }
        Self::new(first.dtype, shape, data.into())
    }

    /// The elements as float64, converted from any floating-point type or integer.
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        match self.dtype {
            Dtype::F64 => self.elements(f64::from_le_bytes),
            Dtype::F32 => self.elements(|b| f64::from(f32::from_le_bytes(b))),
            Dtype::F16 => self.elements(|b| half::f16::from_le_bytes(b).to_f64()),
            Dtype::Bf16 => self.elements(|b| half::bf16::from_le_bytes(b).to_f64()),
            _ => self.to_i64().unwrap_or_default().into_iter().map(|v| v as f64).collect(),
        }
    }

    /// The elements as int64, converted from any integer type or bool.
    #[must_use]
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        Some(match self.dtype {
            Dtype::I64 => self.elements(i64::from_le_bytes),
            Dtype::I32 => self.elements(|b| i64::from(i32::from_le_bytes(b))),
            Dtype::I16 => self.elements(|b| i64::from(i16::from_le_bytes(b))),
            Dtype::I8 => self.elements(|b| i64::from(i8::from_le_bytes(b))),
            Dtype::U8 | Dtype::Bool => self.elements(|b: [u8; 1]| i64::from(b[0])),
            Dtype::U16 => self.elements(|b| i64::from(u16::from_le_bytes(b))),
            Dtype::U32 => self.elements(|b| i64::from(u32::from_le_bytes(b))),
            Dtype::U64 => self.elements(|b| u64::from_le_bytes(b) as i64),
            _ => return None,
        })
    }

    fn elements<const N: usize, T>(&self, read: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (chunks, _) = self.data.as_chunks::<N>();
        chunks.iter().map(|chunk| read(*chunk)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_becomes_a_tensor_without_a_copy() {
        let data = vec![1.0_f32, -2.5];
        let address = data.as_ptr();
        let tensor = Tensor::from_f32(vec![2], data);
        assert_eq!(tensor.as_f32().unwrap().as_ptr(), address);
        assert_eq!(tensor, Tensor::f32(&[2], &[1.0, -2.5]));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_before_anything_is_allocated() {
        assert_eq!(Tensor::byte_size(Dtype::F32, &[i64::MAX, 2]), None);
        assert_eq!(Tensor::byte_size(Dtype::F32, &[1 << 40, 1 << 30]), None);
        assert_eq!(Tensor::byte_size(Dtype::F32, &[-1, -4]), None);
        assert_eq!(Tensor::byte_size(Dtype::F32, &[i64::MAX, i64::MAX, 0]), Some(0));
        assert_eq!(Tensor::byte_size(Dtype::I64, &[2, 3]), Some(48));
        assert!(Tensor::checked(Dtype::F32, vec![2], Bytes::from_static(&[0; 4])).is_none());
    }

    #[test]
    fn an_unaligned_tensor_is_read_all_the_same() {
        let bytes: Bytes = [0_u8].into_iter().chain(1.5_f32.to_le_bytes()).chain([0; 3]).collect();
        for offset in 0..4 {
            let tensor = Tensor::new(Dtype::F32, vec![1], bytes.slice(offset..offset + 4));
            assert_eq!(tensor.to_f32().unwrap().len(), 1);
        }
        assert_eq!(Tensor::new(Dtype::F32, vec![1], bytes.slice(1..5)).to_f32(), Some(vec![1.5]));
    }

    #[test]
    fn rows_are_cut_out_and_put_together_again() {
        let tensor = Tensor::f32(&[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(tensor.rows(1, 1), Tensor::f32(&[1, 2], &[2.0, 3.0]));
        assert_eq!(Tensor::concatenate(&[tensor.rows(0, 1), tensor.rows(1, 2)]), tensor);
    }
}
