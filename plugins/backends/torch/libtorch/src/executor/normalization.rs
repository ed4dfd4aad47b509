//! Normalisations.

use super::call::{Call, wrap};
use super::value::Value;
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};

fn epsilon(call: &Call<'_>) -> f64 {
    f64::from(call.node.float("epsilon", 1e-5))
}

/// In training mode by the mean and the variance of the batch, which move those that are given.
pub(super) fn batch(call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.tensor(0)?;
    let some = |index: usize| call.tensor(index).map(Some);
    let (scale, bias, mean, variance) = (some(1)?, some(2)?, some(3)?, some(4)?);
    let normalize = |mean: Option<&Torch>, variance: Option<&Torch>, training: bool| {
        x.f_batch_norm(scale, bias, mean, variance, training, 0.0, epsilon(call), false)
    };
    if call.node.int("training_mode", 0) == 0 {
        return Ok(vec![Value::of(normalize(mean, variance, false)?)]);
    }
    let axes: Vec<i64> = (0..x.dim() as i64).filter(|axis| *axis != 1).collect();
    let momentum = f64::from(call.node.float("momentum", 0.9));
    let moved = |index: usize, now: Torch| {
        let kept = call.tensor(index)?.f_mul_scalar(momentum)?;
        Ok::<_, TorchError>(kept.f_add(&now.f_mul_scalar(1.0 - momentum)?)?)
    };
    let mean = moved(3, x.f_mean_dim(&axes[..], false, None)?)?;
    let variance = moved(4, x.f_var_dim(&axes[..], false, false)?)?;
    Ok([normalize(None, None, true)?, mean, variance].into_iter().map(Value::of).collect())
}

/// With the mean and the inverse of the deviation, where they are asked for.
pub(super) fn layer(call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = call.axis(-1, x.dim())? as usize;
    let shape = &x.size()[axis..];
    let (scale, bias) = (call.tensor(1)?, call.optional_tensor(2));
    let (made, mean, inverse) = if scale.size() == shape && bias.is_none_or(|bias| bias.size() == shape) {
        x.f_native_layer_norm(shape, Some(scale), bias, epsilon(call))?
    } else {
        let (plain, mean, inverse) = x.f_native_layer_norm(shape, None::<&Torch>, None, epsilon(call))?;
        let scaled = plain.f_mul(scale)?;
        let made = match bias {
            Some(bias) => scaled.f_add(bias)?,
            None => scaled,
        };
        (made, mean, inverse)
    };
    Ok([made, mean, inverse].into_iter().map(Value::of).collect())
}

/// Divided by the root of the mean of the squares, which is taken in float32 at least.
pub(super) fn by_root(call: &Call<'_>) -> Result<Torch> {
    let (x, scale) = (call.tensor(0)?, call.tensor(1)?);
    let own = x.f_kind()?;
    let inner = if own == Kind::Double { own } else { Kind::Float };
    let axes: Vec<i64> = (call.axis(-1, x.dim())?..x.dim() as i64).collect();
    let x = x.f_to_kind(inner)?;
    let mean = x.f_square()?.f_mean_dim(&axes[..], true, None)?;
    Ok(x.f_mul(&mean.f_add_scalar(epsilon(call))?.f_rsqrt()?)?.f_to_kind(own)?.f_mul(scale)?)
}

/// To mean 0 and variance 1 over the axes.
pub(super) fn mean_variance(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axes = call.node.ints("axes").unwrap_or(&[0, 2, 3]);
    let axes: Vec<i64> = axes.iter().map(|axis| wrap(*axis, x.dim())).collect::<Result<_>>()?;
    let centred = x.f_sub(&x.f_mean_dim(&axes[..], true, None)?)?;
    let variance = centred.f_square()?.f_mean_dim(&axes[..], true, None)?;
    // The standard adds 1e-9 to the deviation; beneath the root it has a derivative where nothing varies.
    Ok(centred.f_div(&variance.f_add_scalar(1e-18)?.f_sqrt()?)?)
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
