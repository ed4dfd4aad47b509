//! Lengths that a caller gives as a fraction of the picture or in pixels.

use crate::{Error, Result};

/// `length` in whole pixels: below 1 it is a fraction of the `short` side, from 1 on it is pixels already.
///
/// # Errors
/// `INVALID_ARGUMENT` naming `field` if the length is not a positive number, or longer than the short side.
pub fn pixels(length: f64, short: usize, field: &str) -> Result<usize> {
    if !length.is_finite() || length <= 0.0 {
        return Err(Error::invalid_argument(
            field,
            format!(
                "{field} is {length}: give a positive length, below 1 as a fraction of the picture's short side, from 1 on in pixels"
            ),
        ));
    }
    let pixels = if length < 1.0 { (length * short as f64).round() } else { length.round() };
    let pixels = (pixels as usize).max(1);
    if pixels > short {
        return Err(Error::invalid_argument(
            field,
            format!("{field} is {pixels} pixels, the picture's short side only {short}: give at most that"),
        ));
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_one_is_a_fraction_and_from_one_on_pixels() {
        assert_eq!(pixels(0.2, 224, "size").unwrap(), 45);
        assert_eq!(pixels(0.1, 224, "size").unwrap(), 22);
        assert_eq!(pixels(1.0, 224, "size").unwrap(), 1);
        assert_eq!(pixels(16.0, 224, "size").unwrap(), 16);
        assert_eq!(pixels(0.001, 8, "size").unwrap(), 1, "never nothing");
    }

    #[test]
    fn a_length_that_makes_no_sense_is_refused_by_name() {
        for length in [0.0, -1.0, f64::NAN, f64::INFINITY, 225.0] {
            let error = pixels(length, 224, "size").unwrap_err();
            assert_eq!(error.field, "size", "{length}");
        }
    }
}
