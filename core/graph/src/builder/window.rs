//! Convolutions, with pads that may be negative.

use super::Builder;
use crate::{Attribute, Error, ValueId};

/// How a window moves over the spatial axes; one entry per axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: Vec<i64>,
    pub strides: Vec<i64>,
    pub dilations: Vec<i64>,
    pub before: Vec<i64>,
    pub after: Vec<i64>,
}

impl Window {
    /// A window of `kernel` that moves by single cells.
    #[must_use]
    pub fn dense(kernel: &[i64]) -> Self {
        let ones = vec![1; kernel.len()];
        let zeros = vec![0; kernel.len()];
        Self { kernel: kernel.to_vec(), strides: ones.clone(), dilations: ones, before: zeros.clone(), after: zeros }
    }

    /// Cells from the first to the last that the window sees along `axis`.
    #[must_use]
    pub fn extent(&self, axis: usize) -> i64 {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    fn attributes(&self, group: i64) -> [(&'static str, Attribute); 5] {
        let [kernel, strides, dilations, pads] = self.pool_attributes();
        [kernel, strides, dilations, pads, ("group", group.into())]
    }

    pub(super) fn pool_attributes(&self) -> [(&'static str, Attribute); 4] {
        let pads: Vec<i64> = self.before.iter().chain(&self.after).copied().collect();
        [
            ("kernel_shape", self.kernel.clone().into()),
            ("strides", self.strides.clone().into()),
            ("dilations", self.dilations.clone().into()),
            ("pads", pads.into()),
        ]
    }
}

impl Builder<'_> {
    /// `Conv` of `x` with `weights` (M×C/group×kernel). Negative pads cut `x` first.
    ///
    /// # Errors
    /// If a shape is not known.
    pub fn conv(&mut self, x: ValueId, weights: ValueId, window: &Window, group: i64) -> Result<ValueId, Error> {
        self.conv_of(x, &[weights], window, group)
    }

    /// As [`Builder::conv`], plus a `bias` per output channel.
    ///
    /// # Errors
    /// If a shape is not known.
    pub fn conv_with_bias(
        &mut self,
        x: ValueId,
        weights: ValueId,
        bias: ValueId,
        window: &Window,
        group: i64,
    ) -> Result<ValueId, Error> {
        self.conv_of(x, &[weights, bias], window, group)
    }

    fn conv_of(&mut self, x: ValueId, weights: &[ValueId], window: &Window, group: i64) -> Result<ValueId, Error> {
        let negative =
            |pads: &[i64]| -> Vec<i64> { [0, 0].into_iter().chain(pads.iter().map(|p| (*p).min(0))).collect() };
        let x = self.pad(x, &negative(&window.before), &negative(&window.after), 0.0)?;
        let positive = |pads: &[i64]| -> Vec<i64> { pads.iter().map(|p| (*p).max(0)).collect() };
        let window = Window { before: positive(&window.before), after: positive(&window.after), ..window.clone() };
        let from = self.shape(x)?;
        let mut shape = vec![from[0], self.shape(weights[0])?[0]];
        for axis in 0..window.kernel.len() {
            let padded = from[axis + 2] + window.before[axis] + window.after[axis];
            shape.push((padded - window.extent(axis)) / window.strides[axis] + 1);
        }
        let inputs: Vec<ValueId> = [&[x], weights].concat();
        Ok(self.node("Conv", &inputs, window.attributes(group), shape))
    }

    /// The transpose of a `Conv` along `window` with `weights` (M×C/group×kernel) whose input had the spatial `sizes`.
    ///
    /// # Errors
    /// If a shape is not known.
    pub fn conv_transpose(
        &mut self,
        x: ValueId,
        weights: ValueId,
        window: &Window,
        group: i64,
        sizes: &[i64],
    ) -> Result<ValueId, Error> {
        let from = self.shape(x)?;
        let mut window = window.clone();
        let mut shape = vec![from[0], self.shape(weights)?[1] * group];
        // Cells that no window covers come back as a pad, cells that are only padding are cut by the operator itself.
        let mut before = vec![0, 0];
        let mut after = vec![0, 0];
        for axis in 0..window.kernel.len() {
            let covered = (from[axis + 2] - 1) * window.strides[axis] + window.extent(axis);
            let rest = covered - window.before[axis] - sizes[axis];
            before.push((-window.before[axis]).max(0));
            after.push((-rest).max(0));
            window.before[axis] = window.before[axis].max(0);
            window.after[axis] = rest.max(0);
            shape.push(covered - window.before[axis] - window.after[axis]);
        }
        let made = self.node("ConvTranspose", &[x, weights], window.attributes(group), shape);
        self.pad(made, &before, &after, 0.0)
    }
}
