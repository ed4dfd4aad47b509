//! Parameters as JSON: the schema that is derived from their type, and reading them with errors that name the field.

use crate::{Error, Result};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;

/// JSON Schema 2020-12 of `P`, with its defaults. Sub-schemas are inlined: a form need not follow references.
pub(crate) fn of<P: JsonSchema>() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<P>().to_value()
}

/// Reads parameters. An empty string is an empty object: everything at its default.
pub(crate) fn parse<P: DeserializeOwned>(text: &str) -> Result<P> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "" } else { path.as_str() };
        Error::invalid_argument(field, error.inner().to_string())
    })?;
    reader.end().map_err(|error| Error::invalid_argument("", error.to_string()))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Params {
        /// Pixels, or a fraction below 1.
        #[schemars(extend("x-unit" = "px"))]
        size: f64,
        fill: Fill,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Fill {
        Mean,
        Blur,
    }

    impl Default for Params {
        fn default() -> Self {
            Self { size: 0.2, fill: Fill::Mean }
        }
    }

    #[test]
    fn the_schema_carries_defaults_and_refuses_unknown_names() {
        let schema = of::<Params>();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["size"]["default"], 0.2);
        assert_eq!(schema["properties"]["size"]["x-unit"], "px");
        assert_eq!(schema["properties"]["fill"]["default"], "mean");
        assert_eq!(schema["properties"]["fill"]["enum"], serde_json::json!(["mean", "blur"]));
        assert!(schema.get("$defs").is_none());
    }

    #[test]
    fn what_is_left_out_is_at_its_default() {
        assert_eq!(parse::<Params>(""), Ok(Params::default()));
        assert_eq!(parse::<Params>(r#"{"fill": "blur"}"#), Ok(Params { fill: Fill::Blur, ..Params::default() }));
    }

    #[test]
    fn a_wrong_value_is_named_by_its_field() {
        let error = parse::<Params>(r#"{"size": "big"}"#).unwrap_err();
        assert_eq!(error.field, "size");
        let error = parse::<Params>(r#"{"sizee": 3}"#).unwrap_err();
        assert!(error.to_string().contains("sizee"), "{error}");
    }
}
