//! The configuration file: TOML with the tables `[engine]` and `[serve]`, whose keys are the names of the flags.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::options::{EngineOptions, ServeOptions};
use crate::tokens::TokensError;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is not there, for example.
    #[error("cannot read {path}: {1}", path = .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The message names line and key.
    #[error("{path}: {1}", path = .0.display())]
    Parse(PathBuf, #[source] Box<toml::de::Error>),
    /// One of two.
    #[error("tls-cert and tls-key go together; give both or neither")]
    HalfTls,
    /// One too many.
    #[error("tls-cert and tls-self-signed are two certificates; give one")]
    TwoCertificates,
    /// A file of tokens.
    #[error("tokens: {0}")]
    Tokens(#[from] TokensError),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) engine: EngineOptions,
    pub(super) serve: ServeOptions,
}

pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read(path.to_owned(), error))?;
    toml::from_str(&text).map_err(|error| ConfigError::Parse(path.to_owned(), Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("whyglass.toml");
        std::fs::write(&path, "[serve]\nlissten = '127.0.0.1:7'\n").expect("it is ours");
        assert!(read(&path).expect_err("a typo").to_string().contains("lissten"));
        assert!(matches!(read(Path::new("/nowhere/whyglass.toml")), Err(ConfigError::Read(..))));
    }
}
