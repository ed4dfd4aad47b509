//! What the tests of the whole share: generated weights and pictures.

pub mod weights;
