//! Reductions over axes, and what is made of them.

use super::array::{Array, Data, flat, positions};
use super::{Call, Result, fail, wrap};

/// Gathers, for each cell of `shape` with `axes` reduced to 1, the flat indices that fall onto it.
fn groups(shape: &[usize], axes: &[usize]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let kept: Vec<usize> = (0..shape.len()).map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect();
    let mut groups = vec![Vec::new(); kept.iter().product()];
    for (index, mut position) in positions(shape).enumerate() {
        axes.iter().for_each(|axis| position[*axis] = 0);
        groups[flat(&position, &kept)].push(index);
    }
    (kept, groups)
}

fn without(shape: &[usize], axes: &[usize], keep: bool) -> Vec<usize> {
    let kept = (0..shape.len()).filter(|axis| keep || !axes.contains(axis));
    kept.map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect()
}

pub(super) fn reduce(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let given = call.list("axes", 1)?.unwrap_or_default();
    let axes: Vec<usize> = match given.is_empty() {
        // Over no axis at all: each element is reduced by itself.
        true if call.node.int("noop_with_empty_axes", 0) != 0 => Vec::new(),
        true => (0..x.rank()).collect(),
        false => given.iter().map(|axis| wrap(*axis, x.rank())).collect::<Result<_>>()?,
    };
    let (_, groups) = groups(&x.shape, &axes);
    let shape = without(&x.shape, &axes, call.node.int("keepdims", 1) != 0);
    if let Data::Int(data) = &x.data {
        let values = groups.iter().map(|group| group.iter().map(|index| data[*index]));
        let reduced = match &*call.node.op {
            "ReduceSum" => values.map(Iterator::sum).collect(),
            "ReduceProd" => values.map(Iterator::product).collect(),
            "ReduceMax" => values.map(|values| values.max().unwrap_or(i64::MIN)).collect(),
            "ReduceMin" => values.map(|values| values.min().unwrap_or(i64::MAX)).collect(),
            _ => return fail("not on integers"),
        };
        return Ok(Array::int(shape, reduced));
    }
    let data = x.floats()?;
    let reduced = groups.iter().map(|group| {
        let values = || group.iter().map(|index| data[*index]);
        let largest = values().fold(f64::NEG_INFINITY, f64::max);
        match &*call.node.op {
            "ReduceSum" => values().sum(),
            "ReduceMean" => values().sum::<f64>() / group.len() as f64,
            "ReduceProd" => values().product(),
            "ReduceMax" => largest,
            "ReduceMin" => values().fold(f64::INFINITY, f64::min),
            "ReduceL1" => values().map(f64::abs).sum(),
            "ReduceL2" => values().map(|value| value * value).sum::<f64>().sqrt(),
            "ReduceLogSum" => values().sum::<f64>().ln(),
            "ReduceSumSquare" => values().map(|value| value * value).sum(),
            _ => values().map(|value| (value - largest).exp()).sum::<f64>().ln() + largest,
        }
    });
    Ok(Array::float(shape, reduced.collect()))
}

pub(super) fn extreme(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let axis = call.axis(0, x.rank())?;
    let (_, groups) = groups(&x.shape, &[axis]);
    let sign = if call.node.op == "ArgMax" { 1.0 } else { -1.0 };
    let data = x.floats()?;
    let last = call.node.int("select_last_index", 0) != 0;
    let indices = groups.iter().map(|group| {
        let mut best = 0;
        for (at, index) in group.iter().enumerate() {
            let (value, record) = (sign * data[*index], sign * data[group[best]]);
            if value > record || (last && value == record) {
                best = at;
            }
        }
        best as i64
    });
    Ok(Array::int(without(&x.shape, &[axis], call.node.int("keepdims", 1) != 0), indices.collect()))
}

pub(super) fn softmax(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let axes: Vec<usize> = match call.opset >= 13 {
        true => vec![call.axis(-1, x.rank())?],
        false => (call.axis(1, x.rank())?..x.rank()).collect(),
    };
    let data = x.floats()?;
    let mut result = vec![0.0; data.len()];
    for group in groups(&x.shape, &axes).1 {
        let largest = group.iter().map(|index| data[*index]).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = group.iter().map(|index| (data[*index] - largest).exp()).sum();
        for index in group {
            let log = data[index] - largest - total.ln();
            result[index] = if call.node.op == "Softmax" { log.exp() } else { log };
        }
    }
    Ok(Array::float(x.shape.clone(), result))
}

pub(super) fn cumulated(call: &Call<'_>) -> Result<Array> {
    let (x, axis) = (call.input(0)?, call.input(1)?.ints()?[0]);
    let data = x.floats()?;
    let mut result = vec![0.0; data.len()];
    let exclusive = call.node.int("exclusive", 0) != 0;
    for mut group in groups(&x.shape, &[wrap(axis, x.rank())?]).1 {
        if call.node.int("reverse", 0) != 0 {
            group.reverse();
        }
        let mut sum = 0.0;
        for index in group {
            result[index] = if exclusive { sum } else { sum + data[index] };
            sum += data[index];
        }
    }
    Ok(Array::float(x.shape.clone(), result))
}

pub(super) fn hardmax(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let axes: Vec<usize> = match call.opset >= 13 {
        true => vec![call.axis(-1, x.rank())?],
        false => (call.axis(1, x.rank())?..x.rank()).collect(),
    };
    let data = x.floats()?;
    let mut result = vec![0.0; data.len()];
    for group in groups(&x.shape, &axes).1 {
        let largest = group.iter().map(|index| data[*index]).fold(f64::NEG_INFINITY, f64::max);
        if let Some(first) = group.iter().find(|index| data[**index] == largest) {
            result[*first] = 1.0;
        }
    }
    Ok(Array::float(x.shape.clone(), result))
}

pub(super) fn top(call: &Call<'_>) -> Result<Vec<Array>> {
    let x = call.input(0)?;
    let axis = call.axis(-1, x.rank())?;
    let k = match call.opset >= 10 {
        true => call.input(1)?.ints()?[0] as usize,
        false => call.node.int("k", 1) as usize,
    };
    let largest = call.node.int("largest", 1) != 0;
    let mut shape = x.shape.clone();
    shape[axis] = k;
    let data = x.floats()?;
    let mut values = vec![0.0; shape.iter().product()];
    let mut indices = vec![0; values.len()];
    let (kept, groups) = groups(&x.shape, &[axis]);
    for (mut position, group) in positions(&kept).zip(groups) {
        let mut order: Vec<usize> = (0..group.len()).collect();
        order.sort_by(|a, b| {
            let order = data[group[*a]].total_cmp(&data[group[*b]]);
            if largest { order.reverse() } else { order }
        });
        for (place, from) in order.into_iter().take(k).enumerate() {
            position[axis] = place;
            let to = flat(&position, &shape);
            (values[to], indices[to]) = (data[group[from]], from as i64);
        }
    }
    Ok(vec![Array::float(shape.clone(), values), Array::int(shape, indices)])
}
