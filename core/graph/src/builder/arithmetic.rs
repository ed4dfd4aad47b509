//! Elementwise operators, reductions and products. They fail only where a shape is not known.

use super::Builder;
use crate::{Attribute, Dtype, Error, ValueId};

/// The shape that `a` and `b` broadcast to, as NumPy does it.
#[must_use]
pub(crate) fn broadcast(a: &[i64], b: &[i64]) -> Vec<i64> {
    let rank = a.len().max(b.len());
    let size = |shape: &[i64], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank).map(|axis| if size(a, axis) == 1 { size(b, axis) } else { size(a, axis) }).collect()
}

type Made = Result<ValueId, Error>;

impl Builder<'_> {
    /// An operator of one input whose output has the input's shape.
    pub fn unary(&mut self, op: &str, x: ValueId) -> Made {
        let shape = self.shape(x)?;
        Ok(self.node(op, &[x], [], shape))
    }

    /// An operator of two inputs that broadcast.
    pub fn binary(&mut self, op: &str, a: ValueId, b: ValueId) -> Made {
        let shape = broadcast(&self.shape(a)?, &self.shape(b)?);
        Ok(self.node(op, &[a, b], [], shape))
    }

    pub fn add(&mut self, a: ValueId, b: ValueId) -> Made {
        self.binary("Add", a, b)
    }

    pub fn sub(&mut self, a: ValueId, b: ValueId) -> Made {
        self.binary("Sub", a, b)
    }

    pub fn mul(&mut self, a: ValueId, b: ValueId) -> Made {
        self.binary("Mul", a, b)
    }

    pub fn div(&mut self, a: ValueId, b: ValueId) -> Made {
        self.binary("Div", a, b)
    }

    /// `x` times a number; `x` itself where that is 1.
    pub fn scale(&mut self, x: ValueId, factor: f32) -> Made {
        if factor == 1.0 {
            return Ok(x);
        }
        let factor = self.scalar(factor);
        self.mul(x, factor)
    }

    /// `x` plus a number.
    pub fn offset(&mut self, x: ValueId, term: f32) -> Made {
        let term = self.scalar(term);
        self.add(x, term)
    }

    /// A number minus `x`.
    pub fn complement(&mut self, number: f32, x: ValueId) -> Made {
        let number = self.scalar(number);
        self.sub(number, x)
    }

    /// `slope·x + offset`, held within 0 and 1.
    pub fn hard_sigmoid(&mut self, x: ValueId, slope: f32, offset: f32) -> Made {
        let shape = self.shape(x)?;
        Ok(self.node("HardSigmoid", &[x], [("alpha", slope.into()), ("beta", offset.into())], shape))
    }

    /// 1 where `a > b`, else 0.
    pub fn is_greater(&mut self, a: ValueId, b: ValueId) -> Made {
        let greater = self.binary("Greater", a, b)?;
        self.as_float(greater)
    }

    /// 1 where `a < b`, else 0.
    pub fn is_less(&mut self, a: ValueId, b: ValueId) -> Made {
        let less = self.binary("Less", a, b)?;
        self.as_float(less)
    }

    /// 1 where `a >= b`, else 0; in every opset.
    pub fn is_at_least(&mut self, a: ValueId, b: ValueId) -> Made {
        let less = self.binary("Less", a, b)?;
        let not = self.unary("Not", less)?;
        self.as_float(not)
    }

    /// `a` where `condition` holds, else `b`.
    pub fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Made {
        let values = broadcast(&self.shape(a)?, &self.shape(b)?);
        let shape = broadcast(&self.shape(condition)?, &values);
        if self.opset() >= 9 {
            return Ok(self.node("Where", &[condition, a, b], [], shape));
        }
        let chosen = self.as_float(condition)?;
        let rest = self.complement(1.0, chosen)?;
        let a = self.mul(a, chosen)?;
        let b = self.mul(b, rest)?;
        self.add(a, b)
    }

    /// `x` as float32.
    pub fn as_float(&mut self, x: ValueId) -> Made {
        let shape = self.shape(x)?;
        Ok(self.node("Cast", &[x], [("to", (Dtype::F32 as i64).into())], shape))
    }

    /// The sum of `terms`, all of one shape.
    pub fn sum(&mut self, terms: &[ValueId]) -> Made {
        match terms {
            [] => Err(Error::invalid_request("a sum of nothing")),
            [term] => Ok(*term),
            [a, b] => self.add(*a, *b),
            [first, ..] => {
                let shape = self.shape(*first)?;
                Ok(self.node("Sum", terms, [], shape))
            }
        }
    }

    /// The sum of `x` over `axes`, which are kept with size 1.
    pub fn reduce_sum(&mut self, x: ValueId, axes: &[i64]) -> Made {
        self.reduce("ReduceSum", x, axes, 13)
    }

    /// The mean of `x` over `axes`, which are kept with size 1.
    pub fn reduce_mean(&mut self, x: ValueId, axes: &[i64]) -> Made {
        self.reduce("ReduceMean", x, axes, 18)
    }

    /// The product of `x` over `axes`, which are kept with size 1.
    pub fn reduce_product(&mut self, x: ValueId, axes: &[i64]) -> Made {
        self.reduce("ReduceProd", x, axes, 18)
    }

    fn reduce(&mut self, op: &str, x: ValueId, axes: &[i64], axes_are_an_input_from: i64) -> Made {
        if axes.is_empty() {
            return Ok(x);
        }
        let mut shape = self.shape(x)?;
        for axis in axes {
            shape[*axis as usize] = 1;
        }
        if self.opset() >= axes_are_an_input_from {
            let axes = self.ints(axes);
            Ok(self.node(op, &[x, axes], [("keepdims", 1.into())], shape))
        } else {
            Ok(self.node(op, &[x], [("keepdims", 1.into()), ("axes", axes.to_vec().into())], shape))
        }
    }

    /// `x` summed over the axes along which `shape` was broadcast to the shape of `x`: the transpose of broadcasting.
    pub fn sum_to(&mut self, x: ValueId, shape: &[i64]) -> Made {
        let from = self.shape(x)?;
        let lead = from.len() - shape.len();
        let axes: Vec<i64> = (0..from.len())
            .filter(|&axis| from[axis] != 1 && (axis < lead || shape[axis - lead] == 1))
            .map(|axis| axis as i64)
            .collect();
        let summed = self.reduce_sum(x, &axes)?;
        self.reshape(summed, shape)
    }

    /// `x` broadcast to `shape`.
    pub fn expand(&mut self, x: ValueId, shape: &[i64]) -> Made {
        if self.shape(x)? == shape {
            return Ok(x);
        }
        if self.opset() >= 8 {
            let target = self.ints(shape);
            Ok(self.node("Expand", &[x, target], [], shape.to_vec()))
        } else {
            let zeros = self.zeros(shape);
            self.add(x, zeros)
        }
    }

    /// The matrix product of the last two axes; the others broadcast. Both have at least rank 2.
    pub fn matmul(&mut self, a: ValueId, b: ValueId) -> Made {
        let (left, right) = (self.shape(a)?, self.shape(b)?);
        let (batch_left, matrix_left) = left.split_at(left.len() - 2);
        let (batch_right, matrix_right) = right.split_at(right.len() - 2);
        let mut shape = broadcast(batch_left, batch_right);
        shape.extend([matrix_left[0], matrix_right[1]]);
        Ok(self.node("MatMul", &[a, b], [], shape))
    }

    /// `alpha · a' · b'` of two matrices, each transposed where its flag says so.
    pub fn gemm(&mut self, a: ValueId, transpose_a: bool, b: ValueId, transpose_b: bool, alpha: f32) -> Made {
        let (left, right) = (self.shape(a)?, self.shape(b)?);
        let shape = vec![left[usize::from(transpose_a)], right[usize::from(!transpose_b)]];
        let mut inputs = vec![a, b];
        if self.opset() < 11 {
            inputs.push(self.floats(&[1], &[0.0]));
        }
        let flag = |flag: bool| Attribute::Int(i64::from(flag));
        let attributes = [("alpha", alpha.into()), ("transA", flag(transpose_a)), ("transB", flag(transpose_b))];
        Ok(self.node("Gemm", &inputs, attributes, shape))
    }
}

#[cfg(test)]
mod tests {
    use super::broadcast;

    #[test]
    fn shapes_broadcast_from_the_right() {
        assert_eq!(broadcast(&[2, 3], &[3]), [2, 3]);
        assert_eq!(broadcast(&[4, 1, 5], &[3, 1]), [4, 3, 5]);
        assert_eq!(broadcast(&[], &[2]), [2]);
        assert_eq!(broadcast(&[1], &[0]), [0]);
    }
}
