//! `whyglass techniques`: what can be asked, and with a name everything that the technique says of itself.
//!
//! Parameters are read from the technique's JSON Schema, so that this help cannot differ from what is checked.

use serde_json::{Value, json};
use whyglass_engine::Technique;
use whyglass_engine::json::{ExplainerDescriptor, Parameter};

use super::failure::{Exit, Failure};
use super::places::Places;
use super::table::{Table, print_json};

/// List the techniques; with a name: its parameters, defaults, description, paper.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this one, in full.
    technique: Option<String>,
    /// As JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<Exit, Failure> {
    let engine = places.engine()?;
    if let Some(name) = &args.technique {
        let technique = engine.technique(name)?;
        if args.json {
            print_json(&document(&technique))?;
        } else {
            out!("{}", page(&technique));
        }
        return Ok(Exit::Done);
    }
    let techniques = engine.techniques();
    if args.json {
        print_json(&techniques.iter().map(|technique| document(technique)).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    for technique in &techniques {
        let description = &technique.descriptor.description;
        table.row([&technique.id, first_sentence(description)]);
    }
    if table.is_empty() {
        eprintln!("no techniques were found; `whyglass plugin list` says why, and --plugins DIR looks elsewhere");
    }
    out!("{table}");
    Ok(Exit::Done)
}

fn document(technique: &Technique) -> Value {
    json!({ "id": technique.id, "plugin": technique.plugin, "descriptor": technique.descriptor })
}

fn page(technique: &Technique) -> String {
    let descriptor = &technique.descriptor;
    let mut page = format!("{} ({})\n\n{}\n", descriptor.title, technique.id, descriptor.description.trim());
    if !descriptor.paper.is_empty() {
        page.push_str(&format!("\nPaper: {}\n", descriptor.paper));
    }
    let parameters = parameters(descriptor);
    if !parameters.is_empty() {
        page.push_str(&format!("\nParameters (-p name=value):\n{parameters}"));
    }
    page
}

/// Name, default and meaning of each parameter, with what it accepts.
fn parameters(descriptor: &ExplainerDescriptor) -> Table {
    let mut table = Table::default();
    for Parameter { name, default, range, meaning, choices, .. } in descriptor.parameters() {
        let default = match default {
            Value::Null => "auto".to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        let words = choices.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join(", ");
        let accepted = if words.is_empty() { range } else { words };
        let accepted = if accepted.is_empty() { accepted } else { format!(" [{accepted}]") };
        table.row([&format!("  {name}"), &default, &format!("{meaning}{accepted}")]);
    }
    table
}

fn first_sentence(text: &str) -> &str {
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    line.split_once(". ").map_or(line, |(first, _)| first).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_from_the_schema() {
        let params = json!({
            "properties": {
                "size": { "type": "number", "default": 0.2, "minimum": 0.0, "description": "Side of the\n  window." },
                "fill": { "enum": ["mean", "blur"], "default": "mean" },
                "layer": { "type": ["string", "null"], "default": null },
            },
        });
        let text = parameters(&ExplainerDescriptor { params, ..Default::default() }).to_string();
        assert!(text.contains("size   0.2   Side of the window. [≥ 0]"), "{text}");
        assert!(text.contains("[mean, blur]"), "{text}");
        assert!(text.contains("layer  auto"), "{text}");
    }

    #[test]
    fn a_list_shows_the_first_sentence() {
        assert_eq!(first_sentence("Hides a window. And slides it.\nMore."), "Hides a window");
        assert_eq!(first_sentence(""), "");
    }
}
