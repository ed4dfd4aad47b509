//! What the tests of the whole share: generated weights and pictures, libraries to load.

pub mod build;
pub mod expected;
pub mod hostile;
pub mod onnx;
pub mod planted;
pub mod staged;
pub mod tiny;
pub mod weights;
