//! Operators that move elements.

use super::array::{Array, flat, positions, strides};
use super::{Call, Result, fail, wrap};

pub(super) fn reshaping(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let rank = x.rank();
    let shape = match &*call.node.op {
        "Reshape" => {
            let target = call.input(1)?.ints()?;
            let zero_is_size = call.node.int("allowzero", 0) == 0;
            let mut shape: Vec<i64> = target.to_vec();
            for (axis, size) in shape.iter_mut().enumerate() {
                if *size == 0 && zero_is_size {
                    *size = x.shape.get(axis).map_or(0, |size| *size as i64);
                }
            }
            let known: i64 = shape.iter().filter(|size| **size != -1).product();
            shape
                .iter()
                .map(|size| if *size == -1 { x.len() / known.max(1) as usize } else { *size as usize })
                .collect()
        }
        "Flatten" => {
            let axis = call.axis(1, rank)?;
            vec![x.shape[..axis].iter().product(), x.shape[axis..].iter().product()]
        }
        "Squeeze" => {
            let axes = call.list("axes", 1)?;
            let axes: Option<Vec<usize>> =
                axes.map(|axes| axes.iter().map(|axis| wrap(*axis, rank)).collect::<Result<_>>()).transpose()?;
            let dropped = |axis: &usize| axes.as_ref().map_or(x.shape[*axis] == 1, |axes| axes.contains(axis));
            (0..rank).filter(|axis| !dropped(axis)).map(|axis| x.shape[axis]).collect()
        }
        "Unsqueeze" => {
            let axes = call.list("axes", 1)?.unwrap_or_default();
            let total = rank + axes.len();
            let axes: Vec<usize> = axes.iter().map(|axis| wrap(*axis, total)).collect::<Result<_>>()?;
            let mut sizes = x.shape.iter();
            (0..total).map(|axis| if axes.contains(&axis) { 1 } else { sizes.next().copied().unwrap_or(1) }).collect()
        }
        _ => x.shape.clone(),
    };
    x.reshaped(shape)
}

fn transposed(x: &Array, permutation: &[usize]) -> Array {
    let shape: Vec<usize> = permutation.iter().map(|axis| x.shape[*axis]).collect();
    let steps = strides(&x.shape);
    let indices: Vec<usize> = positions(&shape)
        .map(|position| position.iter().zip(permutation).map(|(at, axis)| at * steps[*axis]).sum())
        .collect();
    x.pick(shape, &indices)
}

pub(super) fn transpose(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let permutation = call.node.ints("perm").map(|perm| perm.iter().map(|axis| *axis as usize).collect());
    let permutation = permutation.unwrap_or_else(|| (0..x.rank()).rev().collect::<Vec<_>>());
    let mut sorted = permutation.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..x.rank()) {
        return fail(format!("{permutation:?} is no order of the axes of {:?}", x.shape));
    }
    Ok(transposed(x, &permutation))
}

pub(super) fn expand(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let target: Vec<usize> = call.input(1)?.ints()?.iter().map(|size| *size as usize).collect();
    x.broadcast(&super::array::common_shape([&*x.shape, &*target].into_iter()))
}

pub(super) fn tile(call: &Call<'_>) -> Result<Array> {
    let (x, repeats) = (call.input(0)?, call.input(1)?.ints()?);
    let shape: Vec<usize> = x.shape.iter().zip(repeats).map(|(size, times)| size * *times as usize).collect();
    let source = |position: Vec<usize>| -> usize {
        let folded: Vec<usize> = position.iter().zip(&x.shape).map(|(at, size)| at % size).collect();
        flat(&folded, &x.shape)
    };
    let indices: Vec<usize> = positions(&shape).map(source).collect();
    Ok(x.pick(shape, &indices))
}

pub(super) fn concat(call: &Call<'_>) -> Result<Array> {
    let parts: Vec<&Array> = (0..call.inputs.len()).map(|index| call.input(index)).collect::<Result<_>>()?;
    let first = call.input(0)?;
    let axis = call.axis(1, first.rank())?;
    let others = |part: &Array| {
        part.shape.iter().enumerate().filter(|(at, _)| *at != axis).map(|(_, size)| *size).collect::<Vec<_>>()
    };
    if parts.iter().any(|part| part.rank() != first.rank() || others(part) != others(first)) {
        return fail("parts of different shapes");
    }
    let mut shape = first.shape.clone();
    shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
    // All parts behind each other, then picked row by row.
    let mut data = first.data.clone();
    for part in &parts[1..] {
        match (&mut data, &part.data) {
            (super::array::Data::Float(all), super::array::Data::Float(part)) => all.extend(part),
            (super::array::Data::Int(all), super::array::Data::Int(part)) => all.extend(part),
            (super::array::Data::Bool(all), super::array::Data::Bool(part)) => all.extend(part),
            _ => return fail("parts of different types"),
        }
    }
    let all = Array { shape: Vec::new(), data };
    let outer: usize = first.shape[..axis].iter().product();
    let mut indices = Vec::new();
    for row in 0..outer {
        let mut start = 0;
        for part in &parts {
            let length = part.len() / outer.max(1);
            indices.extend(start + row * length..start + (row + 1) * length);
            start += part.len();
        }
    }
    Ok(all.pick(shape, &indices))
}

pub(super) fn interleave(call: &Call<'_>) -> Result<Array> {
    let (stride, first) = (call.node.int("stride", 1) as usize, call.input(0)?);
    let [phases, size] = ["phases", "size"].map(|name| call.node.ints(name).unwrap_or_default());
    let mut shape = first.shape[..2].to_vec();
    shape.extend(size.iter().map(|size| *size as usize));
    let mut made = vec![0.0; shape.iter().product()];
    for (index, phase) in phases.iter().enumerate() {
        let part = call.input(index)?;
        let offset = [*phase as usize / stride, *phase as usize % stride];
        for (place, number) in positions(&part.shape).zip(part.floats()?) {
            let mut at = place;
            (0..2).for_each(|axis| at[axis + 2] = at[axis + 2] * stride + offset[axis]);
            if at[2] < shape[2] && at[3] < shape[3] {
                made[flat(&at, &shape)] = *number;
            }
        }
    }
    Ok(Array::float(shape, made))
}

/// Along each axis of `x`, the elements `kept`.
fn picked(x: &Array, kept: &[Vec<usize>]) -> Array {
    let shape: Vec<usize> = kept.iter().map(Vec::len).collect();
    let steps = strides(&x.shape);
    let source = |position: Vec<usize>| (0..x.rank()).map(|axis| kept[axis][position[axis]] * steps[axis]).sum();
    let indices: Vec<usize> = positions(&shape).map(source).collect();
    x.pick(shape, &indices)
}

fn everything(x: &Array) -> Vec<Vec<usize>> {
    x.shape.iter().map(|size| (0..*size).collect()).collect()
}

pub(super) fn split(call: &Call<'_>) -> Result<Vec<Array>> {
    let x = call.input(0)?;
    let axis = call.axis(0, x.rank())?;
    let parts = call.node.outputs.len();
    let even = x.shape[axis].div_ceil(parts);
    let sizes: Vec<usize> = match call.list("split", 1)? {
        Some(sizes) => sizes.iter().map(|size| *size as usize).collect(),
        None => (0..parts).map(|part| even.min(x.shape[axis] - part * even)).collect(),
    };
    let mut start = 0;
    let mut result = Vec::new();
    for size in sizes {
        let mut kept = everything(x);
        kept[axis] = (start..start + size).collect();
        start += size;
        result.push(picked(x, &kept));
    }
    Ok(result)
}

pub(super) fn slice(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    if (call.opset < 10) != call.node.ints("starts").is_some() {
        return fail(format!("not in this form in opset {}", call.opset));
    }
    let starts = call.list("starts", 1)?.unwrap_or_default();
    let ends = call.list("ends", 2)?.unwrap_or_default();
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    let mut kept = everything(x);
    for index in 0..starts.len() {
        let axis = wrap(axes[index], x.rank())?;
        let size = x.shape[axis] as i64;
        let bound = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (start, end, step) = (bound(starts[index]), bound(ends[index]), steps[index]);
        let mut at = if step > 0 { start.max(0) } else { start.min(size - 1) };
        let mut indices = Vec::new();
        while at >= 0 && at < size && (if step > 0 { at < end } else { at > end }) {
            indices.push(at as usize);
            at += step;
        }
        kept[axis] = indices;
    }
    Ok(picked(x, &kept))
}

pub(super) fn pad(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    if (call.opset < 11) != call.node.ints("pads").is_some() {
        return fail(format!("not in this form in opset {}", call.opset));
    }
    let given = call.list("pads", 1)?.unwrap_or_default();
    let axes = match call.optional(3) {
        Some(axes) => axes.ints()?.iter().map(|axis| wrap(*axis, x.rank())).collect::<Result<Vec<_>>>()?,
        None => (0..x.rank()).collect(),
    };
    let mode = call.node.string("mode").unwrap_or("constant");
    let mut sources: Vec<Vec<Option<usize>>> = x.shape.iter().map(|size| (0..*size).map(Some).collect()).collect();
    for (index, axis) in axes.iter().enumerate() {
        let (before, after, size) = (given[index], given[index + axes.len()], x.shape[*axis] as i64);
        let source = |at: i64| match mode {
            "constant" => (0..size).contains(&at).then_some(at as usize),
            "edge" => Some(at.max(0).min(size - 1) as usize),
            "wrap" => Some(((at % size + size) % size) as usize),
            _ => {
                let mut at = at;
                while at < 0 || at >= size {
                    at = if at < 0 { -at } else { 2 * (size - 1) - at };
                }
                Some(at as usize)
            }
        };
        sources[*axis] = (-before..size + after).map(source).collect();
    }
    let shape: Vec<usize> = sources.iter().map(Vec::len).collect();
    let fill = match call.optional(2) {
        Some(value) => value.floats()?[0],
        None => f64::from(call.node.float("value", 0.0)),
    };
    let data = x.floats()?;
    let value = |position: Vec<usize>| {
        let at: Option<Vec<usize>> = position.iter().zip(&sources).map(|(at, sources)| sources[*at]).collect();
        at.map_or(fill, |at| data[flat(&at, &x.shape)])
    };
    Ok(Array::float(shape.clone(), positions(&shape).map(value).collect()))
}

pub(super) fn blocks(call: &Call<'_>) -> Result<Array> {
    let (x, size) = (call.input(0)?, call.node.int("blocksize", 1) as usize);
    let [n, c, h, w] = x.shape[..] else { return fail("rank 4 is needed") };
    if call.node.op == "SpaceToDepth" {
        let split = x.reshaped(vec![n, c, h / size, size, w / size, size])?;
        return transposed(&split, &[0, 3, 5, 1, 2, 4]).reshaped(vec![n, c * size * size, h / size, w / size]);
    }
    let depth = c / (size * size);
    let shape = vec![n, depth, h * size, w * size];
    if call.node.string("mode") == Some("CRD") {
        let split = x.reshaped(vec![n, depth, size, size, h, w])?;
        return transposed(&split, &[0, 1, 4, 2, 5, 3]).reshaped(shape);
    }
    let split = x.reshaped(vec![n, size, size, depth, h, w])?;
    transposed(&split, &[0, 3, 4, 1, 5, 2]).reshaped(shape)
}

pub(super) fn triangle(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let k = call.optional(1).map(Array::ints).transpose()?.map_or(0, |k| k[0]);
    let upper = call.node.int("upper", 1) != 0;
    let rank = x.rank();
    let kept = |position: &[usize]| {
        let diagonal = position[rank - 1] as i64 - position[rank - 2] as i64;
        if upper { diagonal >= k } else { diagonal <= k }
    };
    let cells =
        positions(&x.shape).zip(x.floats()?).map(|(position, value)| if kept(&position) { *value } else { 0.0 });
    Ok(Array::float(x.shape.clone(), cells.collect()))
}
