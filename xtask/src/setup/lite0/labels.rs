//! The names of ImageNet's 1,000 classes, in the order of the network's outputs, one per line.

use anyhow::{Context, Result, ensure};

/// Takes the list `_IMAGENET_CATEGORIES` out of torchvision's Python source.
pub(in crate::setup) fn labels(source: &[u8]) -> Result<String> {
    let source = std::str::from_utf8(source)?;
    let list = source.split_once("_IMAGENET_CATEGORIES = [").context("torchvision no longer has the list of names")?.1;
    let list = list.split_once(']').context("the list of names does not end")?.0;
    let names: Vec<&str> = list.lines().filter_map(|line| line.trim().strip_suffix(',')).map(unquote).collect();
    ensure!(names.len() == 1000, "expected 1000 names, found {}", names.len());
    Ok(names.join("\n") + "\n")
}

fn unquote(text: &str) -> &str {
    text.trim_matches(|c| c == '"' || c == '\'')
}
