//! Reads ONNX graphs, cuts them, and *differentiates* them into bigger ONNX graphs whose extra outputs are gradients.
//!
//! This crate is responsible for everything that is known about a network without running it, and for the two verbs
//! that explanations are made of: `run` (any nodes to any nodes) and `vjp` (reverse-mode differentiation from any
//! nodes to any nodes). It executes nothing by itself: an engine is a page of code behind the [`Runtime`] trait.

pub mod builder;
mod cut;
pub mod differentiate;
pub mod error;
pub mod ir;
pub mod ops;
pub mod proto;
pub mod read;
#[cfg(feature = "reference")]
pub mod reference;
pub mod runtime;
mod layers;
mod model;
mod normalise;
mod receptive;
mod roles;
mod simplify;
mod specialise;
pub mod tensor;
pub mod write;

pub use builder::{Builder, DerivedConstants};
pub use differentiate::{CotangentKind, Query, Rule, differentiate};
pub use error::Error;
pub use ir::{Attribute, Graph, Node, Value, ValueId};
pub use layers::Layer;
pub use model::{Capabilities, Cotangent, Gradients, GraphModel, Options, Vjp};
pub use normalise::Normalization;
#[cfg(feature = "reference")]
pub use reference::ReferenceRuntime;
pub use read::{read, read_bytes};
pub use receptive::ReceptiveField;
pub use specialise::specialise;
pub use runtime::{CompileOptions, Runtime};
pub use tensor::{Dtype, Tensor};
pub use write::{Written, write, write_whole};
