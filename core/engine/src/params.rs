//! Parameters against their JSON Schema: unknown names, defaults, types. One source for requests, live changes and what
//! a technique's `resolve` returns.

use jsonschema::Validator;
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};
use crate::suggest;

/// Doubles from here on are no longer exact integers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `given` with the schema's defaults, checked. Fields of errors begin at the parameter's name.
///
/// # Errors
/// UNKNOWN_PARAMETER or INVALID_PARAMETER, each naming the parameter.
pub(crate) fn complete(
    technique: &str,
    schema: &Value,
    validator: &Validator,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for name in given.keys() {
        if !properties.contains_key(name) {
            return Err(unknown(technique, properties, name));
        }
    }
    let mut params = Map::new();
    for (name, property) in properties {
        if let Some(value) = given.get(name).or_else(|| property.get("default")) {
            params.insert(name.clone(), integral(value.clone()));
        }
    }
    let value = Value::Object(params);
    if let Some(error) = validator.iter_errors(&value).next() {
        return Err(Error::invalid(dotted(&error.instance_path().to_string()), "INVALID_PARAMETER", error.to_string()));
    }
    match value {
        Value::Object(params) => Ok(params),
        _ => Err(Error::internal("PARAMS", "parameters are an object")),
    }
}

fn unknown(technique: &str, properties: &Map<String, Value>, name: &str) -> Error {
    let nearest = suggest::nearest(name, properties.keys().map(String::as_str));
    let known = properties.keys().cloned().collect::<Vec<_>>().join(", ");
    let advice = match nearest {
        Some(nearest) => format!("did you mean '{nearest}'?"),
        None if known.is_empty() => "it has none".to_owned(),
        None => format!("it has {known}"),
    };
    Error::invalid(
        name,
        "UNKNOWN_PARAMETER",
        format!("the technique '{technique}' has no parameter '{name}': {advice}"),
    )
}

/// Whether a parameter carries the annotation `key` with the value `wanted`, behind `$ref` or not.
pub(crate) fn is_annotated(schema: &Value, name: &str, key: &str, wanted: &Value) -> bool {
    schema.get("properties").and_then(|all| all.get(name)).and_then(|one| one.get(key)) == Some(wanted)
}

/// Doubles without a fraction as integers: gRPC's Struct has only doubles, and 5.0 is an integer to a schema anyway.
fn integral(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(match number.as_f64() {
            Some(x) if number.is_f64() && x.fract() == 0.0 && x.abs() < EXACT => Number::from(x as i64),
            _ => number,
        }),
        Value::Array(items) => Value::Array(items.into_iter().map(integral).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(k, v)| (k, integral(v))).collect()),
        other => other,
    }
}

/// `/a/0/b` as `a[0].b`.
fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn try_params(given: Value) -> Result<Value> {
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "samples": {"type": "integer", "minimum": 1, "default": 10},
                "size": {"type": "number", "exclusiveMinimum": 0, "default": 0.2},
                "fill": {"enum": ["mean", "blur"], "default": "mean"},
                "channels": {"type": "array", "items": {"type": "integer"}},
            }
        });
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        complete("occlusion", &schema, &validator, given.as_object().unwrap()).map(Value::Object)
    }

    #[test]
    fn defaults_fill_what_is_missing() {
        assert_eq!(try_params(json!({})).unwrap(), json!({"samples": 10, "size": 0.2, "fill": "mean"}));
    }

    #[test]
    fn an_unknown_name_is_named_with_the_nearest_known_one() {
        let error = try_params(json!({"sise": 1})).unwrap_err();
        assert_eq!((error.field.as_str(), error.reason.as_str()), ("sise", "UNKNOWN_PARAMETER"));
        assert!(error.message.contains("did you mean 'size'?"), "{error}");
    }

    #[test]
    fn a_violation_names_its_place() {
        assert_eq!(try_params(json!({"samples": 0})).unwrap_err().field, "samples");
        assert_eq!(try_params(json!({"channels": [1, "x"]})).unwrap_err().field, "channels[1]");
        assert!(try_params(json!({"samples": 2.5})).is_err());
    }

    #[test]
    fn a_double_without_a_fraction_is_an_integer() {
        let params = try_params(json!({"samples": 20.0, "channels": [3.0]})).unwrap();
        assert_eq!(params["samples"].as_u64(), Some(20));
        assert_eq!(params["channels"][0].as_u64(), Some(3));
    }
}
