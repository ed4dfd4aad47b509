//! Operators on the bits of integers.

use super::Result;
use super::call::Call;
use tch::Tensor as Torch;

pub(super) fn not(call: &Call<'_>) -> Result<Torch> {
    Ok(call.tensor(0)?.f_bitwise_not()?)
}

pub(super) fn combine(call: &Call<'_>) -> Result<Torch> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    Ok(match &*call.node.op {
        "BitwiseAnd" => a.f_bitwise_and_tensor(b)?,
        "BitwiseOr" => a.f_bitwise_or_tensor(b)?,
        _ => a.f_bitwise_xor_tensor(b)?,
    })
}

pub(super) fn shift(call: &Call<'_>) -> Result<Torch> {
    let (x, by) = (call.tensor(0)?, call.tensor(1)?);
    match call.node.string("direction") {
        Some("LEFT") => Ok(x.f_bitwise_left_shift(by)?),
        Some("RIGHT") => Ok(x.f_bitwise_right_shift(by)?),
        other => call.unsupported(format!("with the direction {other:?}")),
    }
}
