//! Attention and RotaryEmbedding, one number after the other.

use super::array::{Array, Data, flat, positions};
use super::{Call, Result, fail};

/// `x` as batch × heads × positions × width.
fn by_head(x: &Array, heads: i64) -> Result<Array> {
    match x.shape[..] {
        [_, _, _, _] => Ok(x.clone()),
        [batch, rows, all] if heads > 0 => {
            let heads = heads as usize;
            let width = all / heads;
            let cells = positions(&[batch, heads, rows, width]).map(|at| {
                let place = [at[0], at[2], at[1] * width + at[3]];
                flat(&place, &x.shape)
            });
            Ok(x.pick(vec![batch, heads, rows, width], &cells.collect::<Vec<_>>()))
        }
        _ => fail(format!("{:?} is not split into {heads} heads", x.shape)),
    }
}

/// Back to the form of an input: side by side where it had three axes.
fn side_by_side(x: &Array, rank: usize) -> Array {
    if rank == 4 {
        return x.clone();
    }
    let [batch, heads, rows, width] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
    let cells = positions(&[batch, rows, heads * width]).map(|at| {
        let place = [at[0], at[2] / width, at[1], at[2] % width];
        flat(&place, &x.shape)
    });
    x.pick(vec![batch, rows, heads * width], &cells.collect::<Vec<_>>())
}

pub(super) fn attention(call: &Call<'_>) -> Result<Array> {
    if call.optional(4).is_some() || call.node.float("softcap", 0.0) != 0.0 {
        return fail("a cache and a cap are not covered");
    }
    let q = by_head(call.input(0)?, call.node.int("q_num_heads", 0))?;
    let k = by_head(call.input(1)?, call.node.int("kv_num_heads", 0))?;
    let v = by_head(call.input(2)?, call.node.int("kv_num_heads", 0))?;
    let [batch, heads, rows, width] = q.shape[..] else { return fail("queries of rank 4 are needed") };
    let (group, columns, depth) = (heads / k.shape[1], k.shape[2], v.shape[3]);
    let scale = f64::from(call.node.float("scale", 1.0 / (width as f32).sqrt()));
    let mask = call.optional(3).map(|mask| mask.broadcast(&[batch, heads, rows, columns])).transpose()?;
    let causal = call.node.int("is_causal", 0) != 0;
    let (qs, ks, vs) = (q.floats()?, k.floats()?, v.floats()?);
    let mut result = Vec::new();
    for at in positions(&[batch, heads, rows]) {
        let [n, head, row] = [at[0], at[1], at[2]];
        let score = |column: usize| {
            let product: f64 = (0..width)
                .map(|i| qs[flat(&[n, head, row, i], &q.shape)] * ks[flat(&[n, head / group, column, i], &k.shape)])
                .sum();
            let place = flat(&[n, head, row, column], &[batch, heads, rows, columns]);
            let masked = match mask.as_ref().map(|mask| &mask.data) {
                Some(Data::Float(mask)) => mask[place],
                Some(Data::Bool(mask)) if !mask[place] => f64::NEG_INFINITY,
                _ => 0.0,
            };
            if causal && column > row { f64::NEG_INFINITY } else { product * scale + masked }
        };
        let scores: Vec<f64> = (0..columns).map(score).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f64 = shares.iter().sum();
        for i in 0..depth {
            let value = |column: usize| vs[flat(&[n, head / group, column, i], &v.shape)];
            result.push((0..columns).map(|column| shares[column] / total * value(column)).sum());
        }
    }
    Ok(side_by_side(&Array::float(vec![batch, heads, rows, depth], result), call.input(0)?.rank()))
}

pub(super) fn rotary(call: &Call<'_>) -> Result<Array> {
    if call.optional(3).is_some() || call.node.int("rotary_embedding_dim", 0) != 0 {
        return fail("positions by number and turning a part only are not covered");
    }
    let x = by_head(call.input(0)?, call.node.int("num_heads", 0))?;
    let (cosines, sines) = (call.input(1)?, call.input(2)?);
    let half = x.shape[3] / 2;
    let interleaved = call.node.int("interleaved", 0) != 0;
    let data = x.floats()?;
    let mut result = Vec::new();
    for at in positions(&x.shape) {
        let (pair, second) = if interleaved { (at[3] / 2, at[3] % 2 == 1) } else { (at[3] % half, at[3] >= half) };
        let places = if interleaved { [2 * pair, 2 * pair + 1] } else { [pair, pair + half] };
        let [a, b] = places.map(|place| data[flat(&[at[0], at[1], at[2], place], &x.shape)]);
        let angle = flat(&[at[0], at[2], pair], &cosines.shape);
        let (cosine, sine) = (cosines.floats()?[angle], sines.floats()?[angle]);
        result.push(if second { a * sine + b * cosine } else { a * cosine - b * sine });
    }
    Ok(side_by_side(&Array::float(x.shape.clone(), result), call.input(0)?.rank()))
}
