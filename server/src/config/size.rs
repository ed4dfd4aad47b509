//! Sizes in memory as people write them: `512KiB`, `256MiB`, `1GiB`.

use serde::{Deserialize as _, Deserializer, de};

/// A whole number with a unit, or 0.
///
/// # Errors
/// A sentence that says how a size is written.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: Option<usize> = number.parse().ok();
    let bytes = match unit {
        "" => number.filter(|number| *number == 0),
        "KiB" => number.and_then(|number| number.checked_mul(1 << 10)),
        "MiB" => number.and_then(|number| number.checked_mul(1 << 20)),
        "GiB" => number.and_then(|number| number.checked_mul(1 << 30)),
        _ => None,
    };
    bytes.ok_or_else(|| format!("'{text}' is no size; write 512KiB, 256MiB, 1GiB or 0"))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let size = Written::deserialize(deserializer)?;
    let text = match size {
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
    };
    parse_size(&text).map(Some).map_err(de::Error::custom)
}

/// In a file, 0 may be a number.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [("512KiB", 512 << 10), ("256MiB", 256 << 20), ("1GiB", 1 << 30), ("0", 0), ("0MiB", 0)] {
            assert_eq!(parse_size(text), Ok(bytes));
        }
    }

    #[test]
    fn a_file_may_say_nothing_as_a_number() {
        #[derive(serde::Deserialize)]
        struct File {
            #[serde(deserialize_with = "deserialize")]
            cache: Option<usize>,
        }
        let read = |text: &str| toml::from_str::<File>(text).map(|file| file.cache);
        assert_eq!(read("cache = 0"), Ok(Some(0)));
        assert_eq!(read("cache = '1KiB'"), Ok(Some(1024)));
        assert!(read("cache = 5").expect_err("five what?").to_string().contains("256MiB"));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in
            ["", "5", "MiB", "-1MiB", "1.5GiB", "256 MiB", "256MB", "99999999999999999999GiB", "18014398509481984KiB"]
        {
            assert!(parse_size(text).expect_err(text).contains("256MiB"));
        }
    }
}
