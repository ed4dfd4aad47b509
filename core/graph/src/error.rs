//! What can go wrong in this crate: one enum, its variants by meaning, each message naming the thing and what to do.

use std::path::PathBuf;

/// See the variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The file, or a node in it, contradicts itself or the format.
    #[error("malformed model: {what}")]
    Malformed { what: String },
    /// Valid ONNX that this crate does not handle.
    #[error("unsupported model: {what}")]
    Unsupported { what: String },
    /// A tensor kept in another file cannot be had from there.
    #[error("external data of {tensor:?}: {what}")]
    External { tensor: String, what: String },
    /// The input, the logits or the features could not be found.
    #[error("cannot find the {role}: {what}")]
    Role { role: &'static str, what: String },
    /// No value of the graph has this name.
    #[error("the model has no value {name:?}{}", near_matches(near))]
    UnknownValue { name: String, near: Vec<String> },
    /// What was asked for depends on a graph input that was not given.
    #[error("{name:?} is needed and not fed: feed it, or a value between it and what is fetched")]
    NotFed { name: String },
    /// A request that makes no sense, apart from names and shapes.
    #[error("{what}")]
    InvalidRequest { what: String },
    /// A tensor of another shape than its node has.
    #[error("{name:?} has shape {wanted:?}, given {given:?}")]
    ShapeMismatch { name: String, wanted: Vec<i64>, given: Vec<i64> },
    /// A gradient would have to flow through an operator that has none.
    #[error("no derivative of {op} (node {node:?}): {why}")]
    NoDerivative { op: String, node: String, why: String },
    /// Nothing is gained, or nothing can be done, by recomputing only what an occluder has changed.
    #[error("cannot be recomputed in windows: {why}")]
    NotIncremental { why: String },
    /// The engine underneath refused or failed.
    #[error("{doing}: {source}")]
    Runtime { doing: String, source: Box<dyn std::error::Error + Send + Sync> },
}

impl Error {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    pub(crate) fn invalid_request(what: impl Into<String>) -> Self {
        Self::InvalidRequest { what: what.into() }
    }

    pub(crate) fn no_derivative(op: &str, node: &str, why: impl Into<String>) -> Self {
        Self::NoDerivative { op: op.to_owned(), node: node.to_owned(), why: why.into() }
    }

    pub(crate) fn runtime(doing: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Runtime { doing: doing.into(), source: Box::new(source) }
    }
}

fn near_matches(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_is_named_with_what_is_near() {
        let error = Error::UnknownValue { name: "relu".into(), near: vec!["relu1".into(), "relu2".into()] };
        assert_eq!(error.to_string(), r#"the model has no value "relu"; did you mean "relu1" or "relu2"?"#);
        let error = Error::UnknownValue { name: "x".into(), near: vec![] };
        assert_eq!(error.to_string(), r#"the model has no value "x""#);
    }
}
