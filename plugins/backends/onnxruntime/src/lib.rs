//! Runs models on ONNX Runtime, with gradients from differentiated graphs.
//!
//! This plugin is the edge of the engine underneath: its library, its memory, its threads, its errors. What a network
//! means (layers, cuts, derivatives, batches) is the graph crate's.

mod library;
mod runtime;
mod value;
mod weights;

pub use runtime::{OrtError, OrtRuntime, Program};
