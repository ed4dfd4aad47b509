//! A dense tensor of any ONNX element type: little-endian bytes in row-major order, shared, never written in place.
//! It is what constants are and what flows in and out of a [`Runtime`](crate::Runtime).

use bytes::Bytes;

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
    /// If the number of bytes is not what `shape` and `dtype` ask for: check sizes from files before calling.
    #[must_use]
    pub fn new(dtype: Dtype, shape: Vec<i64>, data: Bytes) -> Self {
        let elements: i64 = shape.iter().product();
        assert_eq!(data.len() as i64, elements * dtype.size() as i64, "a tensor of {dtype:?} {shape:?}");
        Self { dtype, shape, data }
    }

    /// A float32 tensor.
    #[must_use]
    pub fn f32(shape: &[i64], data: &[f32]) -> Self {
        Self::new(Dtype::F32, shape.to_vec(), data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A float64 tensor.
    #[must_use]
    pub fn f64(shape: &[i64], data: &[f64]) -> Self {
        Self::new(Dtype::F64, shape.to_vec(), data.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// An int64 tensor.
    #[must_use]
    pub fn i64(shape: &[i64], data: &[i64]) -> Self {
        Self::new(Dtype::I64, shape.to_vec(), data.iter().flat_map(|v| v.to_le_bytes()).collect())
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

    /// The elements as float32, if that is what they are.
    #[must_use]
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        (self.dtype == Dtype::F32).then(|| self.elements(f32::from_le_bytes))
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
