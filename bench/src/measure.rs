//! Interleaved timing: one round runs each side once, in turn, so that a noisy machine is noisy for both.

use anyhow::Result;
use serde::Serialize;

/// Seconds of each side, round by round.
#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
}

/// Work below this many seconds is done twice a turn, and timed the second time: at first the other side's threads still spin
/// on a core, and its data is in the caches.
const SHORT: f64 = 0.2;

/// Runs both sides `rounds` times in turn. Each returns its own seconds, and has run before: when its answer was checked.
pub(crate) fn interleave(
    rounds: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut theirs: impl FnMut() -> Result<f64>,
) -> Result<Pair> {
    let mut pair = Pair { ours: Vec::new(), theirs: Vec::new() };
    for _ in 0..rounds {
        pair.ours.push(settled(&mut ours)?);
        pair.theirs.push(settled(&mut theirs)?);
    }
    Ok(pair)
}

/// The seconds of one turn.
fn settled(work: &mut impl FnMut() -> Result<f64>) -> Result<f64> {
    let seconds = work()?;
    if seconds < SHORT { work() } else { Ok(seconds) }
}

impl Pair {
    /// theirs / ours of each round: above 1, ours is faster.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| theirs / ours).collect()
    }
}

/// The median; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
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

/// Smallest and largest.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-12);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn ranks_are_compared_not_values() {
        assert!((spearman(&[1.0, 2.0, 30.0], &[1.0, 2.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!((spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [1.5, 0.0, 1.5]);
        assert_eq!(shared(&[3.0, 2.0, 1.0], &[3.0, 0.0, 1.0], 2), 1);
    }

    #[test]
    fn a_ratio_above_one_says_that_ours_is_faster() {
        let pair = Pair { ours: vec![1.0, 2.0], theirs: vec![3.0, 3.0] };
        assert_eq!(pair.ratios(), [3.0, 1.5]);
    }
}
