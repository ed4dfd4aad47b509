//! `cargo xtask docs`: a page per technique in `docs/techniques`, and their index.
//!
//! A page has two sources, both of which serve something else besides: the technique's descriptor, from which the command
//! line's help and the forms are made, and the head of the file that it lives in, where formula, reading and pitfalls stand
//! beside the code that they speak of. A member of the descriptor for that prose was weighed: it would travel over the ABI
//! with every plugin, and nobody but this page would read it.

mod page;
mod pictures;

use crate::setup;
use crate::stage::{self, Profile, Staged};
use crate::torch::Torch;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use page::Technique;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const FOLDER: &str = "docs/techniques";

/// Writes the pages; with `pictures` makes their pictures anew, too, which takes a minute or two.
pub(crate) fn write(workspace: &Workspace, pictures: bool) -> Result<()> {
    let staged = stage::build(workspace, Profile::Debug, &Torch::AsStaged)?;
    let folder = workspace.root.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let pages = pages(workspace, &staged)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let kept = path.is_dir() || pages.iter().any(|(name, _)| path.ends_with(name));
        if !kept {
            fs::remove_file(&path)?;
        }
    }
    for (name, text) in &pages {
        fs::write(folder.join(name), text)?;
    }
    if pictures {
        setup::all(workspace)?;
        pictures::make(workspace, &staged)?;
    }
    println!("{} pages in {FOLDER}", pages.len());
    Ok(())
}

/// Whether the pages in the checkout are what [`write`] makes of these plugins.
///
/// # Errors
/// Names each page that is not.
pub(crate) fn check(workspace: &Workspace, staged: &Staged) -> Result<()> {
    let folder = workspace.root.join(FOLDER);
    let pages = pages(workspace, staged)?;
    let mut stale: Vec<String> = pages
        .iter()
        .filter(|(name, text)| fs::read_to_string(folder.join(name)).ok().as_ref() != Some(text))
        .map(|(name, _)| name.clone())
        .collect();
    for entry in fs::read_dir(&folder).with_context(|| format!("{FOLDER} is missing: run `cargo xtask docs`"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && !pages.iter().any(|(page, _)| *page == name) {
            stale.push(name);
        }
    }
    ensure!(
        stale.is_empty(),
        "{FOLDER}: {} differ from what the techniques say of themselves: run `cargo xtask docs`",
        stale.join(", ")
    );
    Ok(())
}

/// File name and text of every page.
fn pages(workspace: &Workspace, staged: &Staged) -> Result<Vec<(String, String)>> {
    let output =
        Command::new(&staged.binary).args(["techniques", "--json", "--plugins"]).arg(&staged.plugins).output()?;
    ensure!(output.status.success(), "whyglass techniques: {}", String::from_utf8_lossy(&output.stderr));
    let techniques: Vec<Technique> = serde_json::from_slice(&output.stdout)?;
    let mut pages = vec![("README.md".to_owned(), page::index(&techniques))];
    for technique in &techniques {
        let source = source(workspace, &technique.id)?;
        let text = fs::read_to_string(workspace.root.join(&source))?;
        let page = page::page(technique, &source, &text).with_context(|| source.display().to_string())?;
        pages.push((format!("{}.md", technique.id), page));
    }
    Ok(pages)
}

/// The file that a technique lives in, from the checkout's root on.
fn source(workspace: &Workspace, id: &str) -> Result<PathBuf> {
    let file = format!("{}.rs", id.replace('-', "_"));
    let families = PathBuf::from("plugins/explainers");
    for family in fs::read_dir(workspace.root.join(&families))? {
        let path = families.join(family?.file_name()).join("src").join(&file);
        if workspace.root.join(&path).exists() {
            return Ok(path);
        }
    }
    bail!("technique {id:?} lives in no file called {file} under {}", families.display())
}
