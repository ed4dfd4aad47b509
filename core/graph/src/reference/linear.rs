//! Products of matrices.

use super::array::{Array, common_shape};
use super::{Call, Result, fail};

/// The product of two row-major matrices.
fn product(a: &[f64], b: &[f64], rows: usize, inner: usize, columns: usize) -> Vec<f64> {
    let cell = |row: usize, column: usize| (0..inner).map(|i| a[row * inner + i] * b[i * columns + column]).sum();
    (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| cell(r, c)).collect()
}

fn matrix(x: &Array, transpose: bool) -> Result<(usize, usize, Vec<f64>)> {
    let [rows, columns] = x.shape[..] else { return fail(format!("{:?} is not a matrix", x.shape)) };
    let data = x.floats()?;
    if !transpose {
        return Ok((rows, columns, data.to_vec()));
    }
    let flipped = (0..columns).flat_map(|c| (0..rows).map(move |r| data[r * columns + c])).collect();
    Ok((columns, rows, flipped))
}

pub(super) fn gemm(call: &Call<'_>) -> Result<Array> {
    let (rows, inner, a) = matrix(call.input(0)?, call.node.int("transA", 0) != 0)?;
    let (other, columns, b) = matrix(call.input(1)?, call.node.int("transB", 0) != 0)?;
    if inner != other {
        return fail(format!("{rows}×{inner} times {other}×{columns}"));
    }
    if call.opset < 11 && call.optional(2).is_none() {
        return fail("before opset 11 a third input is needed");
    }
    let (alpha, beta) = (f64::from(call.node.float("alpha", 1.0)), f64::from(call.node.float("beta", 1.0)));
    let mut result = product(&a, &b, rows, inner, columns);
    let bias = call.optional(2).map(|c| c.broadcast(&[rows, columns])).transpose()?;
    for (index, value) in result.iter_mut().enumerate() {
        *value *= alpha;
        if let Some(bias) = &bias {
            *value += beta * bias.floats()?[index];
        }
    }
    Ok(Array::float(vec![rows, columns], result))
}

pub(super) fn matmul(call: &Call<'_>) -> Result<Array> {
    let (mut left, mut right) = (call.input(0)?.clone(), call.input(1)?.clone());
    let (row_vector, column_vector) = (left.rank() == 1, right.rank() == 1);
    if row_vector {
        left.shape.insert(0, 1);
    }
    if column_vector {
        right.shape.push(1);
    }
    let (left_batch, left_matrix) = left.shape.split_at(left.rank() - 2);
    let (right_batch, right_matrix) = right.shape.split_at(right.rank() - 2);
    let (rows, inner, columns) = (left_matrix[0], left_matrix[1], right_matrix[1]);
    if inner != right_matrix[0] {
        return fail(format!("{:?} times {:?}", left.shape, right.shape));
    }
    let batch = common_shape([left_batch, right_batch].into_iter());
    let left = left.broadcast(&[&*batch, left_matrix].concat())?;
    let right = right.broadcast(&[&*batch, right_matrix].concat())?;
    let (a, b) = (left.floats()?, right.floats()?);
    let mut result = Vec::new();
    for index in 0..batch.iter().product::<usize>() {
        let (a, b) = (&a[index * rows * inner..], &b[index * inner * columns..]);
        result.extend(product(a, b, rows, inner, columns));
    }
    let mut shape = batch;
    if !row_vector {
        shape.push(rows);
    }
    if !column_vector {
        shape.push(columns);
    }
    Ok(Array::float(shape, result))
}
