//! Runs models on ONNX Runtime, with gradients from differentiated graphs.
//!
//! This plugin is the edge of the engine underneath: its library, its memory, its threads, its errors. What a network
//! means (layers, cuts, derivatives, batches) is the graph crate's; how it looks from outside, the crate's beside this one.

mod arena;
mod backend;
#[cfg(target_arch = "x86_64")]
mod blocked;
mod error;
mod library;
mod mask;
mod operators;
mod optimised;
mod runtime;
mod value;
mod weights;

pub use backend::OnnxRuntime;
pub use runtime::{OrtError, OrtRuntime, Program};

/// Of the plugin, and of its only back end.
const ID: &str = "onnxruntime";

whyglass_sdk::export_plugin! {
    id: ID,
    backends: [OnnxRuntime::beside_this_plugin()],
}
