//! The reference runtime's values: float64, int64 or bool in row-major order, and how their indices run.

use super::{Result, fail};
use crate::{Dtype, Tensor};

#[derive(Clone, Debug)]
pub(super) enum Data {
    Float(Vec<f64>),
    Int(Vec<i64>),
    Bool(Vec<bool>),
}

#[derive(Clone, Debug)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

impl Array {
    pub(super) fn float(shape: Vec<usize>, data: Vec<f64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: Data::Float(data) }
    }

    pub(super) fn int(shape: Vec<usize>, data: Vec<i64>) -> Self {
        Self { shape, data: Data::Int(data) }
    }

    pub(super) fn bool(shape: Vec<usize>, data: Vec<bool>) -> Self {
        Self { shape, data: Data::Bool(data) }
    }

    pub(super) fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let shape = tensor.shape().iter().map(|size| *size as usize).collect();
        Ok(match (tensor.dtype(), tensor.to_i64()) {
            (Dtype::Bool, Some(data)) => Self::bool(shape, data.into_iter().map(|value| value != 0).collect()),
            (_, Some(data)) => Self::int(shape, data),
            (_, None) => Self::float(shape, tensor.to_f64()),
        })
    }

    pub(super) fn to_tensor(&self) -> Tensor {
        let shape: Vec<i64> = self.shape.iter().map(|size| *size as i64).collect();
        match &self.data {
            Data::Float(data) => Tensor::f64(&shape, data),
            Data::Int(data) => Tensor::i64(&shape, data),
            Data::Bool(data) => {
                let bytes: Vec<u8> = data.iter().map(|value| u8::from(*value)).collect();
                Tensor::new(Dtype::Bool, shape, bytes.into())
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn rank(&self) -> usize {
        self.shape.len()
    }

    pub(super) fn floats(&self) -> Result<&[f64]> {
        match &self.data {
            Data::Float(data) => Ok(data),
            _ => fail("a floating-point value is needed"),
        }
    }

    pub(super) fn ints(&self) -> Result<&[i64]> {
        match &self.data {
            Data::Int(data) => Ok(data),
            _ => fail("an integer value is needed"),
        }
    }

    pub(super) fn bools(&self) -> Result<&[bool]> {
        match &self.data {
            Data::Bool(data) => Ok(data),
            _ => fail("a bool is needed"),
        }
    }

    /// The elements at `indices`, as a value of `shape`.
    pub(super) fn pick(&self, shape: Vec<usize>, indices: &[usize]) -> Self {
        fn at<T: Copy>(data: &[T], indices: &[usize]) -> Vec<T> {
            indices.iter().map(|index| data[*index]).collect()
        }
        let data = match &self.data {
            Data::Float(data) => Data::Float(at(data, indices)),
            Data::Int(data) => Data::Int(at(data, indices)),
            Data::Bool(data) => Data::Bool(at(data, indices)),
        };
        Self { shape, data }
    }

    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Result<Self> {
        if shape.iter().product::<usize>() != self.len() {
            return fail(format!("{:?} cannot become {shape:?}", self.shape));
        }
        Ok(Self { shape, data: self.data.clone() })
    }

    /// This value broadcast to `shape`.
    pub(super) fn broadcast(&self, shape: &[usize]) -> Result<Self> {
        let lead = shape.len().checked_sub(self.rank());
        let fits =
            lead.is_some_and(|lead| self.shape.iter().zip(&shape[lead..]).all(|(from, to)| from == to || *from == 1));
        let (Some(lead), true) = (lead, fits) else {
            return fail(format!("{:?} does not broadcast to {shape:?}", self.shape));
        };
        let steps = strides(&self.shape);
        let indices: Vec<usize> = positions(shape)
            .map(|position| {
                (0..self.rank())
                    .map(|axis| if self.shape[axis] == 1 { 0 } else { position[axis + lead] * steps[axis] })
                    .sum()
            })
            .collect();
        Ok(self.pick(shape.to_vec(), &indices))
    }
}

/// The common shape of `shapes`.
pub(super) fn common_shape<'a>(shapes: impl Iterator<Item = &'a [usize]>) -> Vec<usize> {
    let mut common: Vec<usize> = Vec::new();
    for shape in shapes {
        while common.len() < shape.len() {
            common.insert(0, 1);
        }
        let lead = common.len() - shape.len();
        for (axis, size) in shape.iter().enumerate() {
            if common[axis + lead] == 1 {
                common[axis + lead] = *size;
            }
        }
    }
    common
}

/// How far apart neighbours along each axis lie.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    steps
}

/// Every position in `shape`, in row-major order.
pub(super) fn positions(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let steps = strides(&shape);
    let total: usize = shape.iter().product();
    (0..total).map(move |flat| (0..shape.len()).map(|axis| flat / steps[axis] % shape[axis]).collect())
}

/// The flat index of `position`.
pub(super) fn flat(position: &[usize], shape: &[usize]) -> usize {
    position.iter().zip(shape).fold(0, |index, (at, size)| index * size + at)
}
