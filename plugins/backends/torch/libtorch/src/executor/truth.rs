//! Operators that answer with truth values.

use super::Result;
use super::call::Call;
use tch::{Kind, Tensor as Torch};

pub(super) fn compare(call: &Call<'_>) -> Result<Torch> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    Ok(match &*call.node.op {
        "And" => a.f_logical_and(b)?,
        "Or" => a.f_logical_or(b)?,
        "Xor" => a.f_logical_xor(b)?,
        "Greater" => a.f_gt_tensor(b)?,
        "GreaterOrEqual" => a.f_ge_tensor(b)?,
        "Less" => a.f_lt_tensor(b)?,
        "LessOrEqual" => a.f_le_tensor(b)?,
        _ => a.f_eq_tensor(b)?,
    })
}

pub(super) fn not(call: &Call<'_>) -> Result<Torch> {
    Ok(call.tensor(0)?.f_logical_not()?)
}

pub(super) fn nan(call: &Call<'_>) -> Result<Torch> {
    Ok(call.tensor(0)?.f_isnan()?)
}

/// Of the signs that are asked for.
pub(super) fn infinite(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let asked = |name: &str| call.node.int(name, 1) != 0;
    Ok(match (asked("detect_negative"), asked("detect_positive")) {
        (true, true) => x.f_isinf()?,
        (true, false) => x.f_isneginf()?,
        (false, true) => x.f_isposinf()?,
        (false, false) => x.f_zeros_like()?.f_to_kind(Kind::Bool)?,
    })
}
