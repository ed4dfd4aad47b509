//! Reading and writing at indices that are values.

use super::array::{Array, Data, flat, positions};
use super::{Call, Result, fail};

fn at(index: i64, size: usize) -> Result<usize> {
    let wrapped = if index < 0 { index + size as i64 } else { index };
    match usize::try_from(wrapped) {
        Ok(at) if at < size => Ok(at),
        _ => fail(format!("index {index} of {size}")),
    }
}

pub(super) fn gather(call: &Call<'_>) -> Result<Array> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(0, x.rank())?;
    let size = x.shape[axis];
    let (outer, inner) = (x.shape[..axis].iter().product::<usize>(), x.shape[axis + 1..].iter().product::<usize>());
    let mut picked = Vec::new();
    for row in 0..outer {
        for index in indices.ints()? {
            let start = (row * size + at(*index, size)?) * inner;
            picked.extend(start..start + inner);
        }
    }
    Ok(x.pick([&x.shape[..axis], &*indices.shape, &x.shape[axis + 1..]].concat(), &picked))
}

pub(super) fn gather_elements(call: &Call<'_>) -> Result<Array> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(0, x.rank())?;
    let picked: Vec<usize> = positions(&indices.shape)
        .zip(indices.ints()?)
        .map(|(mut position, index)| {
            position[axis] = at(*index, x.shape[axis])?;
            Ok(flat(&position, &x.shape))
        })
        .collect::<Result<_>>()?;
    Ok(x.pick(indices.shape.clone(), &picked))
}

/// Writes the elements of `updates` to the places `to`.
fn write(call: &Call<'_>, x: &Array, updates: &Array, to: &[usize]) -> Result<Array> {
    let mut result = x.clone();
    match (&mut result.data, &updates.data, call.node.string("reduction").unwrap_or("none")) {
        (Data::Float(data), Data::Float(updates), "none") => to.iter().zip(updates).for_each(|(i, v)| data[*i] = *v),
        (Data::Float(data), Data::Float(updates), "add") => to.iter().zip(updates).for_each(|(i, v)| data[*i] += v),
        (Data::Int(data), Data::Int(updates), "none") => to.iter().zip(updates).for_each(|(i, v)| data[*i] = *v),
        _ => return fail("this type or reduction is not covered"),
    }
    Ok(result)
}

pub(super) fn scatter_elements(call: &Call<'_>) -> Result<Array> {
    let (x, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    if call.opset < 11 || (call.opset < 16 && call.node.string("reduction").is_some()) {
        return fail(format!("not in this form in opset {}", call.opset));
    }
    let axis = call.axis(0, x.rank())?;
    let to: Vec<usize> = positions(&indices.shape)
        .zip(indices.ints()?)
        .map(|(mut position, index)| {
            position[axis] = at(*index, x.shape[axis])?;
            Ok(flat(&position, &x.shape))
        })
        .collect::<Result<_>>()?;
    write(call, x, updates, &to)
}

pub(super) fn scatter_nd(call: &Call<'_>) -> Result<Array> {
    let (x, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let Some(depth) = indices.shape.last().copied() else { return fail("indices of rank 0") };
    let inner: usize = x.shape[depth..].iter().product();
    let mut to = Vec::new();
    for tuple in indices.ints()?.chunks(depth) {
        let position: Vec<usize> =
            tuple.iter().zip(&x.shape).map(|(index, size)| at(*index, *size)).collect::<Result<_>>()?;
        let start = flat(&position, &x.shape[..depth]) * inner;
        to.extend(start..start + inner);
    }
    write(call, x, updates, &to)
}

pub(super) fn gather_nd(call: &Call<'_>) -> Result<Array> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    let batch = call.node.int("batch_dims", 0) as usize;
    let Some(depth) = indices.shape.last().copied() else { return fail("indices of rank 0") };
    let tuples = &indices.shape[..indices.rank() - 1];
    let inner: usize = x.shape[batch + depth..].iter().product();
    let mut picked = Vec::new();
    for (position, tuple) in positions(tuples).zip(indices.ints()?.chunks(depth)) {
        let mut place = position[..batch].to_vec();
        for (index, size) in tuple.iter().zip(&x.shape[batch..]) {
            place.push(at(*index, *size)?);
        }
        let start = flat(&place, &x.shape[..batch + depth]) * inner;
        picked.extend(start..start + inner);
    }
    Ok(x.pick([tuples, &x.shape[batch + depth..]].concat(), &picked))
}

pub(super) fn compress(call: &Call<'_>) -> Result<Array> {
    let (x, condition) = (call.input(0)?, call.input(1)?.bools()?);
    let kept: Vec<usize> = (0..condition.len()).filter(|index| condition[*index]).collect();
    if !call.node.attributes.contains_key("axis") {
        return Ok(x.pick(vec![kept.len()], &kept));
    }
    let axis = call.axis(0, x.rank())?;
    let mut shape = x.shape.clone();
    shape[axis] = kept.len();
    let picked: Vec<usize> = positions(&shape)
        .map(|mut position| {
            position[axis] = kept[position[axis]];
            flat(&position, &x.shape)
        })
        .collect();
    Ok(x.pick(shape, &picked))
}

pub(super) fn nonzero(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let data = x.floats()?;
    let found: Vec<Vec<usize>> = positions(&x.shape)
        .enumerate()
        .filter(|(index, _)| data[*index] != 0.0)
        .map(|(_, position)| position)
        .collect();
    let indices = (0..x.rank()).flat_map(|axis| found.iter().map(move |position| position[axis] as i64));
    Ok(Array::int(vec![x.rank(), found.len()], indices.collect()))
}

/// With the new axis last.
pub(super) fn one_hot(call: &Call<'_>) -> Result<Array> {
    let (indices, depth, values) = (call.input(0)?, call.input(1)?.ints()?[0] as usize, call.input(2)?.floats()?);
    if call.node.int("axis", -1) != -1 {
        return fail("only a last axis is covered");
    }
    let rows = indices.ints()?.iter().map(|index| at(*index, depth)).collect::<Result<Vec<_>>>()?;
    let cells = rows.iter().flat_map(|row| (0..depth).map(move |place| values[usize::from(place == *row)]));
    Ok(Array::float([&*indices.shape, &[depth]].concat(), cells.collect()))
}

/// Turns the first so many elements of each row around.
pub(super) fn reverse_sequence(call: &Call<'_>) -> Result<Array> {
    let (x, lengths) = (call.input(0)?, call.input(1)?.ints()?);
    let (time, batch) = (call.node.int("time_axis", 0) as usize, call.node.int("batch_axis", 1) as usize);
    if lengths.len() != x.shape[batch] {
        return fail(format!("{} lengths for {} rows", lengths.len(), x.shape[batch]));
    }
    let picked: Vec<usize> = positions(&x.shape)
        .map(|mut position| {
            let length = lengths[position[batch]] as usize;
            if position[time] < length {
                position[time] = length - 1 - position[time];
            }
            flat(&position, &x.shape)
        })
        .collect();
    Ok(x.pick(x.shape.clone(), &picked))
}
