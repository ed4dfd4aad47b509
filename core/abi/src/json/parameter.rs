//! A technique's parameters as a person is told of them: what command line help and documentation pages show is read from
//! the very schema that requests are checked with.

use crate::json::ExplainerDescriptor;
use serde_json::Value;

/// One parameter, in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameter {
    pub name: String,
    /// `"number"`, `"integer"`, `"boolean"`, `"text"`, `"choice"`, `"layer"`, or `"list of …"`.
    pub kind: String,
    /// `Null` where the technique finds it.
    pub default: Value,
    /// `"0 … 1"`, `"≥ 1"`; empty where any value will do.
    pub range: String,
    pub unit: String,
    pub meaning: String,
    /// The words that it accepts, where these are few, each with its meaning.
    pub choices: Vec<(String, String)>,
}

impl ExplainerDescriptor {
    /// The parameters, by name.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let schema = &self.params;
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, property)| parameter(name, property, schema)).collect()
    }
}

fn parameter(name: &str, property: &Value, schema: &Value) -> Parameter {
    let choices = choices(property, schema);
    let kind = match property.get("x-widget").and_then(Value::as_str) {
        Some(widget) => widget.to_owned(),
        None if !choices.is_empty() => "choice".into(),
        None => kind(property),
    };
    Parameter {
        name: name.into(),
        kind,
        default: property.get("default").or_else(|| schema.get("default")?.get(name)).cloned().unwrap_or_default(),
        range: range(property),
        unit: property.get("x-unit").and_then(Value::as_str).unwrap_or_default().into(),
        meaning: text(property),
        choices,
    }
}

/// The description of a part of a schema, in one line.
fn text(schema: &Value) -> String {
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn kind(schema: &Value) -> String {
    let types = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        other => other.and_then(Value::as_str),
    };
    match types {
        Some("string") => "text".into(),
        Some("array") => {
            let items = schema.get("items").map(kind).unwrap_or_default();
            match (&*items, items.strip_prefix("list ")) {
                ("", _) => "list".into(),
                (_, Some(of)) => format!("list of lists {of}"),
                (one, None) => format!("list of {one}s"),
            }
        }
        other => other.unwrap_or_default().into(),
    }
}

/// The bounds of a number, or of the numbers in a list.
fn range(schema: &Value) -> String {
    if let Some(items) = schema.get("items") {
        return range(items);
    }
    let bound = |names: [&str; 2]| {
        let (name, value) = names.iter().find_map(|name| Some((*name, schema.get(*name)?.as_f64()?)))?;
        Some((name.starts_with("exclusive"), value))
    };
    // What the integer type itself cannot hold is no bound that anybody chose.
    let least = bound(["minimum", "exclusiveMinimum"]);
    let most = bound(["maximum", "exclusiveMaximum"]).filter(|(_, most)| *most < f64::from(u32::MAX));
    match (least, most) {
        (Some((_, least)), Some((_, most))) => format!("{least} … {most}"),
        (Some((false, least)), None) => format!("≥ {least}"),
        (Some((true, least)), None) => format!("> {least}"),
        (None, Some((false, most))) => format!("≤ {most}"),
        (None, Some((true, most))) => format!("< {most}"),
        (None, None) => String::new(),
    }
}

/// The words that a property accepts, looked for in its enums, alternatives and references.
fn choices(property: &Value, schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let words = property.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    found.extend(words.map(|word| (word.to_owned(), String::new())));
    let word = property.get("const").and_then(Value::as_str);
    found.extend(word.map(|word| (word.to_owned(), text(property))));
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(property: Value) -> Parameter {
        let params = json!({ "properties": { "p": property }, "default": { "p": 7 },
            "$defs": { "Fill": { "oneOf": [{ "const": "mean", "description": "The mean." }, { "enum": ["blur", "black"] }] } } });
        ExplainerDescriptor { params, ..Default::default() }.parameters().remove(0)
    }

    #[test]
    fn a_number_has_its_bounds_unit_and_default() {
        let size = of(
            json!({ "type": "number", "default": 0.2, "minimum": 0.0, "x-unit": "px", "description": "Side of the\n  window." }),
        );
        let expected = Parameter {
            name: "p".into(),
            kind: "number".into(),
            default: json!(0.2),
            range: "≥ 0".into(),
            unit: "px".into(),
            meaning: "Side of the window.".into(),
            choices: Vec::new(),
        };
        assert_eq!(size, expected);
        assert_eq!(of(json!({ "type": "integer", "minimum": 1, "maximum": 9 })).range, "1 … 9");
        assert_eq!(of(json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })).range, "≥ 0");
        assert_eq!(of(json!({ "type": "boolean" })).default, json!(7), "the whole type's default");
    }

    #[test]
    fn lists_are_of_something_and_a_widget_says_what_a_text_means() {
        let fractions = of(json!({ "type": "array", "items": { "type": "number", "minimum": 0.0, "maximum": 1.0 } }));
        assert_eq!((&*fractions.kind, &*fractions.range), ("list of numbers", "0 … 1"));
        let map = of(json!({ "type": "array", "items": { "type": "array", "items": { "type": "number" } } }));
        assert_eq!(map.kind, "list of lists of numbers");
        assert_eq!(of(json!({ "type": ["string", "null"], "x-widget": "layer" })).kind, "layer");
    }

    #[test]
    fn words_are_found_wherever_the_schema_has_them() {
        let fill = of(json!({ "$ref": "#/$defs/Fill" }));
        let word = |name: &str, meaning: &str| (name.to_owned(), meaning.to_owned());
        assert_eq!(fill.choices, [word("mean", "The mean."), word("blur", ""), word("black", "")]);
        assert_eq!(fill.kind, "choice");
    }

    #[test]
    fn a_schema_without_properties_has_no_parameters() {
        assert!(ExplainerDescriptor::default().parameters().is_empty());
    }
}
