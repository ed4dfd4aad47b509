//! The operators: one file per family, each with its derivatives, its geometry, and its test at the bottom.
//! Adding one is one entry in [`lookup`].
