//! Pools.

use super::call::Call;
use super::value::Value;
use super::window::Window;
use super::{Result, TorchError};
use tch::{Kind, Tensor as Torch};

fn window(call: &Call<'_>, x: &Torch) -> Result<Window> {
    match call.node.ints("kernel_shape") {
        Some(kernel) if kernel.len() + 2 == x.dim() => Window::new(call, kernel, &x.size()[2..]),
        _ => Err(TorchError::Graph("its kernel_shape does not fit its input".to_owned())),
    }
}

pub(super) fn max(call: &Call<'_>) -> Result<Vec<Value>> {
    let x = call.tensor(0)?;
    let window = window(call, x)?;
    if call.node.int("storage_order", 0) != 0 {
        return call.unsupported("with storage_order");
    }
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
    let mut made = vec![Value::of(maxima)];
    if call.node.outputs.len() > 1 && call.node.outputs[1].is_some() {
        made.push(Value::of(whole_indices(&indices, x, &padded, &window.before)?));
    }
    Ok(made)
}

/// libtorch counts within a padded plane, ONNX within the whole tensor as it was.
fn whole_indices(indices: &Torch, x: &Torch, padded: &Torch, before: &[i64]) -> Result<Torch> {
    let (sizes, wide) = (x.size(), padded.size());
    let options = (Kind::Int64, indices.device());
    let number = |value: i64| Torch::f_full([0_i64; 0], value, options);
    let mut rest = indices.shallow_clone();
    let mut flat = Torch::f_zeros([0_i64; 0], options)?;
    let mut step = 1;
    for axis in (2..sizes.len()).rev() {
        let at = rest.f_remainder_tensor(&number(wide[axis])?)?.f_sub(&number(before[axis - 2])?)?;
        flat = flat.f_add(&at.f_mul(&number(step)?)?)?;
        rest = rest.f_div_tensor_mode(&number(wide[axis])?, "floor")?;
        step *= sizes[axis];
    }
    let mut planes = vec![1; sizes.len()];
    planes[..2].copy_from_slice(&sizes[..2]);
    let plane = Torch::f_arange_start_step(0_i64, sizes[0] * sizes[1], 1_i64, options)?.f_reshape(planes)?;
    Ok(flat.f_add(&plane.f_mul(&number(step)?)?)?)
}

pub(super) fn average(call: &Call<'_>) -> Result<Torch> {
    let x = call.tensor(0)?;
    let window = window(call, x)?;
    if window.dilations.iter().any(|dilation| *dilation != 1) {
        return call.unsupported("with dilations");
    }
    let with_pads = call.node.int("count_include_pad", 0) != 0;
    let pads = window.pads();
    let whole = pads.iter().all(|pad| *pad == 0);
    if whole || (window.symmetric() && window.axes() == 2) {
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
