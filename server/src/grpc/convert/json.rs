//! `google.protobuf.Struct` and JSON. A Struct knows doubles only: one without a fraction is an integer in JSON, which a
//! schema accepts as a number as well.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::{Map, Number};
use tonic::Status;

use crate::grpc::status::invalid;

/// Doubles are exact integers below this.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A JSON object; `field` is where the Struct was found.
///
/// # Errors
/// INVALID_ARGUMENT naming the field of a number that JSON does not have, or of a value that says nothing.
pub fn to_json(message: Struct, field: &str) -> Result<Map<String, serde_json::Value>, Status> {
    message
        .fields
        .into_iter()
        .map(|(name, value)| {
            let value = value_to_json(value, &format!("{field}.{name}"))?;
            Ok((name, value))
        })
        .collect()
}

fn value_to_json(value: Value, field: &str) -> Result<serde_json::Value, Status> {
    use serde_json::Value as Json;
    Ok(match value.kind {
        None => return Err(invalid(field, "EMPTY_VALUE", "the value says nothing; leave it out or use null_value")),
        Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(flag)) => Json::Bool(flag),
        Some(Kind::StringValue(text)) => Json::String(text),
        Some(Kind::NumberValue(number)) => Json::Number(number_to_json(number, field)?),
        Some(Kind::StructValue(inner)) => Json::Object(to_json(inner, field)?),
        Some(Kind::ListValue(list)) => {
            let values = list.values.into_iter().enumerate();
            Json::Array(
                values.map(|(i, value)| value_to_json(value, &format!("{field}[{i}]"))).collect::<Result<_, _>>()?,
            )
        }
    })
}

fn number_to_json(number: f64, field: &str) -> Result<Number, Status> {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Ok(Number::from(number as i64));
    }
    Number::from_f64(number).ok_or_else(|| invalid(field, "NOT_FINITE", "NaN and infinity are not allowed here"))
}

/// A Struct of a JSON object. Integers beyond 2^53 lose their last digits.
#[must_use]
pub fn from_json(object: &Map<String, serde_json::Value>) -> Struct {
    Struct { fields: object.iter().map(|(name, value)| (name.clone(), value_from_json(value))).collect() }
}

fn value_from_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(*flag),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(value_from_json).collect() }),
        Json::Object(object) => Kind::StructValue(from_json(object)),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_come_back_as_they_were() {
        let object = json!({"a": 3, "b": 0.25, "c": [true, null, "x", {"d": -7}], "e": 1e300});
        let object = object.as_object().expect("an object");
        assert_eq!(&to_json(from_json(object), "params").expect("fine"), object);
    }

    #[test]
    fn a_double_without_a_fraction_is_an_integer_and_one_with_is_not() {
        let value = |number| {
            let fields = [("n".to_owned(), Value { kind: Some(Kind::NumberValue(number)) })];
            to_json(Struct { fields: fields.into() }, "params").map(|object| object["n"].clone())
        };
        assert!(value(45.0).expect("fine").is_u64());
        assert!(value(0.5).expect("fine").is_f64());
        assert!(value(1e18).expect("fine").is_f64());
        assert!(value(f64::NAN).expect_err("refused").message().starts_with("params.n"));
    }

    #[test]
    fn an_empty_value_is_refused_with_its_path() {
        let list = Kind::ListValue(ListValue { values: vec![Value { kind: None }] });
        let fields = [("channels".to_owned(), Value { kind: Some(list) })];
        let refused = to_json(Struct { fields: fields.into() }, "params").expect_err("refused");
        assert!(refused.message().starts_with("params.channels[0]"), "{}", refused.message());
    }
}
