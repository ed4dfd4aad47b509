//! A borrowed tensor whose shape, pointer and type have been checked.

use super::{Violation, slice_from};
use crate::tables::*;

/// Number of elements of a shape.
///
/// # Errors
/// More than [`WG_MAX_RANK`] dimensions, a negative one, or more bytes (at `size` each) than the address space holds.
pub fn count_elements(shape: &[i64], size: usize) -> Result<usize, Violation> {
    if shape.len() > WG_MAX_RANK as usize {
        return Err(Violation::Rank { rank: u32::try_from(shape.len()).unwrap_or(u32::MAX) });
    }
    let mut count = 1_usize;
    for (axis, &value) in shape.iter().enumerate() {
        let dimension = usize::try_from(value).map_err(|_| Violation::NegativeDimension { axis, value })?;
        count = count.checked_mul(dimension).ok_or_else(|| Violation::ShapeOverflow { shape: shape.to_vec() })?;
    }
    match count.checked_mul(size) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(count),
        _ => Err(Violation::ShapeOverflow { shape: shape.to_vec() }),
    }
}

/// The elements of a tensor, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elements<'a> {
    F32(&'a [f32]),
    I64(&'a [i64]),
}

/// A tensor borrowed from the other side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorRef<'a> {
    pub shape: &'a [i64],
    pub elements: Elements<'a>,
}

impl<'a> TensorRef<'a> {
    /// Checks and borrows `tensor`. A tensor without elements may have a null `data`, one of rank 0 a null `shape`.
    ///
    /// # Safety
    /// `tensor.shape` and `tensor.data`, where they are not null, point to as many items as the tensor says, and these
    /// live, unchanged, for `'a`.
    ///
    /// # Errors
    /// Every [`Violation`] that can be seen from here; nothing is read through a pointer that is wrong.
    pub unsafe fn from_raw(tensor: &WgTensor) -> Result<Self, Violation> {
        if tensor.rank > WG_MAX_RANK {
            return Err(Violation::Rank { rank: tensor.rank });
        }
        // SAFETY: the caller's promise; the rank is bounded above.
        let shape: &'a [i64] = unsafe { slice_from(tensor.shape, tensor.rank as usize, "the shape of a tensor") }?;
        let elements = match tensor.dtype {
            WG_F32 => {
                let count = count_elements(shape, size_of::<f32>())?;
                // SAFETY: the caller's promise.
                Elements::F32(unsafe { slice_from(tensor.data.cast(), count, "the data of a tensor") }?)
            }
            WG_I64 => {
                let count = count_elements(shape, size_of::<i64>())?;
                // SAFETY: the caller's promise.
                Elements::I64(unsafe { slice_from(tensor.data.cast(), count, "the data of a tensor") }?)
            }
            found => return Err(Violation::Dtype { found, wanted: "WG_F32 (1) or WG_I64 (2)" }),
        };
        Ok(Self { shape, elements })
    }

    /// The elements as float32.
    ///
    /// # Errors
    /// [`Violation::Dtype`] where they are something else.
    pub fn f32(self) -> Result<&'a [f32], Violation> {
        match self.elements {
            Elements::F32(data) => Ok(data),
            Elements::I64(_) => Err(Violation::Dtype { found: WG_I64, wanted: "float32 (1)" }),
        }
    }

    /// The table entry that says the same. It may only be read through.
    #[must_use]
    pub fn to_raw(self) -> WgTensor {
        let (data, dtype) = match self.elements {
            Elements::F32(data) => (data.as_ptr().cast_mut().cast(), WG_F32),
            Elements::I64(data) => (data.as_ptr().cast_mut().cast(), WG_I64),
        };
        // Ranks are small wherever a `TensorRef` is made; a larger one is refused by the reader, never cut.
        let rank = u32::try_from(self.shape.len()).unwrap_or(u32::MAX);
        WgTensor { data, shape: self.shape.as_ptr(), rank, dtype }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::null;

    fn check(shape: &[i64], data: *const f32, dtype: u32) -> Result<usize, Violation> {
        let raw = WgTensor { data: data.cast_mut().cast(), shape: shape.as_ptr(), rank: shape.len() as u32, dtype };
        // SAFETY: the tests below pass live data or shapes that are refused before anything is read.
        unsafe { TensorRef::from_raw(&raw) }?.f32().map(<[f32]>::len)
    }

    #[test]
    fn a_good_tensor_is_borrowed_whole() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(check(&[2, 3], data.as_ptr(), WG_F32), Ok(6));
        assert_eq!(check(&[2, 0], null(), WG_F32), Ok(0));
        assert_eq!(check(&[], data.as_ptr(), WG_F32), Ok(1));
    }

    #[test]
    fn each_lie_about_a_tensor_has_its_own_name() {
        let data = [0.0_f32; 4];
        let good = data.as_ptr();
        assert_eq!(check(&[2, 2], null(), WG_F32), Err(Violation::Null { what: "the data of a tensor" }));
        assert_eq!(check(&[2, -2], good, WG_F32), Err(Violation::NegativeDimension { axis: 1, value: -2 }));
        assert_eq!(check(&[i64::MAX, 4], good, WG_F32), Err(Violation::ShapeOverflow { shape: vec![i64::MAX, 4] }));
        assert_eq!(check(&[1; 9], good, WG_F32), Err(Violation::Rank { rank: 9 }));
        assert!(matches!(check(&[4], good, 7), Err(Violation::Dtype { found: 7, .. })));
        let odd = good.cast::<u8>().wrapping_add(1).cast::<f32>();
        assert_eq!(check(&[2], odd, WG_F32), Err(Violation::Misaligned { what: "the data of a tensor" }));
    }

    #[test]
    fn integers_are_not_read_as_floats() {
        let labels = [1_i64, 2];
        assert!(matches!(check(&[2], labels.as_ptr().cast(), WG_I64), Err(Violation::Dtype { found: WG_I64, .. })));
    }
}
