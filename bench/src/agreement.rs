//! How far the answers of two sides lie apart, and how alike they are.

use anyhow::{Result, ensure};

/// The largest difference, relative to the largest of `wanted`.
pub(crate) fn difference(found: &[f32], wanted: &[f32]) -> Result<f64> {
    ensure!(found.len() == wanted.len(), "{} values beside {}", found.len(), wanted.len());
    let largest = wanted.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let apart = found.iter().zip(wanted).fold(0.0f32, |apart, (found, wanted)| apart.max((found - wanted).abs()));
    Ok(f64::from(apart) / f64::from(largest))
}

/// The length of the difference, relative to that of `wanted`.
pub(crate) fn relative(found: &[f32], wanted: &[f32]) -> Result<f64> {
    ensure!(found.len() == wanted.len(), "{} values beside {}", found.len(), wanted.len());
    let square = |value: f32| f64::from(value) * f64::from(value);
    let apart: f64 = found.iter().zip(wanted).map(|(found, wanted)| square(found - wanted)).sum();
    let length: f64 = wanted.iter().map(|value| square(*value)).sum();
    Ok((apart / length).sqrt())
}

/// The correlation of the ranks of two lists of the same length; equal values share their ranks.
pub(crate) fn spearman(one: &[f32], other: &[f32]) -> f64 {
    pearson(&ranks(one), &ranks(other))
}

/// The correlation of two lists of the same length.
pub(crate) fn pearson(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (a, b) = (mean(one), mean(other));
    let product = |f: &dyn Fn(f64, f64) -> f64| one.iter().zip(other).map(|(x, y)| f(x - a, y - b)).sum::<f64>();
    product(&|x, y| x * y) / (product(&|x, _| x * x) * product(&|_, y| y * y)).sqrt()
}

fn ranks(values: &[f32]) -> Vec<f64> {
    let below = |value: f32| values.iter().filter(|other| **other < value).count();
    let equal = |value: f32| values.iter().filter(|other| **other == value).count();
    values.iter().map(|&value| below(value) as f64 + (equal(value) - 1) as f64 / 2.0).collect()
}

/// How many of the `count` largest of one list are among those of the other.
pub(crate) fn shared(one: &[f32], other: &[f32], count: usize) -> usize {
    let largest = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        order.truncate(count);
        order
    };
    let others = largest(other);
    largest(one).iter().filter(|index| others.contains(index)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_compared_not_values() {
        assert!((spearman(&[1.0, 2.0, 30.0], &[1.0, 2.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!((spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [1.5, 0.0, 1.5]);
        assert_eq!(shared(&[3.0, 2.0, 1.0], &[3.0, 0.0, 1.0], 2), 1);
    }

    #[test]
    fn distances_are_relative_to_what_is_wanted() {
        assert!((difference(&[1.0, 3.0], &[1.0, 4.0]).unwrap() - 0.25).abs() < 1e-12);
        assert!((relative(&[3.0, 5.0], &[3.0, 4.0]).unwrap() - 0.2).abs() < 1e-12);
        assert!(relative(&[1.0], &[1.0, 2.0]).is_err());
    }
}
