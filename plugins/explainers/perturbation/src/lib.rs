//! Techniques that change the picture and look at what the model says then. One file per technique.

#![forbid(unsafe_code)]

mod ablation;
mod incremental;
mod lime;
mod masks;
mod occluder;
mod occlusion;
mod score;
mod settling;
mod surrogate;
mod windows;

pub use ablation::{Ablation, AblationParams};
pub use lime::{Lime, LimeParams};
pub use occlusion::{Occlusion, OcclusionParams};

// The entry point is the one thing here that C calls; the SDK's macro holds its unsafe code.
whyglass_sdk::export_plugin! {
    id: "perturbation",
    explainers: [Ablation, Lime, Occlusion],
    backends: [],
}
