//! Techniques that change the picture and look at what the model says then. One file per technique.

#![forbid(unsafe_code)]

mod occluder;
mod occlusion;
mod score;
mod windows;

pub use occlusion::{Occlusion, OcclusionParams};

// The entry point is the one thing here that C calls; the SDK's macro holds its unsafe code.
whyglass_sdk::export_plugin! {
    id: "perturbation",
    explainers: [Occlusion],
    backends: [],
}
