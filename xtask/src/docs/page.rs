//! The text of a page, out of a technique's descriptor and the head of its file.

use crate::docs::pictures;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use whyglass_abi::json::{ExplainerDescriptor, Parameter};

/// As `whyglass techniques --json` has it.
#[derive(Deserialize)]
pub(super) struct Technique {
    pub(super) id: String,
    descriptor: ExplainerDescriptor,
}

/// The sections that a head must have after what comes first.
const SECTIONS: [&str; 2] = ["How to read it", "How it misleads"];

/// The page of `technique`, whose file is `source` and says `text`.
pub(super) fn page(technique: &Technique, source: &Path, text: &str) -> Result<String> {
    let Technique { id, descriptor } = technique;
    let head = Head::of(text, id)?;
    let mut page = format!(
        "<!-- Made by `cargo xtask docs` from the technique's descriptor and the head of {}. -->\n\n# {}\n\n{}\n",
        source.display(),
        descriptor.title,
        descriptor.description.trim()
    );
    if let Some(picture) = pictures::of(id) {
        write!(page, "\n![{}](images/{id}.jpg)\n\n```\n{}\n```\n", picture.shows, picture.command_line())?;
    }
    write!(page, "\n## What it computes\n\n{}\n", head.computes)?;
    write!(page, "\n## Parameters\n\n{}", parameters(&descriptor.parameters()))?;
    write!(page, "\n## What it gives\n\n{}", artifacts(descriptor))?;
    for (title, text) in SECTIONS.iter().zip(&head.sections) {
        write!(page, "\n## {title}\n\n{text}\n")?;
    }
    if !descriptor.paper.is_empty() {
        write!(page, "\n## Paper\n\n{}\n", linked(&descriptor.paper))?;
    }
    Ok(page)
}

/// The index: what each technique answers, by family.
pub(super) fn index(techniques: &[Technique]) -> String {
    let mut families: Vec<&str> = techniques.iter().map(|technique| &*technique.descriptor.family).collect();
    families.sort_unstable();
    families.dedup();
    let mut page = "<!-- Made by `cargo xtask docs`. -->\n\n# Techniques\n\n\
        What each answers, with its formula, its parameters, a picture that it made, and how it misleads. Every technique \
        misleads\nin some way: ask two that err differently, and hold them to [the planted truth](../planted-truth.md).\n"
        .to_owned();
    for family in families {
        page += &format!("\n## {family}\n\n| technique | |\n|---|---|\n");
        for Technique { id, descriptor } in techniques.iter().filter(|one| one.descriptor.family == family) {
            page += &format!("| [{}]({id}.md) `{id}` | {} |\n", descriptor.title, cell(&descriptor.description));
        }
    }
    page
}

/// What the head of a technique's file says.
struct Head {
    computes: String,
    /// In the order of [`SECTIONS`].
    sections: Vec<String>,
}

impl Head {
    fn of(source: &str, id: &str) -> Result<Self> {
        let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
        let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
        let mut parts = text.split("\n# ").map(str::trim);
        let first = parts.next().unwrap_or_default();
        let computes = first
            .strip_prefix(&format!("`{id}`: "))
            .with_context(|| format!("the head does not begin with \"`{id}`: \" and what it does"))?;
        let parts: Vec<&str> = parts.collect();
        let section = |title: &str| {
            let part = parts.iter().find_map(|part| part.strip_prefix(title)).map(str::trim).unwrap_or_default();
            ensure!(!part.is_empty(), "the head says nothing under \"# {title}\"");
            Ok(part.to_owned())
        };
        let sections = SECTIONS.into_iter().map(section).collect::<Result<_>>()?;
        Ok(Self { computes: capitalised(computes), sections })
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn parameters(parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return "None.\n".into();
    }
    let mut table = "| name | type | default | range | meaning |\n|---|---|---|---|---|\n".to_owned();
    for Parameter { name, kind, default, range, unit, meaning, choices } in parameters {
        let words = choices.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let range = if words.is_empty() { range.clone() } else { words };
        let kind = if unit.is_empty() { kind.clone() } else { format!("{kind}, {unit}") };
        let explained = choices.iter().filter(|(_, meaning)| !meaning.is_empty());
        let explained: String = explained.map(|(word, meaning)| format!(" `{word}`: {meaning}")).collect();
        let default = match default {
            Value::Null => "found".to_owned(),
            Value::String(text) if text.is_empty() => "empty".to_owned(),
            Value::Array(list) if list.is_empty() => "empty".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let meaning = cell(&format!("{meaning}{explained}"));
        table += &format!("| `{name}` | {kind} | {default} | {range} | {meaning} |\n");
    }
    table
}

fn artifacts(descriptor: &ExplainerDescriptor) -> String {
    let mut table = "| file | kind | |\n|---|---|---|\n".to_owned();
    for artifact in &descriptor.artifacts {
        let kind = name(artifact.kind);
        table += &format!("| `{}` | {kind} | {} |\n", artifact.id, cell(&artifact.title));
    }
    let needs = descriptor.needs.iter().map(name).collect::<Vec<_>>().join(", ");
    let needs = if needs.is_empty() { "any model".to_owned() } else { needs };
    let streams = if descriptor.progressive { "partial results while it computes" } else { "its result at once" };
    let seed = if descriptor.deterministic { "makes no difference" } else { "is kept with the result" };
    format!("{table}\nNeeds: {needs}. Sends {streams}. The seed {seed}.\n")
}

/// As it is written in JSON.
fn name(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// In a table: one line, without a bar that would end the cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// With its addresses as links.
fn linked(text: &str) -> String {
    let link = |word: &str| {
        let address = word.trim_end_matches([',', ';']);
        if address.starts_with("http") { word.replacen(address, &format!("<{address}>"), 1) } else { word.to_owned() }
    };
    text.split(' ').map(link).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SOURCE: &str = "//! `grad-cam`: what speaks\n//! for it.\n//!\n//! M = ReLU(x)\n//!\n//! # How to read it\n//!\n//! Look.\n\
        //!\n//! # How it misleads\n//!\n//! - It does.\n\nuse nothing;\n//! not this\n";

    fn technique() -> Technique {
        let descriptor = json!({
            "title": "Grad-CAM", "description": "Shows | it.", "family": "cam", "paper": "S. 2017, https://a.b/c", "needs": ["gradients"],
            "artifacts": [{"id": "map", "title": "Evidence", "kind": "map"}],
            "params": {"properties": {
                "relu": {"type": "boolean", "default": true, "description": "Keep."},
                "fill": {"default": "mean", "oneOf": [{"const": "mean", "description": "The mean."}, {"const": "blur"}]},
                "size": {"type": "number", "default": 0.2, "minimum": 0.0, "x-unit": "px"},
            }},
        });
        serde_json::from_value(json!({"id": "grad-cam", "descriptor": descriptor})).unwrap()
    }

    #[test]
    fn a_page_says_what_descriptor_and_head_say() {
        let page = page(&technique(), Path::new("grad_cam.rs"), SOURCE).unwrap();
        for part in [
            "# Grad-CAM\n\nShows | it.\n",
            "## What it computes\n\nWhat speaks\nfor it.\n\nM = ReLU(x)\n\n## Parameters\n",
            "| `relu` | boolean | `true` |  | Keep. |\n",
            "| `fill` | choice | `mean` | `mean`, `blur` | `mean`: The mean. |\n",
            "| `size` | number, px | `0.2` | ≥ 0 |  |\n",
            "| `map` | map | Evidence |\n\nNeeds: gradients.",
            "## How to read it\n\nLook.\n\n## How it misleads\n\n- It does.\n\n## Paper\n\nS. 2017, <https://a.b/c>\n",
        ] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        assert!(!page.contains("not this"));
    }

    #[test]
    fn a_head_that_leaves_something_out_is_named() {
        let without = SOURCE.replace("# How it misleads", "# Otherwise");
        let error = page(&technique(), Path::new("x.rs"), &without).unwrap_err();
        assert!(error.to_string().contains("How it misleads"), "{error}");
        let error = page(&technique(), Path::new("x.rs"), "//! Another.\n").unwrap_err();
        assert!(error.to_string().contains("`grad-cam`"), "{error}");
    }

    #[test]
    fn the_index_names_each_technique_in_its_family() {
        let index = index(&[technique()]);
        assert!(
            index.contains(
                "## cam\n\n| technique | |\n|---|---|\n| [Grad-CAM](grad-cam.md) `grad-cam` | Shows \\| it. |\n"
            ),
            "{index}"
        );
    }
}
