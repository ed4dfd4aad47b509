//! A graph on any [`Runtime`] as a model behind the plugin interface: what every back end for ONNX files has in common.
//!
//! Tensors cross here, batches are spread over workers, errors and descriptions are put into the interface's terms. The
//! runtime underneath is a back end's own; what a network means is the graph crate's.

#![forbid(unsafe_code)]

mod descriptor;
mod error;
mod model;

pub use descriptor::options;
pub use error::from_graph;
pub use model::{BackendModel, Identity};
