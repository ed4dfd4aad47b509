//! Class activation maps: where in a layer's feature maps the evidence for a class lies. One file per technique.

#![forbid(unsafe_code)]

mod grad_cam;
mod grid;

pub use grad_cam::{GradCam, GradCamParams};

whyglass_sdk::export_plugin! {
    id: "cam",
    explainers: [GradCam],
    backends: [],
}
