//! Models on libtorch: TorchScript modules as models, with gradients by autograd.
//!
//! This library is the edge of libtorch: its tensors, its threads, its exceptions, its graph of autograd, which never
//! outlives a call. The plugin `torch` opens it with the first model. Built without the feature `libtorch` it is empty, so
//! that the workspace builds where there is no libtorch.
#![cfg(feature = "libtorch")]

mod archive;
mod autograd;
mod backend;
mod device;
mod error;
mod executor;
mod groups;
mod memory;
mod module;
mod outputs;
mod pixels;
mod precision;
mod probe;
mod session;
mod torchscript;
mod value;

pub use backend::Libtorch;
pub use executor::{Program, TorchError, TorchRuntime};

/// Of the plugin, and of its only back end.
const ID: &str = "torch";

// Not the name that hosts look up: they open the door, and programs that link both back ends have one entry of that name.
whyglass_sdk::export_plugin! {
    symbol: whyglass_libtorch_v1,
    id: ID,
    backends: [Libtorch],
}
