//! Values at a high resolution that are interleaved from *phases* at a low one. Both forms are kept, so that what
//! follows may go on with the phases (smaller, and in a fast layout) as long as that pays; the form that nobody reads
//! is dropped with everything else that no output needs.

use super::{Builder, Window};
use crate::{Error, ValueId, own};

type Made = Result<ValueId, Error>;

/// Phase `y·stride + x` holds the pixels `(y + i·stride, x + j·stride)`, with something beyond the border where the size
/// is no multiple of the stride.
#[derive(Clone, Debug)]
pub(crate) struct Phases {
    pub(crate) stride: i64,
    pub(crate) parts: Vec<ValueId>,
}

impl Builder<'_> {
    /// The phases that `value` is interleaved from, if they are known.
    pub(crate) fn phases_of(&self, value: ValueId) -> Option<Phases> {
        self.phases.get(&value).cloned()
    }

    /// Notes that `value` is what `phases` interleave to.
    pub(crate) fn is_also(&mut self, value: ValueId, phases: Phases) {
        self.phases.insert(value, phases);
    }

    /// `stride`² phases to one value of `shape` (N×C×H×W); a phase that is missing is zero.
    pub(crate) fn interleave(&mut self, parts: &[Option<ValueId>], stride: i64, shape: &[i64]) -> Made {
        let given: Vec<_> = (0..).zip(parts).filter_map(|(phase, part)| Some((phase, (*part)?))).collect();
        let value = if self.kernels.interleave && !given.is_empty() {
            self.interleaved(&given, stride, shape)
        } else {
            self.laid_side_by_side(parts, stride, shape)?
        };
        if let Some(parts) = parts.iter().copied().collect() {
            self.is_also(value, Phases { stride, parts });
        }
        Ok(value)
    }

    /// The same in ONNX's own operators. Columns are laid side by side along a new last axis, and rows side by side along the
    /// width: engines do that by copying, in less than half the time that their DepthToSpace takes for the same.
    fn laid_side_by_side(&mut self, parts: &[Option<ValueId>], stride: i64, shape: &[i64]) -> Made {
        let cells = |size: i64| (size + stride - 1) / stride;
        let [pictures, channels, height, width] = [shape[0], shape[1], cells(shape[2]), cells(shape[3])];
        let mut rows = Vec::with_capacity(stride as usize);
        for phases in parts.chunks(stride as usize) {
            let row = self.side_by_side(phases, &[pictures, channels, height, width, 1], 4)?;
            rows.push(row.map(|row| self.reshape(row, &[pictures, channels, height, stride * width])).transpose()?);
        }
        let whole = [pictures, channels, stride * height, stride * width];
        let made = match self.side_by_side(&rows, &[pictures, channels, height, stride * width], 3)? {
            Some(made) => self.reshape(made, &whole)?,
            None => self.zeros(&whole),
        };
        self.slice(made, &[0; 4], shape)
    }

    /// As [`Builder::interleave`], of phases that lie one after the other along the channels.
    pub(crate) fn interleave_stacked(&mut self, stacked: ValueId, stride: i64, shape: &[i64]) -> Made {
        let mut size = self.shape(stacked)?;
        size[1] = shape[1];
        let phases = (0..stride * stride).map(|phase| self.slice(stacked, &[0, phase * shape[1], 0, 0], &size));
        let parts = phases.map(|phase| phase.map(Some)).collect::<Result<Vec<_>, Error>>()?;
        self.interleave(&parts, stride, shape)
    }

    /// Phase `index` of `x`, picked by a depthwise convolution: slices with steps leave a blocked layout.
    pub(crate) fn phase(&mut self, x: ValueId, stride: i64, index: usize) -> Made {
        let shape = self.shape(x)?;
        let (y, x_offset) = (index as i64 / stride, index as i64 % stride);
        let mut window = Window::dense(&[y + 1, x_offset + 1]);
        window.strides = vec![stride; 2];
        for axis in 0..2 {
            let cells = (shape[axis + 2] + stride - 1) / stride;
            window.after[axis] = ((cells - 1) * stride + window.kernel[axis] - shape[axis + 2]).max(0);
        }
        let taps = window.kernel.iter().product::<i64>() as usize;
        let mut pick = vec![0.0; shape[1] as usize * taps];
        pick.iter_mut().skip(taps - 1).step_by(taps).for_each(|weight| *weight = 1.0);
        let weights = self.floats(&[shape[1], 1, window.kernel[0], window.kernel[1]], &pick);
        let picked = self.conv(x, weights, &window, shape[1])?;
        let node = self.graph.nodes.last_mut().expect("a convolution has just been added");
        node.attributes.insert(own::PHASE.into(), (index as i64).into());
        Ok(picked)
    }

    /// `parts`, each of `shape` (after a reshape) or all zero, along `axis`; `None` if all are zero.
    fn side_by_side(
        &mut self,
        parts: &[Option<ValueId>],
        shape: &[i64],
        axis: usize,
    ) -> Result<Option<ValueId>, Error> {
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            all.push(match part {
                Some(part) => self.reshape(*part, shape)?,
                // Said in few bytes: an engine that folds it shares it between programs.
                None => {
                    let zero = self.scalar(0.0);
                    self.expand(zero, shape)?
                }
            });
        }
        self.concat(&all, axis).map(Some)
    }
}
