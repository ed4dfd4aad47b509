//! Pools.

use super::call::Call;
use super::value::{Value, is_float};
use super::window::Window;
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};

/// How the window of a pool moves over `x`.
pub(super) fn window(call: &Call<'_>, x: &Torch) -> Result<Window> {
    match call.node.ints("kernel_shape") {
        Some(kernel) if kernel.len() + 2 == x.dim() => Window::new(call, kernel, &x.size()[2..]),
        _ => Err(TorchError::Graph("its kernel_shape does not fit its input".to_owned())),
    }
}

pub(super) fn max(call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.tensor(0)?;
    let window = window(call, x)?;
    let own = x.f_kind()?;
    // Float32 holds 8-bit integers, and what is below all of them.
    let x = &if is_float(x)? { x.shallow_clone() } else { x.f_to_kind(Kind::Float)? };
    let pads = window.pads();
    let padded = if pads.iter().all(|pad| *pad == 0) {
        x.shallow_clone()
    } else {
        x.f_pad(&pads, "constant", f64::NEG_INFINITY)?
    };
    let none = vec![0; window.axes()];
    let (kernel, strides, dilations) = (&window.kernel, &window.strides, &window.dilations);
    let (maxima, indices) = match window.axes() {
        1 => padded.f_max_pool1d_with_indices(kernel, strides, &none, dilations, false)?,
        2 => padded.f_max_pool2d_with_indices(kernel, strides, &none, dilations, false)?,
        3 => padded.f_max_pool3d_with_indices(kernel, strides, &none, dilations, false)?,
        axes => return call.unsupported(format!("on {axes} axes")),
    };
    let mut made = vec![Value::of(maxima.f_to_kind(own)?)];
    if call.node.outputs.len() > 1 && call.node.outputs[1].is_some() {
        made.push(Value::of(whole_indices(call, &indices, &padded, &window.before)?));
    }
    Ok(made)
}

/// libtorch counts within a padded plane, ONNX within the whole tensor as it was.
fn whole_indices(call: &Call<'_>, indices: &Torch, padded: &Torch, before: &[i64]) -> Result<Torch> {
    let (sizes, wide) = (call.tensor(0)?.size(), padded.size());
    let columns_first = call.node.int("storage_order", 0) != 0;
    let options = (Kind::Int64, indices.device());
    let number = |value: i64| Torch::f_full([0_i64; 0], value, options);
    let mut rest = indices.shallow_clone();
    let mut flat = Torch::f_zeros([0_i64; 0], options)?;
    for axis in (2..sizes.len()).rev() {
        let within = if columns_first { &sizes[2..axis] } else { &sizes[axis + 1..] };
        let step: i64 = within.iter().product();
        let at = rest.f_remainder_tensor(&number(wide[axis])?)?.f_sub(&number(before[axis - 2])?)?;
        flat = flat.f_add(&at.f_mul(&number(step)?)?)?;
        rest = rest.f_div_tensor_mode(&number(wide[axis])?, "floor")?;
    }
    let mut planes = vec![1; sizes.len()];
    planes[..2].copy_from_slice(&sizes[..2]);
    let step: i64 = sizes[2..].iter().product();
    let plane = Torch::f_arange_start_step(0_i64, sizes[0] * sizes[1], 1_i64, options)?.f_reshape(planes)?;
    Ok(flat.f_add(&plane.f_mul(&number(step)?)?)?)
}

pub(super) fn average(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let window = window(call, x)?;
    let with_pads = call.node.int("count_include_pad", 0) != 0;
    if window.dilations.iter().any(|dilation| *dilation != 1) {
        return dilated(call, x, &window, with_pads);
    }
    let pads = window.pads();
    let whole = pads.iter().all(|pad| *pad == 0);
    let bounded = (0..window.axes()).all(|axis| 2 * window.before[axis] <= window.kernel[axis]);
    if whole || (bounded && window.symmetric() && window.axes() == 2) {
        return mean(call, x, &window, &window.before, with_pads);
    }
    // A ceiling mode's last window may reach beyond the pads: that part never counts.
    let none = vec![0; window.axes()];
    let sums = mean(call, &x.f_constant_pad_nd(&pads)?, &window, &none, true)?;
    let mut sizes = x.size();
    sizes[..2].fill(1);
    if with_pads {
        (0..window.axes()).for_each(|axis| sizes[axis + 2] += window.before[axis] + window.after[axis]);
    }
    let beyond: Vec<i64> = (0..window.axes())
        .rev()
        .flat_map(|axis| {
            let (before, after) = if with_pads { (0, 0) } else { (window.before[axis], window.after[axis]) };
            [before, after + window.beyond[axis].max(0)]
        })
        .collect();
    let counted = Torch::f_ones(&sizes, (x.f_kind()?, x.device()))?.f_constant_pad_nd(beyond)?;
    Ok(sums.f_div(&mean(call, &counted, &window, &none, true)?)?)
}

/// libtorch's own has no dilations: sums over counts.
fn dilated(call: &Call<'_>, x: &Torch, window: &Window, with_pads: bool) -> Result<Torch> {
    let mut sizes = x.size();
    sizes[..2].fill(1);
    let ones = Torch::f_ones(&sizes, (x.f_kind()?, x.device()))?;
    // A ceiling mode's last window may reach beyond the pads: that part never counts.
    let counts = if with_pads {
        let pads: Vec<i64> =
            (0..window.axes()).rev().flat_map(|axis| [window.before[axis], window.after[axis]]).collect();
        let beyond: Vec<i64> = (0..window.axes()).rev().flat_map(|axis| [0, window.beyond[axis].max(0)]).collect();
        sums_inside(call, &ones.f_pad(pads, "constant", 1.0)?.f_constant_pad_nd(beyond)?, window)?
    } else {
        sums(call, &ones, window)?
    };
    Ok(sums(call, x, window)?.f_div(&counts)?)
}

/// What each window sees, summed; pads are zeros.
pub(super) fn sums(call: &Call<'_>, x: &Torch, window: &Window) -> Result<Torch> {
    sums_inside(call, &x.f_constant_pad_nd(window.pads())?, window)
}

/// The same where the pads are there already.
fn sums_inside(call: &Call<'_>, x: &Torch, window: &Window) -> Result<Torch> {
    if !(1..=3).contains(&window.axes()) {
        return call.unsupported(format!("on {} axes", window.axes()));
    }
    let sizes = x.size();
    let planes = x.f_reshape([&[-1, 1], &sizes[2..]].concat())?;
    let ones = Torch::f_ones([&[1, 1], &window.kernel[..]].concat(), (x.f_kind()?, x.device()))?;
    let none = vec![0; window.axes()];
    let (strides, dilations) = (&window.strides, &window.dilations);
    let sums = planes.f_convolution(&ones, None::<&Torch>, strides, &none, dilations, false, &none, 1)?;
    Ok(sums.f_reshape([&sizes[..2], &sums.size()[2..]].concat())?)
}

fn mean(call: &Call<'_>, x: &Torch, window: &Window, pads: &[i64], with_pads: bool) -> Result<Torch> {
    let (kernel, strides) = (&window.kernel, &window.strides);
    Ok(match window.axes() {
        1 => x.f_avg_pool1d(kernel, strides, pads, false, with_pads)?,
        2 => x.f_avg_pool2d(kernel, strides, pads, false, with_pads, None::<i64>)?,
        3 => x.f_avg_pool3d(kernel, strides, pads, false, with_pads, None::<i64>)?,
        axes => return call.unsupported(format!("on {axes} axes")),
    })
}

pub(super) fn global(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let axes: Vec<i64> = (2..x.dim() as i64).collect();
    Ok(if call.node.op == "GlobalMaxPool" { x.f_amax(axes, true)? } else { x.f_mean_dim(&axes[..], true, None)? })
}
