//! Durations as people write them: `500ms`, `30s`, `1.5m`, `2h`.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, de};

/// A number with a unit.
///
/// # Errors
/// A sentence that says how a duration is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let seconds = number.parse().map(|number: f64| number * unit).unwrap_or(f64::NAN);
    let wrong = |_| format!("'{text}' is no duration; write 500ms, 30s, 5m or 2h");
    Duration::try_from_secs_f64(seconds).map_err(wrong)
}

/// The shortest that [`parse_duration`] understands, in whole milliseconds.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "0s".to_owned(),
        ms if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        ms if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        ms if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)));
            assert_eq!(format_duration(Duration::from_millis(ms)), text);
        }
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "5", "s", "-1s", "1.2.3s", "5 s", "999999999999999999999h"] {
            assert!(parse_duration(text).expect_err(text).contains("30s"));
        }
    }
}
