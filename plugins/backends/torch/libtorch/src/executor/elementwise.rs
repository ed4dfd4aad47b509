//! Everything that works element by element.

use super::call::Call;
use super::value::{is_float, kind};
use super::{Result, TorchError};
use tch::Tensor as Torch;
use whyglass_graph::Dtype;

const SEVERAL: [&str; 11] = ["Add", "Sub", "Mul", "Div", "Pow", "Mod", "PRelu", "Sum", "Mean", "Max", "Min"];
const UNARY: [&str; 41] = [
    "Neg",
    "Abs",
    "Exp",
    "Log",
    "Sqrt",
    "Reciprocal",
    "Sin",
    "Cos",
    "Tan",
    "Asin",
    "Acos",
    "Atan",
    "Sinh",
    "Cosh",
    "Asinh",
    "Acosh",
    "Atanh",
    "Tanh",
    "Sigmoid",
    "Erf",
    "Floor",
    "Ceil",
    "Round",
    "Sign",
    "Relu",
    "LeakyRelu",
    "ThresholdedRelu",
    "Elu",
    "Selu",
    "Celu",
    "Softplus",
    "Softsign",
    "HardSigmoid",
    "HardSwish",
    "Mish",
    "Gelu",
    "Shrink",
    "Cast",
    "CastLike",
    "Clip",
    "Where",
];

/// Whether the operator is one of this file's.
pub(super) fn knows(op: &str) -> bool {
    SEVERAL.contains(&op) || UNARY.contains(&op)
}

pub(super) fn run(call: &Call<'_>) -> Result<Torch> {
    match &*call.node.op {
        "Cast" => cast(call),
        "CastLike" => Ok(call.tensor(0)?.f_to_kind(call.tensor(1)?.f_kind()?)?),
        "Clip" => clip(call),
        "Where" => Ok(call.tensor(1)?.f_where_self(call.tensor(0)?, call.tensor(2)?)?),
        op if SEVERAL.contains(&op) => combine(call),
        _ => unary(call),
    }
}

fn cast(call: &Call<'_>) -> Result<Torch> {
    let to = call.node.int("to", 1) as i32;
    match Dtype::from_code(to) {
        Some(dtype) => Ok(call.tensor(0)?.f_to_kind(kind(dtype)?)?),
        None => call.unsupported(format!("to the type with the number {to}")),
    }
}

fn clip(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    if call.opset >= 11 {
        let (low, high) = (call.optional_tensor(1), call.optional_tensor(2));
        return Ok(match (low, high) {
            (None, None) => x.shallow_clone(),
            // Where the bounds cross, the upper one wins, here as there.
            (low, high) => x.f_clamp_tensor(low, high)?,
        });
    }
    let bound = |name: &str, default: f32| f64::from(call.node.float(name, default));
    Ok(x.f_clamp(bound("min", f32::MIN), bound("max", f32::MAX))?)
}

fn combine(call: &Call<'_>) -> Result<Torch> {
    let parts: Vec<&Torch> = (0..call.inputs.len()).map(|index| call.tensor(index)).collect::<Result<_>>()?;
    let op = &*call.node.op;
    let mut result = parts[0].shallow_clone();
    let float = is_float(&result)?;
    for part in &parts[1..] {
        result = match op {
            "Add" | "Sum" | "Mean" => result.f_add(part)?,
            "Sub" => result.f_sub(part)?,
            "Mul" => result.f_mul(part)?,
            "Div" if float => result.f_div(part)?,
            "Div" => result.f_div_tensor_mode(part, "trunc")?,
            "Pow" => {
                let kind = result.f_kind()?;
                result.f_pow(part)?.f_to_kind(kind)?
            }
            "Mod" if float || call.node.int("fmod", 0) != 0 => result.f_fmod_tensor(part)?,
            "Mod" => result.f_remainder_tensor(part)?,
            "Max" => result.f_maximum(part)?,
            "Min" => result.f_minimum(part)?,
            _ => {
                let zero = result.f_zeros_like()?;
                result.f_where_self(&result.f_ge_tensor(&zero)?, &result.f_mul(part)?)?
            }
        };
    }
    Ok(if op == "Mean" { result.f_mul_scalar(1.0 / parts.len() as f64)? } else { result })
}

/// A number as a tensor of the type of `like`.
fn number(like: &Torch, value: f64) -> Result<Torch> {
    Ok(Torch::f_full([0_i64; 0], value, (like.f_kind()?, like.device()))?)
}

fn unary(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let attribute = |name: &str, default: f32| f64::from(call.node.float(name, default));
    let alpha = |default: f32| attribute("alpha", default);
    // Where x is at least 0 itself, else what `below` makes of it; the side that is not taken has no say in a gradient.
    let below_zero = |below: Torch| Ok::<_, TorchError>(x.f_where_self(&x.f_ge_tensor(&number(x, 0.0)?)?, &below)?);
    let falling = |alpha: f64, scale: f64| {
        Ok::<_, TorchError>(x.f_clamp_max(0.0)?.f_mul_scalar(1.0 / alpha)?.f_expm1()?.f_mul_scalar(scale)?)
    };
    Ok(match &*call.node.op {
        "Neg" => x.f_neg()?,
        "Abs" => x.f_abs()?,
        "Exp" => x.f_exp()?,
        "Log" => x.f_log()?,
        "Sqrt" => x.f_sqrt()?,
        "Reciprocal" => x.f_reciprocal()?,
        "Sin" => x.f_sin()?,
        "Cos" => x.f_cos()?,
        "Tan" => x.f_tan()?,
        "Asin" => x.f_asin()?,
        "Acos" => x.f_acos()?,
        "Atan" => x.f_atan()?,
        "Sinh" => x.f_sinh()?,
        "Cosh" => x.f_cosh()?,
        "Asinh" => x.f_asinh()?,
        "Acosh" => x.f_acosh()?,
        "Atanh" => x.f_atanh()?,
        "Tanh" => x.f_tanh()?,
        "Sigmoid" => x.f_sigmoid()?,
        "Erf" => x.f_erf()?,
        "Floor" => x.f_floor()?,
        "Ceil" => x.f_ceil()?,
        "Round" => x.f_round()?,
        "Sign" => x.f_sign()?,
        "Relu" => x.f_relu()?,
        "LeakyRelu" => below_zero(x.f_mul_scalar(alpha(0.01))?)?,
        "ThresholdedRelu" => x.f_threshold(alpha(1.0), 0.0)?,
        "Elu" => below_zero(falling(1.0, alpha(1.0))?)?,
        "Selu" => below_zero(falling(1.0, alpha(1.673_263_2))?)?.f_mul_scalar(attribute("gamma", 1.050_701))?,
        "Celu" => below_zero(falling(alpha(1.0), alpha(1.0))?)?,
        "Softplus" => x.f_softplus()?,
        "Softsign" => x.f_div(&x.f_abs()?.f_add_scalar(1.0)?)?,
        "HardSigmoid" => x.f_mul_scalar(alpha(0.2))?.f_add_scalar(attribute("beta", 0.5))?.f_clamp(0.0, 1.0)?,
        "HardSwish" => x.f_hardswish()?,
        "Mish" => x.f_mish()?,
        "Gelu" => x.f_gelu(call.node.string("approximate").unwrap_or("none"))?,
        "Shrink" => {
            let towards_zero = x.f_sub(&x.f_sign()?.f_mul_scalar(attribute("bias", 0.0))?)?;
            let kept = x.f_abs()?.f_gt_tensor(&number(x, attribute("lambd", 0.5))?)?;
            towards_zero.f_where_self(&kept, &number(&towards_zero, 0.0)?)?.f_to_kind(x.f_kind()?)?
        }
        other => return Err(TorchError::Unsupported { op: other.to_owned(), what: "it is not known here".to_owned() }),
    })
}
