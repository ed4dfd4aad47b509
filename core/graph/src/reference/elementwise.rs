//! Everything that works element by element.

use super::array::{Array, Data, common_shape};
use super::{Call, Result, fail};
use crate::own::Mask;
use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

pub(super) fn run(call: &Call<'_>) -> Result<Array> {
    match &*call.node.op {
        "Cast" => cast(call, call.node.int("to", 1)),
        "CastLike" => match &call.input(1)?.data {
            Data::Float(_) => cast(call, 1),
            Data::Int(_) => cast(call, 7),
            Data::Bool(_) => cast(call, 9),
        },
        "IsNaN" | "IsInf" => {
            let x = call.input(0)?;
            let is = |value: &f64| if call.node.op == "IsNaN" { value.is_nan() } else { value.is_infinite() };
            Ok(Array::bool(x.shape.clone(), x.floats()?.iter().map(is).collect()))
        }
        "BitwiseNot" => {
            let x = call.input(0)?;
            Ok(Array::int(x.shape.clone(), x.ints()?.iter().map(|value| !value).collect()))
        }
        "Not" => {
            let x = call.input(0)?;
            Ok(Array::bool(x.shape.clone(), x.bools()?.iter().map(|value| !value).collect()))
        }
        "Clip" => clip(call),
        "Where" => choose(call),
        "And" | "Or" | "Xor" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" => compare(call),
        "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitShift" => combine(call),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "PRelu" | "Sum" | "Mean" | "Max" | "Min" => combine(call),
        _ => unary(call),
    }
}

pub(super) fn mask(call: &Call<'_>, mask: Mask) -> Result<Array> {
    let (g, x) = (call.input(0)?, call.input(1)?);
    if g.shape != x.shape {
        return fail(format!("a mask of shape {:?} over {:?}", x.shape, g.shape));
    }
    let open = |x: f64| f64::from(mask.lower) < x && x < f64::from(mask.upper);
    let masked = g.floats()?.iter().zip(x.floats()?).map(|(g, x)| if open(*x) { *g } else { 0.0 });
    Ok(Array::float(g.shape.clone(), masked.collect()))
}

fn cast(call: &Call<'_>, to: i64) -> Result<Array> {
    let x = call.input(0)?;
    let numbers: Vec<f64> = match &x.data {
        Data::Float(data) => data.clone(),
        Data::Int(data) => data.iter().map(|value| *value as f64).collect(),
        Data::Bool(data) => data.iter().map(|value| f64::from(u8::from(*value))).collect(),
    };
    Ok(match (to, &x.data) {
        (1 | 10 | 11 | 16, _) => Array::float(x.shape.clone(), numbers),
        (9, _) => Array::bool(x.shape.clone(), numbers.iter().map(|value| *value != 0.0).collect()),
        (_, Data::Int(_)) => x.clone(),
        (_, _) => Array::int(x.shape.clone(), numbers.iter().map(|value| *value as i64).collect()),
    })
}

fn clip(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    if call.opset >= 11
        && let Data::Int(data) = &x.data
    {
        let bound = |index: usize| call.optional(index).map(|bound| bound.ints().map(|bound| bound[0])).transpose();
        let (low, high) = (bound(1)?.unwrap_or(i64::MIN), bound(2)?.unwrap_or(i64::MAX));
        return Ok(Array::int(x.shape.clone(), data.iter().map(|value| (*value).max(low).min(high)).collect()));
    }
    let bound = |name: &str, index: usize, default: f32| match call.optional(index) {
        Some(bound) if call.opset >= 11 => bound.floats().map(|bound| bound[0]),
        _ if call.opset < 11 => Ok(f64::from(call.node.float(name, default))),
        _ => Ok(f64::from(default)),
    };
    let (low, high) = (bound("min", 1, f32::MIN)?, bound("max", 2, f32::MAX)?);
    Ok(Array::float(x.shape.clone(), x.floats()?.iter().map(|value| value.max(low).min(high)).collect()))
}

fn choose(call: &Call<'_>) -> Result<Array> {
    let parts: Vec<&Array> = (0..3).map(|index| call.input(index)).collect::<Result<_>>()?;
    if call.opset < 9 {
        return fail("Where begins at opset 9");
    }
    let shape = common_shape(parts.iter().map(|part| &*part.shape));
    let (condition, a, b) = (parts[0].broadcast(&shape)?, parts[1].broadcast(&shape)?, parts[2].broadcast(&shape)?);
    fn pick<T: Copy>(condition: &[bool], a: &[T], b: &[T]) -> Vec<T> {
        condition.iter().zip(a.iter().zip(b)).map(|(condition, (a, b))| if *condition { *a } else { *b }).collect()
    }
    let condition = condition.bools()?;
    let data = match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => Data::Float(pick(condition, a, b)),
        (Data::Int(a), Data::Int(b)) => Data::Int(pick(condition, a, b)),
        (Data::Bool(a), Data::Bool(b)) => Data::Bool(pick(condition, a, b)),
        _ => return fail("branches of different types"),
    };
    Ok(Array { shape, data })
}

fn compare(call: &Call<'_>) -> Result<Array> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let shape = common_shape([&*a.shape, &*b.shape].into_iter());
    let (a, b) = (a.broadcast(&shape)?, b.broadcast(&shape)?);
    fn ordered<T: PartialOrd>(op: &str, a: &T, b: &T) -> bool {
        match op {
            "Greater" => a > b,
            "GreaterOrEqual" => a >= b,
            "Less" => a < b,
            "LessOrEqual" => a <= b,
            _ => a == b,
        }
    }
    let op = &*call.node.op;
    let result = match (&a.data, &b.data) {
        (Data::Float(_), Data::Float(_)) if op == "Equal" && call.opset < 11 => {
            return fail("not on floats before opset 11");
        }
        (Data::Float(a), Data::Float(b)) => a.iter().zip(b).map(|(a, b)| ordered(op, a, b)).collect(),
        (Data::Int(a), Data::Int(b)) => a.iter().zip(b).map(|(a, b)| ordered(op, a, b)).collect(),
        (Data::Bool(a), Data::Bool(b)) => a
            .iter()
            .zip(b)
            .map(|(a, b)| match op {
                "And" => *a && *b,
                "Or" => *a || *b,
                "Xor" => a != b,
                _ => a == b,
            })
            .collect(),
        _ => return fail("operands of different types"),
    };
    Ok(Array::bool(shape, result))
}

fn combine(call: &Call<'_>) -> Result<Array> {
    let parts: Vec<&Array> = (0..call.inputs.len()).map(|index| call.input(index)).collect::<Result<_>>()?;
    let shape = common_shape(parts.iter().map(|part| &*part.shape));
    let parts: Vec<Array> = parts.iter().map(|part| part.broadcast(&shape)).collect::<Result<_>>()?;
    let op = &*call.node.op;
    if parts.iter().all(|part| part.ints().is_ok()) {
        let mut result = parts[0].ints()?.to_vec();
        for part in &parts[1..] {
            for (a, b) in result.iter_mut().zip(part.ints()?) {
                *a = match op {
                    "Add" | "Sum" => *a + b,
                    "Sub" => *a - b,
                    "Mul" => *a * b,
                    "Div" => *a / b,
                    "Mod" if call.node.int("fmod", 0) != 0 => *a % b,
                    "Mod" => a.rem_euclid(*b),
                    "Max" => (*a).max(*b),
                    "Min" => (*a).min(*b),
                    "Pow" => a.pow(*b as u32),
                    "BitwiseAnd" => *a & b,
                    "BitwiseOr" => *a | b,
                    "BitwiseXor" => *a ^ b,
                    "BitShift" if call.node.string("direction") == Some("LEFT") => *a << b,
                    "BitShift" => *a >> b,
                    _ => return fail("not on integers"),
                };
            }
        }
        return Ok(Array::int(shape, result));
    }
    let mut result = parts[0].floats()?.to_vec();
    for part in &parts[1..] {
        let exponents: Vec<f64> = match &part.data {
            Data::Int(data) if op == "Pow" => data.iter().map(|value| *value as f64).collect(),
            _ => part.floats()?.to_vec(),
        };
        for (a, b) in result.iter_mut().zip(exponents) {
            *a = match op {
                "Add" | "Sum" | "Mean" => *a + b,
                "Sub" => *a - b,
                "Mul" => *a * b,
                "Div" => *a / b,
                "Mod" => *a % b,
                "Max" => a.max(b),
                "Min" => a.min(b),
                "Pow" => a.powf(b),
                _ if *a < 0.0 => *a * b,
                _ => *a,
            };
        }
    }
    if op == "Mean" {
        result.iter_mut().for_each(|value| *value /= parts.len() as f64);
    }
    Ok(Array::float(shape, result))
}

fn unary(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let op = &*call.node.op;
    let attribute = |name: &str, default: f32| f64::from(call.node.float(name, default));
    if let (Data::Int(data), "Neg" | "Abs" | "Sign") = (&x.data, op) {
        let result = data.iter().map(|value| match op {
            "Neg" => -value,
            "Abs" => value.abs(),
            _ => value.signum(),
        });
        return Ok(Array::int(x.shape.clone(), result.collect()));
    }
    let alpha = |default: f32| attribute("alpha", default);
    let below = |x: f64, scale: f64| scale * x.exp_m1();
    let function: Box<dyn Fn(f64) -> f64> = match op {
        "Neg" => Box::new(|x| -x),
        "Abs" => Box::new(f64::abs),
        "Exp" => Box::new(f64::exp),
        "Log" => Box::new(f64::ln),
        "Sqrt" => Box::new(f64::sqrt),
        "Reciprocal" => Box::new(f64::recip),
        "Sin" => Box::new(f64::sin),
        "Cos" => Box::new(f64::cos),
        "Tan" => Box::new(f64::tan),
        "Asin" => Box::new(f64::asin),
        "Acos" => Box::new(f64::acos),
        "Atan" => Box::new(f64::atan),
        "Sinh" => Box::new(f64::sinh),
        "Cosh" => Box::new(f64::cosh),
        "Asinh" => Box::new(f64::asinh),
        "Acosh" => Box::new(f64::acosh),
        "Atanh" => Box::new(f64::atanh),
        "Tanh" => Box::new(f64::tanh),
        "Shrink" => {
            let (bias, lambd) = (attribute("bias", 0.0), attribute("lambd", 0.5));
            Box::new(move |x| if x.abs() > lambd { x - bias * x.signum() } else { 0.0 })
        }
        "Sigmoid" => Box::new(sigmoid),
        "Erf" => Box::new(erf),
        "Floor" => Box::new(f64::floor),
        "Ceil" => Box::new(f64::ceil),
        "Round" => Box::new(f64::round_ties_even),
        "Sign" => Box::new(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        "Relu" => Box::new(|x| x.max(0.0)),
        "LeakyRelu" => {
            let alpha = alpha(0.01);
            Box::new(move |x| if x < 0.0 { alpha * x } else { x })
        }
        "ThresholdedRelu" => {
            let alpha = alpha(1.0);
            Box::new(move |x| if x > alpha { x } else { 0.0 })
        }
        "Elu" => {
            let alpha = alpha(1.0);
            Box::new(move |x| if x < 0.0 { below(x, alpha) } else { x })
        }
        "Selu" => {
            let (alpha, gamma) = (alpha(1.673_263_2), attribute("gamma", 1.050_701));
            Box::new(move |x| gamma * if x < 0.0 { below(x, alpha) } else { x })
        }
        "Celu" => {
            let alpha = alpha(1.0);
            Box::new(move |x| if x < 0.0 { below(x / alpha, alpha) } else { x })
        }
        "Softplus" => Box::new(|x| x.exp().ln_1p()),
        "Softsign" => Box::new(|x| x / (1.0 + x.abs())),
        "HardSigmoid" => {
            let (alpha, beta) = (alpha(0.2), attribute("beta", 0.5));
            Box::new(move |x| (alpha * x + beta).clamp(0.0, 1.0))
        }
        "HardSwish" => Box::new(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        "Mish" => Box::new(|x| x * x.exp().ln_1p().tanh()),
        "Gelu" if call.node.string("approximate") == Some("tanh") => {
            Box::new(|x| 0.5 * x * (1.0 + (SQRT_2 * FRAC_2_SQRT_PI / 2.0 * (x + 0.044_715 * x.powi(3))).tanh()))
        }
        "Gelu" => Box::new(|x| 0.5 * x * (1.0 + erf(x / SQRT_2))),
        _ => return fail("this operator is not known to the reference runtime"),
    };
    Ok(Array::float(x.shape.clone(), x.floats()?.iter().map(|value| function(*value)).collect()))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms of one sign, so nothing cancels.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn erf_has_its_known_values() {
        assert!((erf(0.5) - 0.520_499_877_813_046_5).abs() < 1e-15);
        assert!((erf(-2.0) + 0.995_322_265_018_952_7).abs() < 1e-15);
        assert_eq!(erf(0.0), 0.0);
    }
}
