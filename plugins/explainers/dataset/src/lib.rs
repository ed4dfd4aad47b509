//! Techniques that look at a whole dataset: which classes a model takes for which, and how close it finds their pictures.
//! One file per technique; what they share is the walk over the pictures.

#![forbid(unsafe_code)]

mod confusion_matrix;
pub mod embedding;
mod names;
mod tsne;
mod walk;

pub use confusion_matrix::{Classes, ConfusionMatrix, ConfusionMatrixParams, Normalise};
pub use tsne::{Metric, Tsne, TsneParams};

whyglass_sdk::export_plugin! {
    id: "dataset",
    explainers: [ConfusionMatrix, Tsne],
    backends: [],
}
