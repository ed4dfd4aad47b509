//! Reads ONNX graphs, cuts them, and *differentiates* them into bigger ONNX graphs whose extra outputs are gradients.
//!
//! This crate is responsible for everything that is known about a network without running it, and for the two verbs
//! that explanations are made of: [`run`](GraphModel::run) (any nodes to any nodes) and [`vjp`](GraphModel::vjp)
//! (reverse-mode differentiation from any nodes to any nodes). It executes nothing by itself: an engine is a page of
//! code behind the [`Runtime`] trait, and needs to know nothing of gradients.
//!
//! # From a file to an answer
//!
//! 1. [`read()`] makes a [`Graph`] of a file, which it does not trust.
//! 2. [`GraphModel::load`] puts the way from pixels to the file's input in front ([`Normalization`]), lets the engine
//!    run an instrumented copy once to learn every shape and constant ([`specialise()`]), finds the input, the logits
//!    and the features, frees a batch that the exporter baked in, and proves what the model can do ([`Capabilities`]).
//! 3. A question is names of values. Its graph is cut ([`Graph::cut`]) or differentiated ([`differentiate()`]) out of
//!    the graph for its batch and picture size, compiled once, and kept. Weights are the same memory in all of them.
//!
//! An engine that takes ONNX files gets one from [`write()`], with the large weights beside it instead of in it.
//! What is known of each operator (its derivative, its geometry) is one entry in [`ops`]; an operator that is not
//! there can still be run.
//!
//! # Example
//!
//! A network that scores a picture by its mean red, green and blue, on the engine that this crate has for tests:
//!
//! ```
//! use std::sync::Arc;
//! use whyglass_graph::{Cotangent, Graph, GraphModel, Node, Options, ReferenceRuntime, Rule, Tensor, Vjp};
//!
//! // With a file: GraphModel::load(path, &options, runtime).
//! let mut graph = Graph { opset: 17, ..Graph::default() };
//! let picture = graph.add_value("picture", Some(vec![1, 3, 2, 2]));
//! let means = graph.add_value("means", None);
//! graph.inputs = vec![picture];
//! graph.outputs = vec![means];
//! graph.nodes.push(Node {
//!     name: "pool".into(),
//!     domain: String::new(),
//!     op: "GlobalAveragePool".into(),
//!     inputs: vec![Some(picture)],
//!     outputs: vec![Some(means)],
//!     attributes: Default::default(),
//! });
//! let model = GraphModel::from_graph(graph, &Options::default(), Arc::new(ReferenceRuntime))?;
//! assert_eq!((model.classes(), model.input_size()), (3, (2, 2)));
//!
//! // The logits of two pictures: their 1×1 maps are squeezed to two rows.
//! let feeds = [("input", Tensor::filled(&[2, 3, 2, 2], 0.5))];
//! let logits = model.run(&feeds, &["logits"], 0)?.remove(0);
//! assert_eq!(logits, Tensor::f64(&[2, 3], &[0.5; 6]));
//!
//! // The gradient of the first picture's "green" with respect to the pixels: a quarter in each green one.
//! let green = Tensor::f32(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
//! let gradients = model.vjp(
//!     &Vjp {
//!         feeds: &feeds,
//!         cotangents: &[("logits", Cotangent::Tensor(green))],
//!         wrt: &["input"],
//!         fetches: &[],
//!         rule: Rule::Standard,
//!     },
//!     0,
//! )?;
//! assert_eq!(gradients.wrt[0].to_f64()[..8], [0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25]);
//! # Ok::<(), whyglass_graph::Error>(())
//! ```

#![forbid(unsafe_code)]

mod blocks;
pub mod builder;
mod cut;
pub mod differentiate;
pub mod error;
mod features;
pub(crate) mod incremental;
pub mod ir;
mod layers;
mod model;
mod normalise;
pub mod ops;
pub mod own;
pub mod proto;
pub mod read;
mod receptive;
#[cfg(feature = "reference")]
pub mod reference;
mod roles;
pub mod runtime;
mod simplify;
mod slot;
mod specialise;
pub mod tensor;
mod tokens;
pub mod write;

pub use blocks::Block;
pub use builder::{Builder, DerivedConstants};
pub use differentiate::{CotangentKind, Query, Rule, differentiate, differentiate_for};
pub use error::Error;
pub use incremental::{Occlusion, Rect};
pub use ir::{Attribute, Graph, Node, Value, ValueId};
pub use layers::Layer;
pub use model::{Capabilities, Cotangent, Gradients, GraphModel, Options, Vjp};
pub use normalise::Normalization;
pub use own::OwnKernels;
pub use read::{read, read_bytes};
pub use receptive::ReceptiveField;
#[cfg(feature = "reference")]
pub use reference::ReferenceRuntime;
pub use runtime::{CompileOptions, Runtime};
pub use specialise::specialise;
pub use tensor::{Dtype, Tensor};
pub use tokens::TokenGrid;
pub use write::{Written, declaration, take_weights, write, write_whole};
