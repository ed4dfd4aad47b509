//! The expected numbers of `golden/expected`, and the criteria that an answer is held to (see `golden/README.md`).

use crate::weights::golden;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// `index.json`.
#[derive(Deserialize)]
pub struct Index {
    /// Of a gradient, every so many cells are kept.
    pub every: usize,
    /// Of an occlusion map, every so many rows and columns are kept.
    pub map_every: usize,
    pub cases: BTreeMap<String, Case>,
}

/// One network on one picture.
#[derive(Deserialize)]
pub struct Case {
    /// The class that is explained.
    pub target: usize,
    /// By the name of the rule: `gradient`, `guided-backprop`, `deconvnet`.
    pub gradients: BTreeMap<String, Scale>,
}

/// Of a whole gradient, all of its cells.
#[derive(Clone, Copy, Deserialize)]
pub struct Scale {
    pub l2: f64,
    pub largest: f64,
}

/// What is expected.
///
/// # Panics
/// If the golden files are not what they should be.
#[must_use]
pub fn index() -> Index {
    let text = fs::read_to_string(golden().join("expected/index.json")).expect("the index is in the repository");
    serde_json::from_str(&text).expect("make.py writes what is read here")
}

/// The float32 values of `expected/<case>.<what>.npy`.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn array(case: &str, what: &str) -> Vec<f32> {
    array_in(&golden(), case, what)
}

/// As [`array`], in the folder `expected` of another one than the golden numbers'.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn array_in(folder: &Path, case: &str, what: &str) -> Vec<f32> {
    let path = folder.join(format!("expected/{case}.{what}.npy"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, values) = whyglass_imaging::read_npy(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    values
}

/// The largest difference between `actual` and `expected`.
///
/// # Panics
/// If they differ in length, or any difference is not a number.
#[must_use]
pub fn largest_difference(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len(), "numbers of values");
    let differences = actual.iter().zip(expected).map(|(a, e)| (f64::from(*a) - f64::from(*e)).abs());
    differences.fold(0.0, |worst, difference| {
        assert!(difference.is_finite(), "a value is not finite");
        worst.max(difference)
    })
}

/// For maps: within 1e-4 of the largest expected value.
///
/// # Panics
/// If they are not.
pub fn assert_map(name: &str, actual: &[f32], expected: &[f32]) {
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(f64::from(value.abs())));
    let relative = largest_difference(actual, expected) / largest;
    println!("{name}: off by {relative:.1e} of the largest value");
    assert!(relative <= 1e-4, "{name}: off by {relative:.1e} of the largest value");
}

/// For gradients: L2-relative error at most 1e-2, at least 99 % of the cells within 1e-3 of the largest, on the cells that
/// are kept; and the norm of the whole within 1e-2, so that nothing hides between them.
///
/// # Panics
/// If it is not so.
pub fn assert_gradient(name: &str, whole: &[f32], every: usize, expected: &[f32], scale: Scale) {
    assert_gradient_within(name, whole, every, expected, scale, 0.01);
}

/// As [`assert_gradient`], with another share of the cells that may lie outside of 1e-3: for what float32 itself cannot keep.
///
/// # Panics
/// If it is not so.
pub fn assert_gradient_within(
    name: &str,
    whole: &[f32],
    every: usize,
    expected: &[f32],
    scale: Scale,
    may_be_outside: f64,
) {
    let kept: Vec<f32> = whole.iter().step_by(every).copied().collect();
    let worst = largest_difference(&kept, expected);
    let differences: Vec<f64> = kept.iter().zip(expected).map(|(a, e)| f64::from(*a) - f64::from(*e)).collect();
    let relative = norm(differences.iter().copied()) / norm(expected.iter().map(|value| f64::from(*value)));
    let outside = differences.iter().filter(|difference| difference.abs() > 1e-3 * scale.largest).count();
    let outside = outside as f64 / differences.len() as f64;
    let drift = (norm(whole.iter().map(|value| f64::from(*value))) / scale.l2 - 1.0).abs();
    let report = format!(
        "{name}: L2-relative error {relative:.1e}, {:.3} % of the cells outside 1e-3, worst {:.1e} of the largest, norm off by {drift:.1e}",
        100.0 * outside,
        worst / scale.largest
    );
    println!("{report}");
    assert!(relative <= 1e-2 && outside <= may_be_outside && drift <= 1e-2, "{report}");
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale { l2: 10.0, largest: 1.0 };

    fn gradient() -> Vec<f32> {
        vec![1.0; 100]
    }

    #[test]
    fn a_gradient_that_is_right_passes() {
        assert_gradient("right", &gradient(), 1, &gradient(), SCALE);
    }

    #[test]
    #[should_panic(expected = "2.000 % of the cells")]
    fn two_cells_in_a_hundred_that_are_off_are_too_many() {
        let mut actual = gradient();
        actual[3] += 0.002;
        actual[4] += 0.002;
        assert_gradient("wrong", &actual, 1, &gradient(), SCALE);
    }

    #[test]
    #[should_panic(expected = "norm off by")]
    fn what_is_wrong_between_the_cells_that_are_kept_shows_in_the_norm() {
        let mut actual = gradient();
        actual[1] = 3.0;
        assert_gradient("wrong", &actual, 2, &gradient()[..50], SCALE);
    }

    #[test]
    #[should_panic(expected = "off by")]
    fn a_map_that_is_off_by_two_ten_thousandths_fails() {
        assert_map("wrong", &[1.0, 0.5002], &[1.0, 0.5]);
    }
}
