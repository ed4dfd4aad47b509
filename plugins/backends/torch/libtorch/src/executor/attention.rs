//! Attention: softmax(scale · Q·Kᵀ + mask)·V, per head.

use super::call::Call;
use super::heads::{by_head, side_by_side};
use super::value::{Value, kind};
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};
use whyglass_graph::Dtype;

/// The answer, the keys and values with what was before them, and the scores at the stage that is asked for.
pub(super) fn attention(call: &Call<'_>) -> Result<Vec<Value>> {
    let given = call.tensor(0)?;
    let heads = |index: usize, name: &str| by_head(call.tensor(index)?, call.node.int(name, 0));
    let q = heads(0, "q_num_heads")?;
    let k = after(call.optional_tensor(4), heads(1, "kv_num_heads")?)?;
    let v = after(call.optional_tensor(5), heads(2, "kv_num_heads")?)?;
    let (queries, keys) = (q.size()[1], k.size()[1]);
    if keys < 1 || queries % keys != 0 {
        return Err(TorchError::Graph(format!("{queries} heads of queries for {keys} of keys")));
    }
    // Several heads of queries share one of keys and values.
    let shared = |x: &Torch| match queries / keys {
        1 => Ok(x.shallow_clone()),
        each => x.f_repeat_interleave_self_int(each, 1, None),
    };
    // Half of the scale on either side, as the standard has it: in 16 bits the product alone might be too large.
    let scale = f64::from(call.node.float("scale", 1.0 / (q.size()[3] as f32).sqrt()));
    let half = scale.abs().sqrt();
    let turned = shared(&k)?.f_mul_scalar(half)?.f_transpose(2, 3)?;
    let raw = q.f_mul_scalar(half.copysign(scale))?.f_matmul(&turned)?;
    let masked = masked(call, &raw)?;
    let capped = match f64::from(call.node.float("softcap", 0.0)) {
        0.0 => masked.shallow_clone(),
        cap => masked.f_mul_scalar(1.0 / cap)?.f_tanh()?.f_mul_scalar(cap)?,
    };
    let shares = shares(call, &capped)?;
    let answer = side_by_side(shares.f_matmul(&shared(&v)?)?, given.dim())?;
    let stage = match call.node.int("qk_matmul_output_mode", 0) {
        0 => raw,
        1 => masked,
        2 => capped,
        3 => shares,
        mode => return call.unsupported(format!("with the qk_matmul_output_mode {mode}")),
    };
    Ok([answer, k, v, stage].into_iter().map(Value::of).collect())
}

/// `x` behind the positions of `past`.
fn after(past: Option<&Torch>, x: Torch) -> Result<Torch> {
    Ok(match past {
        Some(past) => Torch::f_cat(&[past, &x], 2)?,
        None => x,
    })
}

/// With the mask added: numbers, or truth values that say which keys are seen.
fn masked(call: &Call<'_>, scores: &Torch) -> Result<Torch> {
    let mut scores = scores.shallow_clone();
    let never = Torch::f_full([0_i64; 0], f64::NEG_INFINITY, (scores.f_kind()?, call.device))?;
    let sizes = scores.size();
    if let Some(mask) = call.optional_tensor(3) {
        let truth = mask.f_kind()? == Kind::Bool;
        // Keys beyond the end of a mask are not seen.
        let missing = [0, sizes[3] - mask.size().last().copied().unwrap_or(1)];
        let filler = if truth { 0.0 } else { f64::NEG_INFINITY };
        let whole = if mask.size().last() == Some(&1) {
            mask.shallow_clone()
        } else {
            mask.f_pad(missing, "constant", filler)?
        };
        scores = if truth {
            scores.f_where_self(&whole, &never)?
        } else {
            scores.f_add(&whole.f_to_kind(scores.f_kind()?)?)?
        };
    }
    if call.node.int("is_causal", 0) != 0 {
        let past = call.optional_tensor(4).map_or(0, |past| past.size()[2]);
        let seen = Torch::f_ones(&sizes[2..], (Kind::Bool, call.device))?.f_tril(past)?;
        scores = scores.f_where_self(&seen, &never)?;
    }
    Ok(scores)
}

/// The softmax, in the precision that is asked for.
fn shares(call: &Call<'_>, scores: &Torch) -> Result<Torch> {
    let own = scores.f_kind()?;
    let inner = match Dtype::from_code(call.node.int("softmax_precision", 0) as i32) {
        Some(dtype) => kind(dtype)?,
        None => own,
    };
    Ok(scores.f_softmax(-1, inner)?.f_to_kind(own)?)
}
