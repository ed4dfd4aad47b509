//! Laws through measured points by least squares: t = a·n^b and t = a + b·n, each with its R². Knows nothing of what n counts.

use serde::{Deserialize, Serialize};

/// What a quantity follows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Law {
    /// a·n^b
    Power { a: f64, b: f64 },
    /// a + b·n
    Affine { a: f64, b: f64 },
}

/// A law, and how much of what was measured it explains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fit {
    pub(crate) law: Law,
    /// 1: every point lies on it. Of the logarithms for a power law; of an affine one with the weights of its fit.
    pub(crate) r2: f64,
}

impl Law {
    pub(crate) fn at(&self, n: f64) -> f64 {
        match *self {
            Self::Power { a, b } => a * n.powf(b),
            Self::Affine { a, b } => a + b * n,
        }
    }

    /// a and b.
    pub(crate) fn coefficients(&self) -> (f64, f64) {
        match *self {
            Self::Power { a, b } | Self::Affine { a, b } => (a, b),
        }
    }
}

/// t = a·n^b, a straight line in log n and log t. All of `points`, (n, t), are above 0, and at least two n differ.
pub(crate) fn power(points: &[(f64, f64)]) -> Fit {
    let logarithms: Vec<[f64; 3]> = points.iter().map(|(n, t)| [n.ln(), t.ln(), 1.0]).collect();
    let (a, b, r2) = straight(&logarithms);
    Fit { law: Law::Power { a: a.exp(), b }, r2 }
}

/// t = a + b·n. Each point counts by its relative error (weights 1/t²): else those of the largest n would decide alone.
pub(crate) fn affine(points: &[(f64, f64)]) -> Fit {
    let weighted: Vec<[f64; 3]> = points.iter().map(|&(n, t)| [n, t, t.powi(-2)]).collect();
    let (a, b, r2) = straight(&weighted);
    Fit { law: Law::Affine { a, b }, r2 }
}

/// Intercept, slope and R² of the line through points (x, y, weight).
fn straight(points: &[[f64; 3]]) -> (f64, f64, f64) {
    let mean = |value: &dyn Fn(&[f64; 3]) -> f64| {
        points.iter().map(|point| point[2] * value(point)).sum::<f64>() / points.iter().map(|p| p[2]).sum::<f64>()
    };
    let (x, y) = (mean(&|p| p[0]), mean(&|p| p[1]));
    let slope = mean(&|p| (p[0] - x) * (p[1] - y)) / mean(&|p| (p[0] - x).powi(2));
    let intercept = y - slope * x;
    let (left, all) = (mean(&|p| (p[1] - intercept - slope * p[0]).powi(2)), mean(&|p| (p[1] - y).powi(2)));
    // What does not vary is explained by any line through it.
    let r2 = if all > 1e-24 * y.powi(2) { 1.0 - left / all } else { 1.0 };
    (intercept, slope, r2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(law: Law) -> Vec<(f64, f64)> {
        [1.0, 10.0, 64.0, 500.0, 1e5].map(|n| (n, law.at(n))).to_vec()
    }

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{found}, not {wanted}");
    }

    #[test]
    fn exact_powers_are_found_as_they_are() {
        let Fit { law: Law::Power { a, b }, r2 } = power(&of(Law::Power { a: 0.003, b: 1.25 })) else { panic!() };
        close(a, 0.003);
        close(b, 1.25);
        close(r2, 1.0);
    }

    #[test]
    fn exact_lines_are_found_as_they_are_over_five_decades() {
        let Fit { law: Law::Affine { a, b }, r2 } = affine(&of(Law::Affine { a: 0.2, b: 0.004 })) else { panic!() };
        close(a, 0.2);
        close(b, 0.004);
        close(r2, 1.0);
    }

    #[test]
    fn what_never_changes_is_a_law_of_exponent_zero() {
        let flat = [(1.0, 7.0), (10.0, 7.0), (100.0, 7.0)];
        assert_eq!(affine(&flat), Fit { law: Law::Affine { a: 7.0, b: 0.0 }, r2: 1.0 });
        let Fit { law: Law::Power { a, b }, r2 } = power(&flat) else { panic!() };
        close(a, 7.0);
        close(b, 0.0);
        close(r2, 1.0);
    }

    #[test]
    fn what_a_line_leaves_over_lowers_r2() {
        // x̄ = 2, ȳ = 5/3; Σ(x−x̄)² = 2, Σ(x−x̄)(y−ȳ) = 1, Σ(y−ȳ)² = ⅔.
        let (a, b, r2) = straight(&[[1.0, 1.0, 1.0], [2.0, 2.0, 1.0], [3.0, 2.0, 1.0]]);
        close(a, 2.0 / 3.0);
        close(b, 0.5);
        close(r2, 0.75);
        let (a, b, r2) = straight(&[[1.0, 1.0, 1.0], [2.0, 2.0, 0.25], [3.0, 2.0, 0.25]]);
        // With weights: x̄ = 1.5, ȳ = 4/3; Σw(x−x̄)² = 0.875, Σw(x−x̄)(y−ȳ) = 0.5, Σw(y−ȳ)² = ⅓.
        close(b, 0.5 / 0.875);
        close(a, 4.0 / 3.0 - 1.5 * b);
        close(r2, 0.5 * 0.5 / 0.875 * 3.0);
    }
}
