//! How the window of a convolution or a pool moves, and the pads that make it end where ONNX says.

use super::call::Call;
use super::{Result, TorchError};

/// One entry per spatial axis.
pub(super) struct Window {
    pub(super) kernel: Vec<i64>,
    pub(super) strides: Vec<i64>,
    pub(super) dilations: Vec<i64>,
    pub(super) before: Vec<i64>,
    pub(super) after: Vec<i64>,
    /// What the last window reaches beyond `after` (below 0: what no window reaches).
    pub(super) beyond: Vec<i64>,
}

impl Window {
    pub(super) fn new(call: &Call<'_>, kernel: &[i64], sizes: &[i64]) -> Result<Self> {
        let axes = kernel.len();
        let list = |name: &str, default: i64, count: usize| match call.node.ints(name) {
            Some(values) if values.len() == count => Ok(values.to_vec()),
            Some(values) => Err(TorchError::Graph(format!("{name} {values:?} for {axes} axes"))),
            None => Ok(vec![default; count]),
        };
        let (strides, dilations) = (list("strides", 1, axes)?, list("dilations", 1, axes)?);
        let pads = list("pads", 0, 2 * axes)?;
        let (before, after) = (pads[..axes].to_vec(), pads[axes..].to_vec());
        let mut window = Self { kernel: kernel.to_vec(), strides, dilations, before, after, beyond: vec![0; axes] };
        let auto_pad = call.node.string("auto_pad").unwrap_or("NOTSET");
        for (axis, &size) in sizes.iter().enumerate() {
            let stride = window.strides[axis];
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
                return Err(TorchError::Graph(format!("a window of {extent} on {size} cells")));
            }
            let mut outputs = room / stride + 1;
            if call.node.int("ceil_mode", 0) != 0 && room % stride != 0 && !auto_pad.starts_with("SAME") {
                // A last window that would start in the pads after the input is left out.
                outputs += i64::from(outputs * stride < size + window.before[axis]);
            }
            window.beyond[axis] = (outputs - 1) * stride + extent - size - window.before[axis] - window.after[axis];
        }
        Ok(window)
    }

    pub(super) fn axes(&self) -> usize {
        self.kernel.len()
    }

    /// As libtorch wants pads: the last axis first, before and after. With what the last window reaches beyond.
    pub(super) fn pads(&self) -> Vec<i64> {
        let each =
            (0..self.axes()).rev().flat_map(|axis| [self.before[axis], self.after[axis] + self.beyond[axis].max(0)]);
        each.collect()
    }

    /// Whether libtorch can pad by itself.
    pub(super) fn symmetric(&self) -> bool {
        self.before == self.after && self.beyond.iter().all(|beyond| *beyond <= 0)
    }
}
