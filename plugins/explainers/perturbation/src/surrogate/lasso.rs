//! Weighted lasso: 1/2n · Σ π̃(y − Xβ)² + α·|β|₁ with proximities scaled to a mean of 1, on scores scaled to a spread of 1,
//! so that `alpha` means the same for logits and probabilities.
//!
//! The solver knows neither weights nor, at this scale, an intercept: rows are centred by their weighted mean and scaled by
//! the root of their weight, which is the same problem. The errors are those of an unpenalised fit to what is left.

use super::{Fit, Samples, ridge};
use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::lasso::{Lasso, LassoParameters};

/// A weight this much smaller than the largest is what the interior-point solver leaves of zero.
const NOTHING: f64 = 1e-4;

/// Fits the segments `columns`. `None` while there are fewer samples than segments.
pub(super) fn fit(samples: &Samples<'_>, columns: &[usize], alpha: f64) -> Option<Fit> {
    let count = samples.scores.len();
    if count <= columns.len() {
        return None;
    }
    let total: f64 = samples.proximity[..count].iter().sum();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        values.zip(samples.proximity).map(|(value, weight)| value * weight).sum::<f64>() / total
    };
    let shown = |segment: usize| samples.masks.rows(count).map(move |row| f64::from(u8::from(row[segment])));
    let means: Vec<f64> = columns.iter().map(|segment| mean(&mut shown(*segment))).collect();
    let score = mean(&mut samples.scores.iter().copied());
    let spread = mean(&mut samples.scores.iter().map(|y| (y - score).powi(2))).sqrt();
    let segments = samples.masks.segments();
    if spread <= f64::EPSILON * score.abs() {
        return Some(Fit { intercept: score, weights: vec![0.0; segments], errors: Some(vec![0.0; segments]) });
    }

    let scale = |row: usize| (samples.proximity[row] * count as f64 / total).sqrt();
    let design = samples.masks.rows(count).enumerate().flat_map(|(index, row)| {
        let columns = columns.iter().zip(&means);
        columns.map(move |(segment, mean)| scale(index) * (f64::from(u8::from(row[*segment])) - mean))
    });
    let design = DenseMatrix::new(count, columns.len(), design.collect(), false).ok()?;
    let target: Vec<f64> =
        samples.scores.iter().enumerate().map(|(index, y)| scale(index) * (y - score) / spread).collect();
    // The solver leaves out the ½ before the squares.
    let parameters = LassoParameters::default()
        .with_alpha(2.0 * alpha)
        .with_normalize(false)
        .with_fit_intercept(false)
        .with_tol(1e-6)
        .with_max_iter(1000);
    let solved = Lasso::fit(&design, &target, parameters).ok()?;
    let found: Vec<f64> = (0..columns.len()).map(|place| *solved.coefficients().get((place, 0)) * spread).collect();
    let largest = found.iter().fold(0.0, |largest: f64, weight| largest.max(weight.abs()));

    let active = |weight: f64| weight.abs() > NOTHING * largest;
    let left: Vec<usize> = columns.iter().zip(&found).filter(|(_, weight)| active(**weight)).map(|(s, _)| *s).collect();
    let mut weights = vec![0.0; segments];
    let mut intercept = score;
    for ((segment, mean), weight) in columns.iter().zip(&means).zip(&found).filter(|(_, weight)| active(**weight)) {
        weights[*segment] = *weight;
        intercept -= mean * weight;
    }
    let errors = ridge::fit(samples, &left, 0.0).and_then(|fit| fit.errors);
    Some(Fit { intercept, weights, errors })
}

#[cfg(test)]
mod tests {
    use super::super::tests::Made;
    use super::*;

    const WEIGHTS: [f64; 8] = [2.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

    fn lasso(alpha: f64, noise: f64) -> (Made, Fit) {
        let made = Made::new(&WEIGHTS, 201, noise, 4);
        let fit = fit(&made.samples(), &[0, 1, 2, 3, 4, 5, 6, 7], alpha).unwrap();
        (made, fit)
    }

    #[test]
    fn what_matters_is_found_and_the_rest_is_exactly_zero() {
        let (_, fit) = lasso(0.05, 0.2);
        for (weight, true_weight) in fit.weights.iter().zip(WEIGHTS) {
            assert_eq!(*weight == 0.0, true_weight == 0.0, "{fit:?}");
            assert!((weight - true_weight).abs() < 0.45, "{fit:?}");
        }
        assert!(fit.errors.unwrap().iter().zip(WEIGHTS).all(|(error, weight)| (*error > 0.0) == (weight != 0.0)));
    }

    #[test]
    fn the_optimum_is_where_the_slope_is_the_penalty() {
        // Of each weight that is not zero, the slope of the squares is alpha (on scores of spread 1), against its sign.
        let (made, fit) = lasso(0.05, 0.2);
        let total: f64 = made.proximity.iter().sum();
        let mean = made.scores.iter().zip(&made.proximity).map(|(y, p)| y * p).sum::<f64>() / total;
        let spread =
            (made.scores.iter().zip(&made.proximity).map(|(y, p)| p * (y - mean).powi(2)).sum::<f64>() / total).sqrt();
        for segment in [0, 2, 6] {
            let slope: f64 = (0..201)
                .map(|index| {
                    let row = made.masks.row(index);
                    let shown = row.iter().zip(&fit.weights).filter(|(shown, _)| **shown);
                    let residual = made.scores[index] - fit.intercept - shown.map(|(_, w)| w).sum::<f64>();
                    made.proximity[index] * residual * f64::from(u8::from(row[segment]))
                })
                .sum();
            let slope = slope / total / spread;
            assert!((slope - 0.05 * fit.weights[segment].signum()).abs() < 1e-3, "segment {segment}: {slope}");
        }
    }

    #[test]
    fn a_large_penalty_leaves_nothing() {
        let (made, _) = lasso(0.05, 0.2);
        let nothing = fit(&made.samples(), &[0, 1, 2, 3, 4, 5, 6, 7], 5.0).unwrap();
        assert!(nothing.weights.iter().all(|weight| weight.abs() < 1e-2), "{nothing:?}");
        assert!(fit(&Made::new(&WEIGHTS, 8, 0.0, 1).samples(), &[0, 1, 2, 3, 4, 5, 6, 7], 0.1).is_none());
    }
}
