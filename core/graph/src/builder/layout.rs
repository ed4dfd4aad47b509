//! Operators that move elements: reshape, transpose, slice, pad, concatenate, select.

use super::Builder;
use crate::{Error, ValueId};

type Made = Result<ValueId, Error>;

impl Builder<'_> {
    /// `x` with another shape of as many elements.
    pub fn reshape(&mut self, x: ValueId, shape: &[i64]) -> Made {
        if self.shape(x)? == shape {
            return Ok(x);
        }
        let target = self.ints(shape);
        Ok(self.node("Reshape", &[x, target], [], shape.to_vec()))
    }

    /// `x` with axis `i` of the result being axis `permutation[i]` of `x`.
    pub fn transpose(&mut self, x: ValueId, permutation: &[i64]) -> Made {
        if permutation.iter().enumerate().all(|(index, axis)| index as i64 == *axis) {
            return Ok(x);
        }
        let from = self.shape(x)?;
        let shape = permutation.iter().map(|axis| from[*axis as usize]).collect();
        Ok(self.node("Transpose", &[x], [("perm", permutation.to_vec().into())], shape))
    }

    /// `x` with its last two axes exchanged.
    pub fn transpose_matrix(&mut self, x: ValueId) -> Made {
        let rank = self.shape(x)?.len() as i64;
        let mut permutation: Vec<i64> = (0..rank).collect();
        permutation.swap(rank as usize - 1, rank as usize - 2);
        self.transpose(x, &permutation)
    }

    /// The part of `x` from `starts` on of the size `sizes`, each with one entry per axis.
    pub fn slice(&mut self, x: ValueId, starts: &[i64], sizes: &[i64]) -> Made {
        let from = self.shape(x)?;
        if starts.len() != from.len() || sizes.len() != from.len() {
            return Err(Error::malformed(format!("a part of {} axes of a value of shape {from:?}", sizes.len())));
        }
        let axes: Vec<i64> = (0..from.len()).filter(|&i| sizes[i] != from[i]).map(|i| i as i64).collect();
        if axes.is_empty() {
            return Ok(x);
        }
        let first: Vec<i64> = axes.iter().map(|&i| starts[i as usize]).collect();
        let last: Vec<i64> = axes.iter().map(|&i| starts[i as usize] + sizes[i as usize]).collect();
        if self.opset() >= 10 {
            let inputs = [x, self.ints(&first), self.ints(&last), self.ints(&axes)];
            Ok(self.node("Slice", &inputs, [], sizes.to_vec()))
        } else {
            let attributes = [("starts", first.into()), ("ends", last.into()), ("axes", axes.into())];
            Ok(self.node("Slice", &[x], attributes, sizes.to_vec()))
        }
    }

    /// `x` with `before` and `after` elements of `value` added at both ends of each axis; negative counts cut.
    pub fn pad(&mut self, x: ValueId, before: &[i64], after: &[i64], value: f32) -> Made {
        let from = self.shape(x)?;
        let starts: Vec<i64> = before.iter().map(|count| (-count).max(0)).collect();
        let sizes: Vec<i64> = (0..from.len()).map(|i| from[i] + before[i].min(0) + after[i].min(0)).collect();
        let cut = self.slice(x, &starts, &sizes)?;
        let pads: Vec<i64> = before.iter().chain(after).map(|count| (*count).max(0)).collect();
        if pads.iter().all(|count| *count == 0) {
            return Ok(cut);
        }
        let shape = (0..from.len()).map(|i| from[i] + before[i] + after[i]).collect();
        if self.opset() >= 11 {
            let inputs = [cut, self.ints(&pads), self.scalar(value)];
            Ok(self.node("Pad", &inputs, [], shape))
        } else {
            Ok(self.node("Pad", &[cut], [("pads", pads.into()), ("value", value.into())], shape))
        }
    }

    /// `parts` one after the other along `axis`.
    pub fn concat(&mut self, parts: &[ValueId], axis: usize) -> Made {
        if let [part] = parts {
            return Ok(*part);
        }
        let mut shape = self.shape(parts[0])?;
        shape[axis] = 0;
        for part in parts {
            shape[axis] += self.shape(*part)?[axis];
        }
        Ok(self.node("Concat", parts, [("axis", (axis as i64).into())], shape))
    }

    /// `x` with each line along `axis` multiplied by `matrix`, which has a column per element of the line.
    pub fn along_axis(&mut self, x: ValueId, axis: usize, matrix: ValueId) -> Made {
        let mut shape = self.shape(x)?;
        let rows = self.shape(matrix)?[0];
        let outer: i64 = shape[..axis].iter().product();
        let inner: i64 = shape[axis + 1..].iter().product();
        let flat = self.reshape(x, &[outer, shape[axis], inner])?;
        let made = self.matmul(matrix, flat)?;
        shape[axis] = rows;
        self.reshape(made, &shape)
    }

    /// The transpose of picking elements along `axis`: element `i` of `x` along it is added to element `sources[i]` of
    /// a result of size `size`; an element without a source is lost. A product with a matrix of zeros and ones.
    pub fn scatter_axis(&mut self, x: ValueId, axis: usize, sources: &[Option<i64>], size: i64) -> Made {
        let picked = sources.len() as i64;
        let mut matrix = vec![0.0; (size * picked) as usize];
        for (index, source) in sources.iter().enumerate() {
            if let Some(source) = source {
                matrix[*source as usize * sources.len() + index] = 1.0;
            }
        }
        let matrix = self.floats(&[size, picked], &matrix);
        self.along_axis(x, axis, matrix)
    }
}
