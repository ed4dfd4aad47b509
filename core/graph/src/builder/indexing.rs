//! Adding at indices that are values: the transpose of reading there.

use super::Builder;
use crate::{Dtype, Error, ValueId};

type Made = Result<ValueId, Error>;

/// Adding at indices begins with this operator set; before, a mask says which element goes where.
const SCATTER_ADDS: i64 = 16;

impl Builder<'_> {
    /// Zeros of `shape`, with each element of `x` added at the place that `indices`, of the shape of `x`, names along
    /// `axis`. Along the others `x` may be smaller than `shape`. Negative indices count from the end.
    pub fn add_at(&mut self, x: ValueId, axis: usize, indices: ValueId, shape: &[i64]) -> Made {
        if self.opset() >= SCATTER_ADDS {
            let zeros = self.zeros(shape);
            let attributes = [("axis", (axis as i64).into()), ("reduction", "add".into())];
            return Ok(self.node("ScatterElements", &[zeros, indices, x], attributes, shape.to_vec()));
        }
        // A new axis in front of the indexed one counts the places.
        let mut wide = self.shape(x)?;
        wide.insert(axis, 1);
        let indices = self.reshape(indices, &wide)?;
        let x = self.reshape(x, &wide)?;
        let places = self.places(shape[axis], wide.len() - axis - 1);
        let mask = self.points_at(indices, places, shape[axis])?;
        let spread = self.mul(mask, x)?;
        let mut summed = self.shape(spread)?;
        let gathered = self.reduce_sum(spread, &[axis as i64 + 1])?;
        summed.remove(axis + 1);
        let gathered = self.reshape(gathered, &summed)?;
        let after: Vec<i64> = shape.iter().zip(&summed).map(|(all, some)| all - some).collect();
        self.pad(gathered, &vec![0; shape.len()], &after, 0.0)
    }

    /// The transpose of `Gather`: slices of `x` along `axis` are added at the places that `indices`, of rank 1, names
    /// among `size`.
    pub fn add_slices_at(&mut self, x: ValueId, axis: usize, indices: ValueId, size: i64) -> Made {
        let mut shape = self.shape(x)?;
        let picked = shape[axis];
        if self.opset() >= SCATTER_ADDS {
            let mut line = vec![1; shape.len()];
            line[axis] = picked;
            let line = self.reshape(indices, &line)?;
            let everywhere = self.expand(line, &shape)?;
            shape[axis] = size;
            return self.add_at(x, axis, everywhere, &shape);
        }
        let indices = self.reshape(indices, &[1, picked])?;
        let places = self.places(size, 1);
        let mask = self.points_at(indices, places, size)?;
        self.along_axis(x, axis, mask)
    }

    /// The numbers below `size`, with `trailing` axes of size 1 behind.
    fn places(&mut self, size: i64, trailing: usize) -> ValueId {
        let numbers: Vec<f32> = (0..size).map(|number| number as f32).collect();
        self.floats(&[&[size], &*vec![1; trailing]].concat(), &numbers)
    }

    /// 1 where an index is that place of `size`, else 0.
    fn points_at(&mut self, indices: ValueId, places: ValueId, size: i64) -> Made {
        let shape = self.shape(indices)?;
        let numbers = self.node("Cast", &[indices], [("to", (Dtype::F32 as i64).into())], shape);
        let zero = self.scalar(0.0);
        let negative = self.is_less(numbers, zero)?;
        let wrap = self.scale(negative, size as f32)?;
        let wrapped = self.add(numbers, wrap)?;
        let distance = self.sub(wrapped, places)?;
        let distance = self.unary("Abs", distance)?;
        let half = self.scalar(0.5);
        self.is_less(distance, half)
    }
}
