//! What goes wrong in getting at ONNX Runtime, in the terms of the plugin interface.

use crate::runtime::OrtError;
use whyglass_sdk::Error;

/// An error of getting at ONNX Runtime.
pub(crate) fn from_runtime(error: &OrtError) -> Error {
    let message = error.to_string();
    match error {
        OrtError::Missing(_) | OrtError::NoFolder | OrtError::Load { .. } => {
            Error::failed_precondition("RUNTIME_MISSING", message)
        }
        _ => Error::internal(message).with_reason("RUNTIME_FAILED"),
    }
}
