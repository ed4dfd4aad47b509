//! Products of matrices: Gemm and MatMul.

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

pub(super) struct Gemm;

impl Operator for Gemm {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (left, right, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        let (flip_left, flip_right) = (step.node.int("transA", 0) != 0, step.node.int("transB", 0) != 0);
        let alpha = step.node.float("alpha", 1.0);
        let mut made = vec![None, None, None];
        if step.wants(0) {
            made[0] = Some(match flip_left {
                false => b.gemm(g, false, right, !flip_right, alpha)?,
                true => b.gemm(right, flip_right, g, true, alpha)?,
            });
        }
        if step.wants(1) {
            made[1] = Some(match flip_right {
                false => b.gemm(left, !flip_left, g, false, alpha)?,
                true => b.gemm(g, true, left, flip_left, alpha)?,
            });
        }
        if step.wants(2) {
            let shape = b.shape(step.input(2)?)?;
            let summed = b.sum_to(g, &shape)?;
            made[2] = Some(b.scale(summed, step.node.float("beta", 1.0))?);
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let (rows, inner, columns) = (draw.int(1, 3), draw.int(1, 4), draw.int(1, 3));
        let (flip_left, flip_right) = (draw.flag(), draw.flag());
        let left = if flip_left { [inner, rows] } else { [rows, inner] };
        let right = if flip_right { [columns, inner] } else { [inner, columns] };
        let opset = draw.opset(7);
        let mut case = super::testing::Case::new(opset, op).wrt(&left, &draw.distinct(&left));
        case = if draw.flag() { case.constant(draw.weights(&right)) } else { case.wrt(&right, &draw.distinct(&right)) };
        if opset < 11 || draw.flag() {
            let bias = draw.pick(&[vec![columns], vec![1], vec![rows, 1], vec![rows, columns]]);
            let bias_data = draw.distinct(&bias);
            case = case.wrt(&bias, &bias_data);
        }
        case.attribute("alpha", 0.5_f32)
            .attribute("beta", 1.5_f32)
            .attribute("transA", i64::from(flip_left))
            .attribute("transB", i64::from(flip_right))
    }
}

/// Vectors are matrices of one row on the left, of one column on the right.
pub(super) struct MatMul;

impl MatMul {
    /// The transpose of the matrices in `x`: made once where they are weights.
    fn transposed(b: &mut Builder<'_>, x: ValueId) -> Result<ValueId, Error> {
        match b.constant(x) {
            Some(weights) if weights.shape().len() == 2 && weights.to_f32().is_some() => {
                Ok(b.derive(&[&weights], "transposed".into(), || transpose(&weights)))
            }
            _ => b.transpose_matrix(x),
        }
    }
}

fn transpose(matrix: &Tensor) -> Tensor {
    let [rows, columns] = [matrix.shape()[0] as usize, matrix.shape()[1] as usize];
    let data = matrix.to_f64();
    let flipped: Vec<f32> = (0..columns)
        .flat_map(|column| (0..rows).map(move |row| (row, column)))
        .map(|(row, column)| data[row * columns + column] as f32)
        .collect();
    Tensor::f32(&[columns as i64, rows as i64], &flipped)
}

impl Operator for MatMul {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (left, right) = (step.input(0)?, step.input(1)?);
        let (left_shape, right_shape) = (b.shape(left)?, b.shape(right)?);
        let mut g = step.cotangent()?;
        let mut g_shape = b.shape(g)?;
        let (mut left_matrix, mut right_matrix) = (left, right);
        if right_shape.len() == 1 {
            g_shape.push(1);
            right_matrix = b.reshape(right, &[right_shape[0], 1])?;
        }
        if left_shape.len() == 1 {
            g_shape.insert(g_shape.len() - 1, 1);
            left_matrix = b.reshape(left, &[1, left_shape[0]])?;
        }
        g = b.reshape(g, &g_shape)?;
        let mut made = vec![None, None];
        if step.wants(0) {
            let other = Self::transposed(b, right_matrix)?;
            let each = b.matmul(g, other)?;
            made[0] = Some(match left_shape.len() {
                1 => {
                    let row = b.sum_to(each, &[1, left_shape[0]])?;
                    b.reshape(row, &left_shape)?
                }
                _ => b.sum_to(each, &left_shape)?,
            });
        }
        if step.wants(1) {
            let other = Self::transposed(b, left_matrix)?;
            let each = b.matmul(other, g)?;
            made[1] = Some(match right_shape.len() {
                1 => {
                    let column = b.sum_to(each, &[right_shape[0], 1])?;
                    b.reshape(column, &right_shape)?
                }
                _ => b.sum_to(each, &right_shape)?,
            });
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let (rows, inner, columns) = (draw.int(1, 3), draw.int(1, 4), draw.int(1, 3));
        let batch = draw.shape(0, 2);
        let (mut left, mut right) = (draw.broadcastable(&batch), draw.broadcastable(&batch));
        left.extend([rows, inner]);
        right.extend([inner, columns]);
        match draw.int(0, 4) {
            0 => left = vec![inner],
            1 => right = vec![inner],
            2 => right = vec![inner, columns],
            _ => {}
        }
        let case = super::testing::Case::new(draw.opset(7), op).wrt(&left, &draw.distinct(&left));
        if draw.flag() { case.constant(draw.weights(&right)) } else { case.wrt(&right, &draw.distinct(&right)) }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn products_agree_with_central_differences() {
        check(&["Gemm", "MatMul", "MatMul"]);
    }
}
