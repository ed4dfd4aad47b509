//! P: how much each pair belongs together, by Gaussians whose widths give every point the same perplexity; sparse.

use rayon::prelude::*;

use super::{Neighbours, Points, neighbours};

/// Symmetric and adding up to 1; row i holds the pairs of point i.
#[derive(Clone, Debug)]
pub struct Affinities {
    /// Where each row begins; one more at the end.
    pub(super) start: Vec<usize>,
    pub(super) column: Vec<u32>,
    pub(super) value: Vec<f32>,
}

/// Neighbours that count, per perplexity.
const REACH: f64 = 3.0;

/// The largest perplexity for so many points: three times as many neighbours are looked at.
#[must_use]
pub fn largest_perplexity(points: usize) -> f64 {
    points.saturating_sub(1) as f64 / REACH
}

impl Affinities {
    /// Of points in the space of features, from 3 × `perplexity` exact neighbours.
    #[must_use]
    pub fn new(points: &Points, perplexity: f64) -> Self {
        let near = neighbours(points, (REACH * perplexity).floor().max(1.0) as usize);
        Self::of(&near, perplexity)
    }

    fn of(near: &Neighbours, perplexity: f64) -> Self {
        let each = near.each.max(1);
        let conditional: Vec<f32> =
            near.distance.par_chunks(each).flat_map_iter(|row| calibrated(row, perplexity)).collect();
        let count = near.index.len() / each;
        let mut rows: Vec<Vec<(u32, f32)>> = vec![Vec::with_capacity(2 * each); count];
        let scale = 1.0 / (2.0 * count as f64);
        for (at, (&other, p)) in near.index.iter().zip(conditional).enumerate() {
            let (point, p) = (at / each, (f64::from(p) * scale) as f32);
            rows[point].push((other, p));
            rows[other as usize].push((point as u32, p));
        }
        let mut all = Self { start: vec![0], column: Vec::new(), value: Vec::new() };
        for row in &mut rows {
            row.sort_unstable_by_key(|(column, _)| *column);
            for &(column, value) in row.iter() {
                let begun = all.start[all.start.len() - 1];
                if all.column.len() > begun && all.column.last() == Some(&column) {
                    *all.value.last_mut().expect("a column has a value") += value;
                } else {
                    all.column.push(column);
                    all.value.push(value);
                }
            }
            all.start.push(all.column.len());
        }
        all
    }

    /// Points that belong together.
    #[must_use]
    pub fn count(&self) -> usize {
        self.start.len() - 1
    }

    pub(super) fn row(&self, point: usize) -> (&[u32], &[f32]) {
        let range = self.start[point]..self.start[point + 1];
        (&self.column[range.clone()], &self.value[range])
    }
}

/// exp(−β d²), normalised, with β such that the entropy is that of `perplexity` equal neighbours.
fn calibrated(distances: &[f32], perplexity: f64) -> Vec<f32> {
    let nearest = distances.iter().copied().fold(f32::INFINITY, f32::min);
    let wanted = perplexity.ln();
    let weights = |beta: f64| -> (Vec<f64>, f64) {
        let p: Vec<f64> = distances.iter().map(|d| (-beta * f64::from(d - nearest)).exp()).collect();
        let sum: f64 = p.iter().sum();
        let mean: f64 = p.iter().zip(distances).map(|(p, d)| p * f64::from(d - nearest)).sum::<f64>() / sum;
        (p.iter().map(|p| p / sum).collect(), sum.ln() + beta * mean)
    };
    let spread = distances.iter().map(|d| f64::from(d - nearest)).sum::<f64>() / distances.len().max(1) as f64;
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut beta = 1.0 / spread.max(f64::MIN_POSITIVE.sqrt());
    let mut found = weights(beta);
    for _ in 0..100 {
        let error = found.1 - wanted;
        if error.abs() < 1e-6 {
            break;
        }
        if error > 0.0 {
            low = beta;
            beta = if high.is_finite() { f64::midpoint(low, high) } else { beta * 2.0 };
        } else {
            high = beta;
            beta = f64::midpoint(low, high);
        }
        found = weights(beta);
    }
    found.0.into_iter().map(|p| p as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::rng::Rng;

    #[test]
    fn every_point_has_the_perplexity_that_was_asked_for() {
        let mut rng = Rng::new(1, 0);
        let distances: Vec<f32> = (0..30).map(|_| 1e4 + 10.0 * rng.uniform_f32()).collect();
        let p = calibrated(&distances, 10.0);
        let entropy: f64 = p.iter().map(|p| f64::from(*p)).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - 10.0).abs() < 1e-3, "{}", entropy.exp());
        assert!(calibrated(&[2.0; 6], 2.0).iter().all(|p| (p - 1.0 / 6.0).abs() < 1e-6), "equal ones stay equal");
    }

    #[test]
    fn they_are_symmetric_and_add_up_to_one() {
        let mut rng = Rng::new(2, 0);
        let points = Points::new((0..60 * 3).map(|_| rng.normal_f32()).collect(), 3);
        let p = Affinities::new(&points, 5.0);
        let at = |i: usize, j: u32| {
            let (columns, values) = p.row(i);
            columns.iter().position(|&c| c == j).map_or(0.0, |at| values[at])
        };
        for i in 0..60 {
            for &j in p.row(i).0 {
                assert!((at(i, j) - at(j as usize, i as u32)).abs() < 1e-9);
            }
        }
        assert!((p.value.iter().map(|v| f64::from(*v)).sum::<f64>() - 1.0).abs() < 1e-5);
        assert_eq!(largest_perplexity(91), 30.0);
    }
}
