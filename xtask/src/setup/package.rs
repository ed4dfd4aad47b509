//! The Python client as its users have it: built into a wheel from this checkout, and installed into an environment of
//! its own. Done again where anything that it is made of has changed.

use crate::workspace::{Workspace, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the package is made of.
const SOURCES: [&str; 5] = [
    "clients/python/src",
    "clients/python/messages.py",
    "clients/python/pyproject.toml",
    "clients/python/README.md",
    "proto",
];

/// Returns the interpreter that has the package.
pub(crate) fn python_package(workspace: &Workspace) -> Result<PathBuf> {
    let interpreter = super::python(workspace, "package", "clients/python/requirements-dev.txt")?;
    let mut wanted = Vec::new();
    for source in SOURCES {
        gather(&workspace.root.join(source), &mut wanted)?;
    }
    // Beside the requirements' own stamp, in a folder that is made anew with them.
    let stamp = workspace.third_party("python").join("package/package.installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    eprintln!("installing the Python client");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    // The tools that build it are among the requirements: nothing is fetched.
    let flags = ["--no-deps", "--no-build-isolation", "--force-reinstall", "clients/python"];
    run(Command::new(&interpreter).args(install).args(flags).current_dir(&workspace.root))
        .context("the Python client could not be installed")?;
    fs::write(&stamp, wanted)?;
    Ok(interpreter)
}

/// Names and contents of all files below `path`, in the order of their names.
fn gather(path: &Path, into: &mut Vec<u8>) -> Result<()> {
    let cannot = || format!("cannot read {}", path.display());
    if path.is_dir() {
        let mut inside = fs::read_dir(path)
            .with_context(cannot)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        inside.retain(|path| !path.ends_with("__pycache__"));
        inside.sort();
        return inside.iter().try_for_each(|path| gather(path, into));
    }
    into.extend(path.as_os_str().as_encoded_bytes());
    into.extend(fs::read(path).with_context(cannot)?);
    Ok(())
}
