//! Pictures that a network makes up: what it wants to see, found by gradient ascent. One file per technique, and what
//! they are made of.

#![forbid(unsafe_code)]

mod ascent;
mod deep_dream;
mod objective;
mod pyramid;

pub use deep_dream::{DeepDream, DeepDreamParams, Start};

whyglass_sdk::export_plugin! {
    id: "dream",
    explainers: [DeepDream],
    backends: [],
}
