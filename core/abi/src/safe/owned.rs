//! A float32 tensor that is owned here: a vector of our own, or the other side's memory until it is released.

use super::{TensorRef, Violation, count_elements};
use crate::tables::*;

/// An owned float32 tensor. Dropping it calls `release` exactly once where the memory is the other side's.
#[derive(Debug)]
pub struct OwnedTensor(Memory);

#[derive(Debug)]
enum Memory {
    Ours { shape: Vec<i64>, data: Vec<f32> },
    Theirs(Foreign),
}

/// Checked once, when it came in: shape and data are valid until `release`.
#[derive(Debug)]
struct Foreign(WgOwned);

// SAFETY: the ABI lets an owned tensor be read, written and released on any thread.
unsafe impl Send for Foreign {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Foreign {}

impl Foreign {
    fn view(&self) -> (&[i64], &[f32]) {
        // SAFETY: the memory belongs to us until `release`.
        let checked = unsafe { TensorRef::from_raw(&self.0.tensor) };
        let tensor = checked.expect("the tensor was checked when it came in");
        (tensor.shape, tensor.f32().expect("the type was checked when it came in"))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(release) = self.0.release.take() {
            // The owner is handed back what it gave, `release` included: some find their way by it.
            self.0.release = Some(release);
            // SAFETY: called once, with the entry as it was received.
            unsafe { release(&raw mut self.0) };
        }
    }
}

/// What `owner` points to when our own memory crosses the line.
struct Payload {
    shape: Vec<i64>,
    #[expect(dead_code, reason = "keeps the elements alive until release")]
    data: Vec<f32>,
}

unsafe extern "C" fn release(owned: *mut WgOwned) {
    if owned.is_null() {
        return;
    }
    // SAFETY: `owned` is the entry that `into_raw` made; it is emptied, so that a second call finds nothing.
    let owner = unsafe { core::mem::replace(&mut *owned, WgOwned::EMPTY) }.owner;
    if !owner.is_null() {
        // SAFETY: `owner` came from `Box::into_raw` in `into_raw`.
        drop(unsafe { Box::from_raw(owner.cast::<Payload>()) });
    }
}

impl OwnedTensor {
    /// Owns `data` (row-major).
    ///
    /// # Errors
    /// A shape with a negative dimension, with too many of them, or whose product is not the length of `data`.
    pub fn from_vec(shape: Vec<i64>, data: Vec<f32>) -> Result<Self, Violation> {
        if count_elements(&shape, size_of::<f32>())? != data.len() {
            return Err(Violation::Length { found: data.len(), shape });
        }
        Ok(Self(Memory::Ours { shape, data }))
    }

    /// Takes over what the other side has put into an out entry. On an error it has been released.
    ///
    /// # Safety
    /// `owned` keeps the rules of the header: the tensor lives until `release`, nobody else uses or releases it.
    ///
    /// # Errors
    /// An empty entry, or every [`Violation`] of a tensor that is not a well-formed float32 one.
    pub unsafe fn from_raw(owned: WgOwned) -> Result<Self, Violation> {
        if owned.release.is_none() {
            return Err(Violation::Empty);
        }
        let foreign = Foreign(owned);
        // SAFETY: the caller's promise.
        unsafe { TensorRef::from_raw(&foreign.0.tensor) }?.f32()?;
        Ok(Self(Memory::Theirs(foreign)))
    }

    /// Gives it away as an out entry, without copying.
    #[must_use]
    pub fn into_raw(self) -> WgOwned {
        match self.0 {
            Memory::Ours { shape, mut data } => {
                let pointer = data.as_mut_ptr().cast();
                let owner = Box::new(Payload { shape, data });
                let rank = u32::try_from(owner.shape.len()).expect("from_vec bounds the rank");
                let tensor = WgTensor { data: pointer, shape: owner.shape.as_ptr(), rank, dtype: WG_F32 };
                WgOwned { tensor, owner: Box::into_raw(owner).cast(), release: Some(release) }
            }
            Memory::Theirs(foreign) => {
                let mut foreign = core::mem::ManuallyDrop::new(foreign);
                core::mem::replace(&mut foreign.0, WgOwned::EMPTY)
            }
        }
    }

    /// Dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[i64] {
        match &self.0 {
            Memory::Ours { shape, .. } => shape,
            Memory::Theirs(foreign) => foreign.view().0,
        }
    }

    /// Elements, row-major.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        match &self.0 {
            Memory::Ours { data, .. } => data,
            Memory::Theirs(foreign) => foreign.view().1,
        }
    }

    /// Elements, row-major, writable: an owned tensor is its owner's.
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [f32] {
        match &mut self.0 {
            Memory::Ours { data, .. } => data,
            Memory::Theirs(foreign) => {
                let count = foreign.view().1.len();
                if count == 0 {
                    return &mut [];
                }
                // SAFETY: `view` has just checked pointer and length, and the memory is ours alone.
                unsafe { core::slice::from_raw_parts_mut(foreign.0.tensor.data.cast(), count) }
            }
        }
    }

    /// The elements as a vector: without copying where the memory is our own.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        match self.0 {
            Memory::Ours { data, .. } => data,
            Memory::Theirs(foreign) => foreign.view().1.to_vec(),
        }
    }
}

impl Clone for OwnedTensor {
    /// Copies the elements into memory of our own.
    fn clone(&self) -> Self {
        Self(Memory::Ours { shape: self.shape().to_vec(), data: self.data().to_vec() })
    }
}

impl PartialEq for OwnedTensor {
    fn eq(&self, other: &Self) -> bool {
        self.shape() == other.shape() && self.data() == other.data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_tensor_crosses_and_comes_back_without_copying() {
        let tensor = OwnedTensor::from_vec(vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let address = tensor.data().as_ptr();
        // SAFETY: made by `into_raw` just now.
        let mut back = unsafe { OwnedTensor::from_raw(tensor.into_raw()) }.unwrap();
        assert_eq!(back.data().as_ptr(), address);
        back.data_mut()[3] = 7.0;
        assert_eq!((back.shape(), back.data()), (&[2_i64, 2][..], &[1.0_f32, 2.0, 3.0, 7.0][..]));
        assert_eq!(back.clone(), back);
        assert_eq!(back.into_data(), [1.0, 2.0, 3.0, 7.0]);
    }

    #[test]
    fn what_is_malformed_is_still_released_exactly_once() {
        static RELEASED: AtomicUsize = AtomicUsize::new(0);
        unsafe extern "C" fn count(_: *mut WgOwned) {
            RELEASED.fetch_add(1, Ordering::Relaxed);
        }
        let shape = [-1_i64];
        let tensor = WgTensor { data: core::ptr::null_mut(), shape: shape.as_ptr(), rank: 1, dtype: WG_F32 };
        let owned = WgOwned { tensor, owner: core::ptr::null_mut(), release: Some(count) };
        // SAFETY: the shape lives; the data is refused before it is read.
        let error = unsafe { OwnedTensor::from_raw(owned) }.unwrap_err();
        assert_eq!(error, Violation::NegativeDimension { axis: 0, value: -1 });
        assert_eq!(RELEASED.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_empty_entry_is_not_a_tensor() {
        // SAFETY: an empty entry holds no pointers.
        assert_eq!(unsafe { OwnedTensor::from_raw(WgOwned::EMPTY) }.unwrap_err(), Violation::Empty);
    }

    #[test]
    fn data_of_another_length_than_the_shape_is_refused() {
        let error = OwnedTensor::from_vec(vec![2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!(error, Violation::Length { shape: vec![2, 3], found: 5 });
    }
}
