//! Builds the page with npm into dashboard/dist/page, from where the compiler takes it into the server, and runs its
//! tests. Everything else in this repository works without Node.js.

use crate::setup;
use crate::stage::{self, Profile};
use crate::torch::Torch;
use crate::workspace::{Workspace, run};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The oldest versions of Node.js that the page's tools run on: of the line 20, and of those from 22 on.
const OLDEST: [(u32, u32); 2] = [(20, 19), (22, 12)];

pub(crate) fn run_all(workspace: &Workspace, test: bool, measure: bool) -> Result<()> {
    build(workspace)?;
    if test {
        units(workspace)?;
        browser(workspace, Profile::Debug)?;
    }
    if measure {
        browser(workspace, Profile::Release)?;
    }
    Ok(())
}

/// Builds the page. An error says what is missing.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    prepare(workspace)?;
    generate(workspace)?;
    run(npm(workspace).args(["run", "--silent", "build", "--workspace=whyglass-dashboard"]))
}

/// Puts the page's tools in place. An error says what is missing.
pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
    check_node()?;
    packages(workspace)
}

/// Whether a page can be built here; what stands in the way otherwise.
fn check_node() -> Result<()> {
    let output = Command::new("node").arg("--version").output();
    let output =
        output.context("the page needs Node.js 20.19 or newer with npm: install it, or do without the page")?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(suffices(&version), "the page needs Node.js 20.19, 22.12 or newer; this is {version}");
    let npm = Command::new("npm").arg("--version").output();
    ensure!(npm.is_ok_and(|npm| npm.status.success()), "Node.js is here, but npm is not: install it");
    Ok(())
}

/// `v20.20.2`
fn suffices(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    major > 22 || OLDEST.iter().any(|&(oldest, at_least)| major == oldest && minor >= at_least)
}

/// The packages of package-lock.json, put in place again only when it has changed.
fn packages(workspace: &Workspace) -> Result<()> {
    let wanted = fs::read(workspace.root.join("package-lock.json")).context("cannot read package-lock.json")?;
    let stamp = workspace.root.join("node_modules/.whyglass-lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!("fetching the page's packages");
    run(npm(workspace).args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]))
        .context("npm could not install the packages of package-lock.json: is a registry reachable?")?;
    fs::write(&stamp, wanted)?;
    Ok(())
}

/// The client's messages, from the .proto files.
pub(crate) fn generate(workspace: &Workspace) -> Result<()> {
    run(npm(workspace).args(["run", "--silent", "generate", "--workspace=whyglass-dashboard"]))
}

/// Types and unit tests.
pub(crate) fn units(workspace: &Workspace) -> Result<()> {
    generate(workspace)?;
    run(npm(workspace).args(["run", "--silent", "check", "--workspaces", "--if-present"]))?;
    run(npm(workspace).args(["run", "--silent", "unit", "--workspaces", "--if-present"]))
}

/// The page in Chromium, against the real server: its tests against one as tests have it, its timings against one as users
/// have it.
fn browser(workspace: &Workspace, profile: Profile) -> Result<()> {
    let Some(chromium) = chromium() else {
        bail!("the page's tests need Chromium: install it, so that `chromium` is found");
    };
    setup::all(workspace)?;
    let measure = matches!(profile, Profile::Release);
    let staged = stage::build(workspace, profile, &Torch::AsStaged)?;
    let models = std::env::join_paths([workspace.root.join("models"), workspace.root.join("tests/models")])?;
    let mut test = npm(workspace);
    test.args(["run", "--silent", "test", "--workspace=whyglass-dashboard"])
        .env("WHYGLASS_BINARY", &staged.binary)
        .env("WHYGLASS_MODELS", models)
        .env("WHYGLASS_DATASETS", workspace.root.join("datasets"))
        .env("CHROMIUM", chromium);
    if measure {
        test.env("WHYGLASS_MEASURE", "1");
    }
    run(&mut test)
}

pub(crate) fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

pub(crate) fn npm(workspace: &Workspace) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(&workspace.root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_that_are_too_old_are_told_apart() {
        for version in ["v20.19.0", "v20.20.2", "v22.12.0", "v23.0.0", "v24.1.0"] {
            assert!(suffices(version), "{version}");
        }
        for version in ["v18.20.0", "v20.18.3", "v21.7.0", "v22.11.0", "", "nonsense"] {
            assert!(!suffices(version), "{version}");
        }
    }
}
