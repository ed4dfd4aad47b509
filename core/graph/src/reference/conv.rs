//! Convolution and its transpose, from their definitions.

use super::array::{Array, flat, positions};
use super::{Call, Result, fail};

/// How a window moves; one entry per spatial axis.
pub(super) struct Window {
    pub(super) kernel: Vec<i64>,
    pub(super) strides: Vec<i64>,
    pub(super) dilations: Vec<i64>,
    pub(super) before: Vec<i64>,
    pub(super) after: Vec<i64>,
    pub(super) outputs: Vec<usize>,
}

impl Window {
    pub(super) fn new(call: &Call<'_>, kernel: &[i64], sizes: &[usize]) -> Result<Self> {
        let axes = kernel.len();
        let list = |name: &str, default: i64, count: usize| match call.node.ints(name) {
            Some(values) if values.len() == count => Ok(values.to_vec()),
            Some(values) => fail(format!("{name} {values:?} for {axes} axes")),
            None => Ok(vec![default; count]),
        };
        let (strides, dilations) = (list("strides", 1, axes)?, list("dilations", 1, axes)?);
        let pads = list("pads", 0, 2 * axes)?;
        let mut window = Self {
            kernel: kernel.to_vec(),
            strides,
            dilations,
            before: pads[..axes].to_vec(),
            after: pads[axes..].to_vec(),
            outputs: Vec::new(),
        };
        let auto_pad = call.node.string("auto_pad").unwrap_or("NOTSET");
        for (axis, size) in sizes.iter().enumerate() {
            let (size, stride) = (*size as i64, window.strides[axis]);
            let extent = (kernel[axis] - 1) * window.dilations[axis] + 1;
            if auto_pad.starts_with("SAME") {
                let outputs = (size + stride - 1) / stride;
                let total = ((outputs - 1) * stride + extent - size).max(0);
                let (small, large) = (total / 2, total - total / 2);
                let upper = auto_pad == "SAME_UPPER";
                (window.before[axis], window.after[axis]) = if upper { (small, large) } else { (large, small) };
            } else if auto_pad == "VALID" {
                (window.before[axis], window.after[axis]) = (0, 0);
            }
            let room = size + window.before[axis] + window.after[axis] - extent;
            if room < 0 {
                return fail(format!("a window of {extent} on {size} cells"));
            }
            let mut outputs = room / stride + 1;
            if call.node.int("ceil_mode", 0) != 0 && room % stride != 0 && !auto_pad.starts_with("SAME") {
                // A last window that would start in the pads after the input is left out.
                outputs += i64::from(outputs * stride < size + window.before[axis]);
            }
            window.outputs.push(outputs as usize);
        }
        Ok(window)
    }

    /// Where cell `cell` of the window at `output` lies, which may be on the pads.
    pub(super) fn place(&self, output: &[usize], cell: &[usize]) -> Vec<i64> {
        (0..self.kernel.len())
            .map(|axis| {
                output[axis] as i64 * self.strides[axis] - self.before[axis] + cell[axis] as i64 * self.dilations[axis]
            })
            .collect()
    }

    /// The cells of the kernel.
    pub(super) fn cells(&self) -> Vec<Vec<usize>> {
        let kernel: Vec<usize> = self.kernel.iter().map(|size| *size as usize).collect();
        positions(&kernel).collect()
    }
}

/// `place` as a position, if it is on an input of `sizes`.
pub(super) fn inside(place: &[i64], sizes: &[usize]) -> Option<Vec<usize>> {
    place.iter().zip(sizes).map(|(at, size)| usize::try_from(*at).ok().filter(|at| at < size)).collect()
}

fn spatial(weights: &Array) -> Vec<i64> {
    weights.shape[2..].iter().map(|size| *size as i64).collect()
}

pub(super) fn conv(call: &Call<'_>) -> Result<Array> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    let group = call.node.int("group", 1) as usize;
    let sizes = &x.shape[2..];
    let window = Window::new(call, &spatial(weights), sizes)?;
    let (batch, channels, outputs, per_group) = (x.shape[0], x.shape[1], weights.shape[0], weights.shape[1]);
    if channels != per_group * group || !outputs.is_multiple_of(group) {
        return fail(format!("{:?} convolved with {:?} in {group} groups", x.shape, weights.shape));
    }
    let (data, kernel) = (x.floats()?, weights.floats()?);
    let (plane, cells) = (sizes.iter().product::<usize>(), window.cells());
    // For each output cell the kernel's cells that lie on the input: (kernel index, input index).
    let seen: Vec<Vec<(usize, usize)>> = positions(&window.outputs)
        .map(|output| {
            let places = cells.iter().map(|cell| inside(&window.place(&output, cell), sizes));
            places.enumerate().filter_map(|(cell, place)| Some((cell, flat(&place?, sizes)))).collect()
        })
        .collect();
    let mut result = Vec::with_capacity(batch * outputs * seen.len());
    for n in 0..batch {
        for output in 0..outputs {
            let bias = call.optional(2).map(Array::floats).transpose()?.map_or(0.0, |bias| bias[output]);
            let first = output / (outputs / group) * per_group;
            for seen in &seen {
                let mut sum = bias;
                for channel in 0..per_group {
                    let from = &data[(n * channels + first + channel) * plane..];
                    let with = &kernel[(output * per_group + channel) * cells.len()..];
                    sum += seen.iter().map(|(cell, place)| with[*cell] * from[*place]).sum::<f64>();
                }
                result.push(sum);
            }
        }
    }
    Ok(Array::float([&[batch, outputs], &*window.outputs].concat(), result))
}

pub(super) fn conv_transpose(call: &Call<'_>) -> Result<Array> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    let group = call.node.int("group", 1) as usize;
    let axes = x.rank() - 2;
    let list =
        |name: &str, default: i64, count: usize| call.node.ints(name).map_or(vec![default; count], <[i64]>::to_vec);
    let (strides, dilations) = (list("strides", 1, axes), list("dilations", 1, axes));
    let (mut pads, extra) = (list("pads", 0, 2 * axes), list("output_padding", 0, axes));
    let kernel: Vec<usize> = weights.shape[2..].to_vec();
    let mode = call.node.string("auto_pad").unwrap_or("NOTSET");
    let stated = match call.node.ints("output_shape") {
        Some(sizes) => Some(sizes[sizes.len() - axes..].to_vec()),
        None if mode.starts_with("SAME") => {
            Some((0..axes).map(|axis| x.shape[axis + 2] as i64 * strides[axis]).collect())
        }
        None => None,
    };
    let mut sizes = Vec::new();
    for axis in 0..axes {
        let covered = (x.shape[axis + 2] as i64 - 1) * strides[axis] + (kernel[axis] as i64 - 1) * dilations[axis] + 1;
        let whole = covered + extra[axis];
        sizes.push(match &stated {
            Some(stated) => {
                let cut = (whole - stated[axis]).max(0);
                pads[axis] = if mode == "SAME_UPPER" { cut / 2 } else { cut - cut / 2 };
                stated[axis] as usize
            }
            None => (whole - pads[axis] - pads[axes + axis]) as usize,
        });
    }
    let (batch, channels, per_group) = (x.shape[0], x.shape[1], weights.shape[1]);
    let shape = [&[batch, per_group * group], &*sizes].concat();
    let mut result = vec![0.0; shape.iter().product()];
    let (data, with) = (x.floats()?, weights.floats()?);
    let plane: usize = sizes.iter().product();
    if let Some(bias) = call.optional(2) {
        let bias = bias.floats()?;
        for (index, value) in result.iter_mut().enumerate() {
            *value = bias[index / plane % bias.len()];
        }
    }
    let cells: Vec<Vec<usize>> = positions(&kernel).collect();
    for (position, value) in positions(&x.shape).zip(data) {
        let (n, channel) = (position[0], position[1]);
        let own = channel / (channels / group);
        for (index, cell) in cells.iter().enumerate() {
            let place: Vec<i64> = (0..axes)
                .map(|axis| {
                    position[axis + 2] as i64 * strides[axis] + cell[axis] as i64 * dilations[axis] - pads[axis]
                })
                .collect();
            let Some(place) = inside(&place, &sizes) else { continue };
            for output in 0..per_group {
                let to = (n * per_group * group + own * per_group + output) * plane + flat(&place, &sizes);
                result[to] += value * with[(channel * per_group + output) * cells.len() + index];
            }
        }
    }
    Ok(Array::float(shape, result))
}
