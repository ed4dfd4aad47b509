//! Float32 tensors: borrowed and owned, in host memory, row-major. Shapes are checked where a tensor is made, so that
//! nobody checks again; what arithmetic does with them is not this file's business.

use crate::{Error, Result};
use whyglass_abi::safe::{Elements, OwnedTensor, TensorRef, count_elements};
use whyglass_abi::{WgOwned, WgTensor};

/// A borrowed tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorView<'a> {
    shape: &'a [i64],
    data: &'a [f32],
}

impl<'a> TensorView<'a> {
    /// Borrows `data` (row-major) as a tensor of `shape`.
    ///
    /// # Panics
    /// Where the product of `shape` is not the length of `data`; see [`TensorView::try_new`].
    #[must_use]
    #[track_caller]
    pub fn new(shape: &'a [i64], data: &'a [f32]) -> Self {
        match Self::try_new(shape, data) {
            Ok(view) => view,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`TensorView::new`], for shapes that come from elsewhere.
    ///
    /// # Errors
    /// A negative dimension, more than eight of them, or a product that is not the length of `data`.
    pub fn try_new(shape: &'a [i64], data: &'a [f32]) -> Result<Self> {
        if count_elements(shape, size_of::<f32>())? != data.len() {
            let message = format!("a tensor of shape {shape:?} cannot have {} elements", data.len());
            return Err(Error::internal(message));
        }
        Ok(Self { shape, data })
    }

    /// Dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &'a [i64] {
        self.shape
    }

    /// Elements, row-major.
    #[must_use]
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// The shape as exactly `R` lengths.
    ///
    /// # Errors
    /// `INTERNAL` where the tensor has another rank.
    pub fn dims<const R: usize>(&self) -> Result<[usize; R]> {
        dims(self.shape)
    }

    /// A copy that owns its elements.
    #[must_use]
    pub fn to_tensor(&self) -> Tensor {
        Tensor::new(self.shape.to_vec(), self.data.to_vec())
    }

    /// # Safety
    /// As [`TensorRef::from_raw`].
    pub(crate) unsafe fn from_raw(tensor: &WgTensor) -> Result<Self> {
        // SAFETY: the caller's promise is the callee's.
        let tensor: TensorRef<'a> = unsafe { TensorRef::from_raw(tensor) }?;
        Ok(Self { shape: tensor.shape, data: tensor.f32()? })
    }

    pub(crate) fn raw(&self) -> WgTensor {
        TensorRef { shape: self.shape, elements: Elements::F32(self.data) }.to_raw()
    }
}

/// An owned tensor. It may hold memory of the other side, which is released when it is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor(OwnedTensor);

impl Tensor {
    /// Owns `data` (row-major) as a tensor of `shape`.
    ///
    /// # Panics
    /// Where the product of `shape` is not the length of `data`; see [`Tensor::try_new`].
    #[must_use]
    #[track_caller]
    pub fn new(shape: Vec<i64>, data: Vec<f32>) -> Self {
        match Self::try_new(shape, data) {
            Ok(tensor) => tensor,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Tensor::new`], for shapes that come from elsewhere.
    ///
    /// # Errors
    /// A negative dimension, more than eight of them, or a product that is not the length of `data`.
    pub fn try_new(shape: Vec<i64>, data: Vec<f32>) -> Result<Self> {
        Ok(Self(OwnedTensor::from_vec(shape, data)?))
    }

    /// All zeros.
    ///
    /// # Panics
    /// On a negative dimension or a size beyond the address space.
    #[must_use]
    #[track_caller]
    pub fn zeros(shape: Vec<i64>) -> Self {
        let count = match count_elements(&shape, size_of::<f32>()) {
            Ok(count) => count,
            Err(violation) => panic!("{violation}"),
        };
        Self::new(shape, vec![0.0; count])
    }

    /// Dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[i64] {
        self.0.shape()
    }

    /// Elements, row-major.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        self.0.data()
    }

    /// Elements, row-major, writable.
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.0.data_mut()
    }

    /// The elements; without copying where the memory is the plugin's own.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        self.0.into_data()
    }

    /// Borrows it.
    #[must_use]
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: self.shape(), data: self.data() }
    }

    /// The shape as exactly `R` lengths.
    ///
    /// # Errors
    /// `INTERNAL` where the tensor has another rank.
    pub fn dims<const R: usize>(&self) -> Result<[usize; R]> {
        dims(self.shape())
    }

    /// Channel `index` of a C×H×W or 1×C×H×W tensor: H·W elements.
    ///
    /// # Panics
    /// Where there is no such channel.
    #[must_use]
    #[track_caller]
    pub fn plane(&self, index: usize) -> &[f32] {
        let inner = self.shape().len().saturating_sub(2);
        let area: usize = self.shape()[inner..].iter().map(|&n| usize::try_from(n).unwrap_or(0)).product();
        &self.data()[index * area..][..area]
    }

    /// # Safety
    /// As [`OwnedTensor::from_raw`].
    pub(crate) unsafe fn from_raw(owned: WgOwned) -> Result<Self> {
        // SAFETY: the caller's promise is the callee's.
        Ok(Self(unsafe { OwnedTensor::from_raw(owned) }?))
    }

    pub(crate) fn into_raw(self) -> WgOwned {
        self.0.into_raw()
    }
}

fn dims<const R: usize>(shape: &[i64]) -> Result<[usize; R]> {
    let wrong = || Error::internal(format!("a tensor of shape {shape:?} has rank {}, not {R}", shape.len()));
    let shape: &[i64; R] = shape.try_into().map_err(|_| wrong())?;
    Ok(shape.map(|length| usize::try_from(length).expect("lengths are checked where a tensor is made")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_gives_its_planes_and_its_lengths() {
        let tensor = Tensor::new(vec![1, 3, 1, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(tensor.plane(1), [3.0, 4.0]);
        assert_eq!(tensor.dims(), Ok([1, 3, 1, 2]));
        assert!(tensor.dims::<2>().unwrap_err().message.contains("rank 4, not 2"));
    }

    #[test]
    #[should_panic(expected = "shape [2, 2] has 3 elements")]
    fn a_tensor_of_the_wrong_length_is_a_bug_that_says_so() {
        let _ = Tensor::new(vec![2, 2], vec![0.0; 3]);
    }
}
