//! What the tests of the whole share: generated weights and pictures, libraries to load.

pub mod build;
pub mod weights;
