//! Whether libtorch takes part in a build: one place that says with what flags, and what is said where it does not.

use crate::setup::libtorch;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// The package that links it.
const PACKAGE: &str = "whyglass-backend-libtorch";
/// The package whose tests need it.
const TESTS: &str = "whyglass-tests";
/// Its library, which the plugin `torch` opens.
pub(crate) const LIBRARY: &str = "libwhyglass_libtorch.so";
/// The plugin's id, and the name of its staged folder.
pub(crate) const PLUGIN: &str = "torch";

/// The part of libtorch in a build.
pub(crate) enum Torch {
    /// Linked to what lies in this folder.
    With(PathBuf),
    /// Left out; what was staged before goes.
    Without,
    /// Not built; what was staged before stays.
    AsStaged,
}

impl Torch {
    /// Set up first, where it is not there yet.
    pub(crate) fn wanted(workspace: &Workspace) -> Result<Self> {
        Ok(Self::With(libtorch::libtorch(workspace)?))
    }

    /// Where it was set up, unless it is not wanted.
    pub(crate) fn found(workspace: &Workspace, without: bool) -> Self {
        match libtorch::found(workspace).filter(|_| !without) {
            Some(folder) => Self::With(folder),
            None => {
                let why = if without { "as asked" } else { "get it with `cargo xtask setup --torch`" };
                eprintln!("the back end 'torch' is left out ({why})");
                Self::Without
            }
        }
    }

    /// What a cargo command over the whole workspace needs to link and to test it. The same for all of them, or each would
    /// build it again.
    pub(crate) fn workspace(&self, cargo: &mut Command) {
        match self {
            Self::With(folder) => {
                cargo.env("LIBTORCH", folder).arg(format!("--features={PACKAGE}/libtorch,{TESTS}/libtorch"))
            }
            Self::Without => cargo,
            Self::AsStaged => cargo.arg(format!("--exclude={PACKAGE}")),
        };
    }

    /// What a cargo command that names its packages needs to link it.
    pub(crate) fn package(&self, cargo: &mut Command) {
        if let Self::With(folder) = self {
            cargo
                .env("LIBTORCH", folder)
                .arg(format!("--package={PACKAGE}"))
                .arg(format!("--features={PACKAGE}/libtorch"));
        }
    }
}
