//! What a layer answers to a picture. One file per technique.

#![forbid(unsafe_code)]

mod activations;
mod montage;

pub use activations::{Activations, ActivationsParams};

whyglass_sdk::export_plugin! {
    id: "features",
    explainers: [Activations],
    backends: [],
}
