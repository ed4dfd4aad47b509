//! What the graph crate says went wrong, in the terms of the plugin interface. The one place where the two meet.

use whyglass_graph::Error as GraphError;
use whyglass_sdk::{Error, Status};

/// An error of the graph crate.
#[must_use]
pub fn from_graph(error: GraphError) -> Error {
    let message = error.to_string();
    match error {
        GraphError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::not_found("path", message)
        }
        GraphError::Io { .. } => Error::failed_precondition("MODEL_UNREADABLE", message),
        GraphError::Malformed { .. } | GraphError::External { .. } => {
            Error::invalid_argument("path", message).with_reason("MODEL_MALFORMED")
        }
        GraphError::Unsupported { .. } => Error::new(Status::Unimplemented, "MODEL_UNSUPPORTED", "path", message),
        GraphError::Role { role, .. } => Error::failed_precondition("NO_CLASSIFIER", message).with_field(role),
        GraphError::UnknownValue { name, .. } => Error::invalid_argument(name, message).with_reason("UNKNOWN_NODE"),
        GraphError::NotFed { name } => Error::invalid_argument(name, message).with_reason("NOT_FED"),
        GraphError::InvalidRequest { .. } => Error::invalid_argument("", message),
        GraphError::ShapeMismatch { name, .. } => Error::invalid_argument(name, message).with_reason("SHAPE_MISMATCH"),
        GraphError::NoDerivative { .. } => Error::failed_precondition("NO_DERIVATIVE", message),
        GraphError::NotIncremental { .. } => Error::unimplemented(message),
        GraphError::Runtime { .. } => Error::internal(message).with_reason("RUNTIME_FAILED"),
        _ => Error::internal(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_node_names_the_node() {
        let error = from_graph(GraphError::NotFed { name: "input".into() });
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "input"));
        let wanted = vec![1, 3, 2, 2];
        let error = from_graph(GraphError::ShapeMismatch { name: "relu".into(), wanted, given: vec![1] });
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "relu"));
        let no = GraphError::NoDerivative { op: "Round".into(), node: "n".into(), why: "it is a step".into() };
        let error = from_graph(no);
        assert_eq!((error.status, error.reason.as_str()), (Status::FailedPrecondition, "NO_DERIVATIVE"));
        assert!(error.message.contains("Round"));
    }

    #[test]
    fn a_file_that_is_missing_is_not_found() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = from_graph(GraphError::Io { path: "model.onnx".into(), source });
        assert_eq!(error.status, Status::NotFound);
        assert!(error.message.contains("model.onnx"));
    }
}
