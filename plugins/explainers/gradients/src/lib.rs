//! Gradient attributions: how the class answers to each pixel. One file per technique.

#![forbid(unsafe_code)]

mod baseline;
mod channels;
mod deconvnet;
mod gradient;
mod guided_backprop;
mod input_x_gradient;
mod integrated_gradients;
mod moments;
mod path;
mod rectifiers;
mod saliency;
mod smooth_grad;

pub use channels::Reduce;
pub use deconvnet::{Deconvnet, DeconvnetParams};
pub use guided_backprop::{GuidedBackprop, GuidedBackpropParams};
pub use input_x_gradient::{InputXGradient, InputXGradientParams};
pub use integrated_gradients::{IntegratedGradients, IntegratedGradientsParams};
pub use saliency::{Saliency, SaliencyParams};
pub use smooth_grad::{SmoothGrad, SmoothGradParams};

whyglass_sdk::export_plugin! {
    id: "gradients",
    explainers: [Saliency, InputXGradient, GuidedBackprop, Deconvnet, IntegratedGradients, SmoothGrad],
    backends: [],
}
