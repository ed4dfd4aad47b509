//! From pixels to what a module expects: RGB in 0…1 becomes (x·scale − mean) / std, blue first where the file wants that.
//! It is a part of the graph that autograd sees, so that gradients are those of the pixels.

use crate::error::torch;
use tch::{Device, Tensor};
use whyglass_sdk::{Result, json};

/// Made once per model.
pub(crate) struct Pixels {
    /// What pixels are multiplied by; and per channel, 1×3×1×1, what is taken away then, and what the rest is divided by: in
    /// these steps, as people write them, so that the last bit is theirs.
    steps: Option<(f64, Tensor, Tensor)>,
    bgr: bool,
    mean_colour: Option<[f32; 3]>,
}

// SAFETY: libtorch's tensors may be read from several threads at once; these are never written to.
unsafe impl Sync for Pixels {}

impl Pixels {
    /// # Errors
    /// If libtorch refuses.
    pub(crate) fn new(normalize: Option<json::Normalization>, device: Device) -> Result<Self> {
        let Some(json::Normalization { scale, mean, std, bgr }) = normalize else {
            return Ok(Self { steps: None, bgr: false, mean_colour: None });
        };
        let channels = |values: [f32; 3]| {
            let tensor = Tensor::f_from_slice(&values).and_then(|tensor| tensor.f_reshape([1, 3, 1, 1]));
            tensor.and_then(|tensor| tensor.f_to_device(device)).map_err(torch)
        };
        let steps = Some((f64::from(scale), channels(mean)?, channels(std)?));
        Ok(Self { steps, bgr, mean_colour: Some(mean.map(|mean| mean / scale)) })
    }

    /// The colour that normalises to zero; `None` without a normalisation.
    pub(crate) fn mean_colour(&self) -> Option<[f32; 3]> {
        self.mean_colour
    }

    /// A tensor of its own, which a module may write into.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn prepare(&self, pixels: &Tensor) -> Result<Tensor> {
        let prepared = match &self.steps {
            None => pixels.f_mul_scalar(1.0),
            Some((scale, mean, std)) => {
                pixels.f_mul_scalar(*scale).and_then(|scaled| scaled.f_sub(mean)).and_then(|rest| rest.f_div(std))
            }
        };
        let ordered = prepared.and_then(|prepared| if self.bgr { prepared.f_flip([1]) } else { Ok(prepared) });
        ordered.map_err(torch)
    }
}
