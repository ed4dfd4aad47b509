//! Normalisations.

use super::Result;
use super::call::Call;
use tch::Tensor as Torch;

fn epsilon(call: &Call<'_>) -> f64 {
    f64::from(call.node.float("epsilon", 1e-5))
}

pub(super) fn batch(call: &Call<'_>) -> Result<Torch> {
    if call.node.int("training_mode", 0) != 0 {
        return call.unsupported("in training mode");
    }
    let some = |index: usize| call.tensor(index).map(Some);
    let (scale, bias, mean, variance) = (some(1)?, some(2)?, some(3)?, some(4)?);
    Ok(call.tensor(0)?.f_batch_norm(scale, bias, mean, variance, false, 0.0, epsilon(call), false)?)
}

pub(super) fn layer(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axis = call.axis(-1, x.dim())? as usize;
    let shape = &x.size()[axis..];
    let (scale, bias) = (call.tensor(1)?, call.optional_tensor(2));
    if scale.size() == shape && bias.is_none_or(|bias| bias.size() == shape) {
        return Ok(x.f_layer_norm(shape, Some(scale), bias, epsilon(call), false)?);
    }
    let plain = x.f_layer_norm(shape, None::<&Torch>, None, epsilon(call), false)?.f_mul(scale)?;
    Ok(match bias {
        Some(bias) => plain.f_add(bias)?,
        None => plain,
    })
}

/// Instances are groups of one channel.
pub(super) fn group(call: &Call<'_>) -> Result<Torch> {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let channels = x.size()[1];
    let groups = if call.node.op == "InstanceNormalization" { channels } else { call.node.int("num_groups", 1) };
    let per_channel = |tensor: &Torch| {
        let count = tensor.size().iter().product::<i64>();
        let wide = if count == channels {
            tensor.shallow_clone()
        } else {
            tensor.f_repeat_interleave_self_int(channels / count, 0, None)?
        };
        wide.f_reshape([-1])
    };
    Ok(x.f_group_norm(groups, Some(per_channel(scale)?), Some(per_channel(bias)?), epsilon(call), false)?)
}

pub(super) fn across_channels(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let size = call.node.int("size", 1);
    let (alpha, beta) = (f64::from(call.node.float("alpha", 1e-4)), f64::from(call.node.float("beta", 0.75)));
    let bias = f64::from(call.node.float("bias", 1.0));
    let sizes = x.size();
    let &[rows, channels, ref rest @ ..] = sizes.as_slice() else { return call.unsupported("of less than two axes") };
    let plane: i64 = rest.iter().product();
    let squares = x.f_square()?.f_reshape([rows, 1, channels, plane])?;
    let before = (size - 1) / 2;
    let padded = squares.f_constant_pad_nd([0, 0, before, size - 1 - before])?;
    let sums = padded.f_avg_pool2d([size, 1], [1, 1], [0, 0], false, true, None::<i64>)?.f_mul_scalar(alpha)?;
    let scale = sums.f_add_scalar(bias)?.f_pow_tensor_scalar(beta)?.f_reshape(&sizes)?;
    Ok(x.f_div(&scale)?)
}
