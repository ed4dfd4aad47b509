//! From pixels to what a module expects: RGB in 0…1 becomes (x·scale − mean) / std, blue first where the file wants that.
//! It is a part of the graph that autograd sees, so that gradients are those of the pixels.

use crate::error::torch;
use tch::{Device, Tensor};
use whyglass_sdk::{Result, json};

/// Made once per model.
pub(crate) struct Pixels {
    /// Per channel, 1×3×1×1: what pixels are multiplied by, and what is added then.
    affine: Option<(Tensor, Tensor)>,
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
            return Ok(Self { affine: None, bgr: false, mean_colour: None });
        };
        let channels = |value: &dyn Fn(usize) -> f32| {
            let values: Vec<f32> = (0..3).map(value).collect();
            let tensor = Tensor::f_from_slice(&values).and_then(|tensor| tensor.f_reshape([1, 3, 1, 1]));
            tensor.and_then(|tensor| tensor.f_to_device(device)).map_err(torch)
        };
        let factor = channels(&|c| scale / std[c])?;
        let offset = channels(&|c| -mean[c] / std[c])?;
        let mean_colour = std::array::from_fn(|c| mean[c] / scale);
        Ok(Self { affine: Some((factor, offset)), bgr, mean_colour: Some(mean_colour) })
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
        let prepared = match &self.affine {
            None => pixels.f_mul_scalar(1.0),
            Some((factor, offset)) => pixels.f_mul(factor).and_then(|scaled| scaled.f_add(offset)),
        };
        let ordered = prepared.and_then(|prepared| if self.bgr { prepared.f_flip([1]) } else { Ok(prepared) });
        ordered.map_err(torch)
    }
}
