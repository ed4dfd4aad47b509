//! Builds the binary and lays every plugin with its manifest beside it, `target/<profile>/plugins/<id>/`, and the pictures
//! that the page offers, `target/<profile>/samples/`: where the binary looks by default.

use crate::setup::{self, ONNXRUNTIME_LIBRARY, libtorch};
use crate::torch::{self, Torch};
use crate::workspace::{Workspace, run};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// What was built.
pub(crate) struct Staged {
    pub(crate) binary: PathBuf,
    pub(crate) plugins: PathBuf,
}

/// The two lines of `plugin.toml` that staging needs.
#[derive(Deserialize)]
struct Manifest {
    id: String,
    library: String,
}

/// The folders under plugins/ that hold a `plugin.toml`.
const FAMILIES: [&str; 2] = ["plugins/backends", "plugins/explainers"];

pub(crate) fn build(workspace: &Workspace, profile: Profile, torch: &Torch) -> Result<Staged> {
    build_with(workspace, profile, torch, &[])
}

/// As [`build`], with `more` for cargo: packages that are wanted beside, built in one go so that nothing is built twice.
pub(crate) fn build_with(workspace: &Workspace, profile: Profile, torch: &Torch, more: &[&str]) -> Result<Staged> {
    let runtime = setup::onnxruntime(workspace)?;
    let sources = plugin_folders(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.arg("build");
    let folder = match profile {
        // All that `cargo test` builds: with fewer packages others' features differ, and half of it is compiled twice.
        Profile::Debug => {
            cargo.args(["--workspace", "--all-targets"]);
            torch.workspace(&mut cargo);
            workspace.target.join("debug")
        }
        Profile::Release => {
            cargo.args(["--release", "--package=whyglass-server"]);
            for folder in &sources {
                cargo.arg("--package").arg(package_name(folder)?);
            }
            torch.package(&mut cargo);
            workspace.target.join("release")
        }
    };
    run(cargo.args(more))?;
    let plugins = folder.join("plugins");
    for source in &sources {
        let manifest = fs::read_to_string(source.join("plugin.toml"))?;
        let parsed: Manifest =
            toml::from_str(&manifest).with_context(|| format!("{}/plugin.toml", source.display()))?;
        let staged = plugins.join(&parsed.id);
        fs::create_dir_all(&staged)?;
        replace(&folder.join(&parsed.library), &staged.join(&parsed.library))?;
        fs::write(staged.join("plugin.toml"), manifest)?;
        if parsed.id == "onnxruntime" {
            replace(&runtime, &staged.join(ONNXRUNTIME_LIBRARY))?;
        }
        if parsed.id == torch::PLUGIN {
            behind_the_door(torch, &folder, &staged)?;
        }
    }
    samples(workspace, &folder.join("samples"))?;
    Ok(Staged { binary: folder.join("whyglass"), plugins })
}

/// Lays what the plugin `torch` opens beside it: its library, and libtorch.
fn behind_the_door(torch: &Torch, built: &Path, staged: &Path) -> Result<()> {
    match torch {
        Torch::With(folder) => {
            replace(&built.join(torch::LIBRARY), &staged.join(torch::LIBRARY))?;
            for library in libtorch::LIBRARIES {
                replace(&folder.join("lib").join(library), &staged.join(library))?;
            }
        }
        Torch::Without => {
            for library in libtorch::LIBRARIES.into_iter().chain([torch::LIBRARY]) {
                if staged.join(library).exists() {
                    fs::remove_file(staged.join(library))?;
                }
            }
        }
        Torch::AsStaged => {}
    }
    Ok(())
}

/// Offers the pictures that were fetched; there may be none.
fn samples(workspace: &Workspace, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let Ok(pictures) = fs::read_dir(workspace.third_party("pictures")) else { return Ok(()) };
    for picture in pictures {
        let picture = picture?;
        if picture.path().extension().is_some_and(|extension| extension != "partial") {
            replace(&picture.path(), &folder.join(picture.file_name()))?;
        }
    }
    Ok(())
}

/// Puts a fresh file at `to`: writing into a library that a running process has mapped would crash that process.
fn replace(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_file(to)?;
    }
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

fn plugin_folders(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for family in FAMILIES {
        for entry in fs::read_dir(workspace.root.join(family))? {
            let folder = entry?.path();
            if folder.join("plugin.toml").exists() {
                folders.push(folder);
            }
        }
    }
    folders.sort();
    Ok(folders)
}

fn package_name(folder: &Path) -> Result<String> {
    #[derive(Deserialize)]
    struct Cargo {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let text = fs::read_to_string(folder.join("Cargo.toml"))?;
    Ok(toml::from_str::<Cargo>(&text).with_context(|| format!("{}/Cargo.toml", folder.display()))?.package.name)
}
