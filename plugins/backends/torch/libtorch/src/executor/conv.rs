//! Convolution and its transpose.

use super::Result;
use super::call::Call;
use super::window::Window;
use tch::Tensor as Torch;

pub(super) fn conv(call: &Call<'_>) -> Result<Torch> {
    let (x, weight, bias) = (call.tensor(0)?, call.tensor(1)?, call.optional_tensor(2));
    let window = Window::new(call, &weight.size()[2..], &x.size()[2..])?;
    let groups = call.node.int("group", 1);
    let none = vec![0; window.axes()];
    let convolve = |x: &Torch, pads: &[i64]| {
        x.f_convolution(weight, bias, &window.strides, pads, &window.dilations, false, &none, groups)
    };
    Ok(if window.symmetric() {
        convolve(x, &window.before)?
    } else {
        convolve(&x.f_constant_pad_nd(window.pads())?, &none)?
    })
}

pub(super) fn transposed(call: &Call<'_>) -> Result<Torch> {
    let (x, weight, bias) = (call.tensor(0)?, call.tensor(1)?, call.optional_tensor(2));
    let axes = x.dim() - 2;
    let list =
        |name: &str, default: i64, count: usize| call.node.ints(name).map_or(vec![default; count], <[i64]>::to_vec);
    let (strides, dilations) = (list("strides", 1, axes), list("dilations", 1, axes));
    let (mut pads, extra) = (list("pads", 0, 2 * axes), list("output_padding", 0, axes));
    let auto_pad = call.node.string("auto_pad").unwrap_or("NOTSET");
    let given = call.node.ints("output_shape").map(|shape| &shape[shape.len().saturating_sub(axes)..]);
    for axis in 0..axes {
        let size = x.size()[axis + 2] * strides[axis];
        let Some(wanted) =
            given.and_then(|shape| shape.get(axis).copied()).or(auto_pad.starts_with("SAME").then_some(size))
        else {
            continue;
        };
        // What there is too much is cut off, on the side that is asked for the odd cell.
        let extent = (weight.size()[axis + 2] - 1) * dilations[axis] + 1;
        let total = size - strides[axis] + extra[axis] + extent - wanted;
        let half = total.div_euclid(2);
        let upper = auto_pad == "SAME_UPPER";
        (pads[axis], pads[axis + axes]) = if upper { (half, total - half) } else { (total - half, half) };
    }
    let (before, after) = pads.split_at(axes);
    let groups = call.node.int("group", 1);
    // libtorch takes one pad for both sides and an extra that is smaller than the stride; what is left is cut off or added.
    let bounded = (0..axes).all(|axis| before[axis] >= 0 && extra[axis] < strides[axis].max(dilations[axis]));
    if before == after && bounded {
        return Ok(x.f_convolution(weight, bias, &strides, before, &dilations, true, &extra, groups)?);
    }
    let none = vec![0; axes];
    let mut whole = x.f_convolution(weight, None::<&Torch>, &strides, &none, &dilations, true, &none, groups)?;
    let fit: Vec<i64> = (0..axes).rev().flat_map(|axis| [-before[axis], extra[axis] - after[axis]]).collect();
    whole = whole.f_constant_pad_nd(fit)?;
    Ok(match bias {
        Some(bias) => {
            let mut shape = vec![1; axes + 2];
            shape[1] = -1;
            whole.f_add(&bias.f_reshape(shape)?)?
        }
        None => whole,
    })
}
