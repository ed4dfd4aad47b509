//! Values that come from nowhere but attributes and shapes.

use super::array::{Array, Data};
use super::{Call, Result, fail};
use crate::Attribute;

pub(super) fn run(call: &Call<'_>) -> Result<Array> {
    match &*call.node.op {
        "Constant" => constant(call),
        "ConstantOfShape" => {
            let shape: Vec<usize> = call.input(0)?.ints()?.iter().map(|size| *size as usize).collect();
            let value = match call.node.attributes.get("value") {
                Some(Attribute::Tensor(tensor)) => Array::from_tensor(tensor)?,
                _ => Array::float(vec![1], vec![0.0]),
            };
            value.reshaped(Vec::new())?.broadcast(&shape)
        }
        "Shape" => {
            let shape: Vec<i64> = call.input(0)?.shape.iter().map(|size| *size as i64).collect();
            let rank = shape.len() as i64;
            let bound = |name: &str, default: i64| {
                let bound = call.node.int(name, default);
                (if bound < 0 { bound + rank } else { bound }).clamp(0, rank) as usize
            };
            let (start, end) = (bound("start", 0), bound("end", rank));
            let part = shape.get(start..end).unwrap_or_default().to_vec();
            Ok(Array::int(vec![part.len()], part))
        }
        "Size" => Ok(Array::int(Vec::new(), vec![call.input(0)?.len() as i64])),
        "EyeLike" => match call.input(0)?.shape[..] {
            [rows, columns] => {
                let k = call.node.int("k", 0);
                let cells = (0..rows as i64).flat_map(|y| (0..columns as i64).map(move |x| (y, x)));
                let data = cells.map(|(y, x)| f64::from(u8::from(x - y == k))).collect();
                Ok(Array::float(vec![rows, columns], data))
            }
            _ => fail("a matrix is needed"),
        },
        _ => range(call),
    }
}

fn constant(call: &Call<'_>) -> Result<Array> {
    let attribute = |name: &str| call.node.attributes.get(name);
    if let Some(Attribute::Tensor(tensor)) = attribute("value") {
        return Array::from_tensor(tensor);
    }
    Ok(match (attribute("value_int"), attribute("value_ints"), attribute("value_float"), attribute("value_floats")) {
        (Some(Attribute::Int(value)), ..) => Array::int(Vec::new(), vec![*value]),
        (_, Some(Attribute::Ints(values)), ..) => Array::int(vec![values.len()], values.clone()),
        (_, _, Some(Attribute::Float(value)), _) => Array::float(Vec::new(), vec![f64::from(*value)]),
        (.., Some(Attribute::Floats(values))) => {
            Array::float(vec![values.len()], values.iter().map(|value| f64::from(*value)).collect())
        }
        _ => return fail("it has no value"),
    })
}

fn range(call: &Call<'_>) -> Result<Array> {
    let (start, limit, delta) = (call.input(0)?, call.input(1)?, call.input(2)?);
    match (&start.data, &limit.data, &delta.data) {
        (Data::Int(start), Data::Int(limit), Data::Int(delta)) => {
            let (start, limit, delta) = (start[0], limit[0], delta[0]);
            let inside = |value: &i64| if delta > 0 { *value < limit } else { *value > limit };
            let data: Vec<i64> = (0..).map(|i| start + i * delta).take_while(inside).collect();
            Ok(Array::int(vec![data.len()], data))
        }
        _ => {
            let (start, limit, delta) = (start.floats()?[0], limit.floats()?[0], delta.floats()?[0]);
            let count = ((limit - start) / delta).ceil().max(0.0) as usize;
            Ok(Array::float(vec![count], (0..count).map(|i| start + i as f64 * delta).collect()))
        }
    }
}
