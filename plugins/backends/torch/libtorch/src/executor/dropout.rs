//! Dropout.

use super::Result;
use super::call::Call;
use super::value::Value;
use tch::Kind;

/// As it is at inference: all is kept.
pub(super) fn dropout(call: &Call<'_>) -> Result<Vec<Value>> {
    let training = call.optional(2).map(Value::ints).transpose()?.is_some_and(|flag| flag.first() == Some(&1));
    let ratio = call.optional_tensor(1).map(|ratio| ratio.f_reshape([-1])?.f_double_value(&[0])).transpose()?;
    if training && ratio != Some(0.0) {
        return call.unsupported("in training mode");
    }
    let x = call.input(0)?;
    let mut made = vec![x.share()];
    if call.node.outputs.len() > 1 {
        made.push(Value::of(x.tensor.f_ones_like()?.f_to_kind(Kind::Bool)?));
    }
    Ok(made)
}
