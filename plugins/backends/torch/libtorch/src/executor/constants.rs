//! Values that come from nowhere but attributes and shapes.

use super::Result;
use super::call::Call;
use super::value::{Value, kind};
use tch::{Kind, Tensor as Torch};
use whyglass_graph::{Attribute, Dtype};

pub(super) fn constant(call: &Call<'_>) -> Result<Torch> {
    let attribute = |name: &str| call.node.attributes.get(name);
    if let Some(Attribute::Tensor(tensor)) = attribute("value") {
        return Ok(Value::constant(tensor, call.device)?.tensor);
    }
    let made =
        match (attribute("value_int"), attribute("value_ints"), attribute("value_float"), attribute("value_floats")) {
            (Some(Attribute::Int(value)), ..) => Torch::f_from_slice(&[*value])?.f_reshape([0_i64; 0])?,
            (_, Some(Attribute::Ints(values)), ..) => Torch::f_from_slice(values)?,
            (_, _, Some(Attribute::Float(value)), _) => Torch::f_from_slice(&[*value])?.f_reshape([0_i64; 0])?,
            (.., Some(Attribute::Floats(values))) => Torch::f_from_slice(values)?,
            _ => return call.unsupported("it has no value that is a tensor of numbers"),
        };
    Ok(made.f_to_device(call.device)?)
}

pub(super) fn of_shape(call: &Call<'_>) -> Result<Torch> {
    let shape = call.input(0)?.ints()?;
    match call.node.attributes.get("value") {
        Some(Attribute::Tensor(tensor)) => {
            let value = Value::constant(tensor, call.device)?.tensor.f_reshape([0_i64; 0])?;
            Ok(value.f_expand(&shape, false)?.f_contiguous()?)
        }
        _ => Ok(Torch::f_zeros(&shape, (Kind::Float, call.device))?),
    }
}

pub(super) fn shape(call: &Call<'_>) -> Result<Torch> {
    let shape = call.input(0)?.shape();
    let rank = shape.len() as i64;
    let bound = |name: &str, default: i64| {
        let bound = call.node.int(name, default);
        (if bound < 0 { bound + rank } else { bound }).clamp(0, rank) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", rank));
    Ok(Torch::f_from_slice(shape.get(start..end).unwrap_or_default())?.f_to_device(call.device)?)
}

pub(super) fn size(call: &Call<'_>) -> Result<Torch> {
    let count: i64 = call.input(0)?.shape().iter().product();
    Ok(Torch::f_from_slice(&[count])?.f_reshape([0_i64; 0])?.f_to_device(call.device)?)
}

pub(super) fn range(call: &Call<'_>) -> Result<Torch> {
    let (start, limit, delta) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let kind = start.f_kind()?;
    if super::value::is_float(start)? {
        let read = |tensor: &Torch| tensor.f_double_value(&[]);
        let (start, limit, delta) = (
            read(&start.f_reshape([0_i64; 0])?)?,
            read(&limit.f_reshape([0_i64; 0])?)?,
            read(&delta.f_reshape([0_i64; 0])?)?,
        );
        let count = ((limit - start) / delta).ceil().max(0.0) as i64;
        let steps = Torch::f_arange_start_step(0_i64, count, 1_i64, (kind, call.device))?;
        return Ok(steps.f_mul_scalar(delta)?.f_add_scalar(start)?);
    }
    let read = |index: usize| Ok::<_, super::TorchError>(call.input(index)?.ints()?.first().copied().unwrap_or(0));
    let (start, limit, delta) = (read(0)?, read(1)?, read(2)?);
    let empty = (delta > 0 && start >= limit) || (delta < 0 && start <= limit);
    let limit = if empty { start } else { limit };
    Ok(Torch::f_arange_start_step(start, limit, delta, (kind, call.device))?)
}

pub(super) fn eye(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let &[rows, columns] = x.size().as_slice() else { return call.unsupported("of other than a matrix") };
    let kind = match Dtype::from_code(call.node.int("dtype", 0) as i32) {
        Some(dtype) => kind(dtype)?,
        None => x.f_kind()?,
    };
    let k = call.node.int("k", 0);
    let row = Torch::f_arange_start_step(0_i64, rows, 1_i64, (Kind::Int64, call.device))?.f_reshape([-1, 1])?;
    let column = Torch::f_arange_start_step(0_i64, columns, 1_i64, (Kind::Int64, call.device))?.f_reshape([1, -1])?;
    Ok(column.f_sub(&row)?.f_eq_tensor(&Torch::f_full([0_i64; 0], k, (Kind::Int64, call.device))?)?.f_to_kind(kind)?)
}
