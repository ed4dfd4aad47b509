//! `whyglass techniques`: what can be asked, and with a name everything that the technique says of itself.
//!
//! Parameters are read from the technique's JSON Schema, so that this help cannot differ from what is checked.

use serde_json::{Value, json};
use whyglass_engine::Technique;

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
            print!("{}", page(&technique));
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
    print!("{table}");
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
    let parameters = parameters(&descriptor.params);
    if !parameters.is_empty() {
        page.push_str(&format!("\nParameters (-p name=value):\n{parameters}"));
    }
    page
}

/// Name, default and description of each property of a schema.
fn parameters(schema: &Value) -> Table {
    let mut table = Table::default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return table };
    for (name, property) in properties {
        let default = property.get("default").or_else(|| schema.get("default")?.get(name));
        let default = match default {
            None | Some(Value::Null) => "auto".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let choices = choices(property, schema);
        let choices = if choices.is_empty() { String::new() } else { format!(" [{}]", choices.join(", ")) };
        let text = description.split_whitespace().collect::<Vec<_>>().join(" ");
        table.row([&format!("  {name}"), &default, &format!("{text}{choices}")]);
    }
    table
}

/// The words that a property accepts, looked for in its enums, alternatives and references.
fn choices(property: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(words) = property.get("enum").and_then(Value::as_array) {
        found.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    found.extend(property.get("const").and_then(Value::as_str).map(str::to_owned));
    for key in ["oneOf", "anyOf"] {
        for alternative in property.get(key).and_then(Value::as_array).into_iter().flatten() {
            found.extend(choices(alternative, schema));
        }
    }
    let target = property.get("$ref").and_then(Value::as_str).and_then(|path| schema.pointer(path.strip_prefix('#')?));
    // A definition that refers to itself has no words of its own.
    if let Some(target) = target.filter(|target| target.get("$ref").is_none()) {
        found.extend(choices(target, &Value::Null));
    }
    found
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
        let schema = json!({
            "properties": {
                "size": { "type": "number", "default": 0.2, "description": "Side of the\n  window." },
                "fill": { "$ref": "#/$defs/Fill", "default": "mean" },
                "layer": { "type": ["string", "null"], "default": null },
            },
            "$defs": { "Fill": { "oneOf": [{ "const": "mean" }, { "enum": ["blur", "black"] }] } },
        });
        let text = parameters(&schema).to_string();
        assert!(text.contains("size   0.2   Side of the window."), "{text}");
        assert!(text.contains("[mean, blur, black]"), "{text}");
        assert!(text.contains("layer  auto"), "{text}");
    }

    #[test]
    fn a_list_shows_the_first_sentence() {
        assert_eq!(first_sentence("Hides a window. And slides it.\nMore."), "Hides a window");
        assert_eq!(first_sentence(""), "");
    }
}
