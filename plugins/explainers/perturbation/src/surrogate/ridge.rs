//! Weighted ridge regression with an intercept that is not penalised, and HC3 standard errors over pairs.
//!
//! β = (XᵀΠX + αI₀)⁻¹ XᵀΠy, where X has a column of ones and I₀ spares it. The errors leave out each pair in turn (HC3 for
//! clusters): with H the hat matrix, a pair's residuals e become (I − H_pair)⁻¹e, and V = A⁻¹ (Σ over pairs of ssᵀ) A⁻¹
//! with s = X_pairᵀ (I − H_pair)⁻¹e. MacKinnon & White, *Some heteroskedasticity-consistent covariance matrix estimators*, 1985.

use super::{Fit, Samples};
use crate::masks::pairs;
use nalgebra::{DMatrix, DVector};

/// Fits the segments `columns`; the others get a weight of 0. `None` where the samples do not determine the weights.
pub(super) fn fit(samples: &Samples<'_>, columns: &[usize], alpha: f64) -> Option<Fit> {
    let count = samples.scores.len();
    // A column per sample, each scaled by the root of its weight; the first row is the intercept's.
    let mut design = DMatrix::zeros(columns.len() + 1, count);
    let mut target = DVector::zeros(count);
    for (index, row) in samples.masks.rows(count).enumerate() {
        let scale = samples.proximity[index].sqrt();
        let mut column = design.column_mut(index);
        column[0] = scale;
        for (place, segment) in columns.iter().enumerate() {
            column[place + 1] = if row[*segment] { scale } else { 0.0 };
        }
        target[index] = scale * samples.scores[index];
    }
    let mut normal = &design * design.transpose();
    for place in 1..=columns.len() {
        normal[(place, place)] += alpha;
    }
    let inverse = normal.cholesky()?.inverse();
    let weights = &inverse * (&design * &target);
    let residuals = &target - design.tr_mul(&weights);
    let errors = errors(&design, &inverse, &residuals);

    let mut fit = Fit {
        intercept: weights[0],
        weights: vec![0.0; samples.masks.segments()],
        errors: Some(vec![0.0; samples.masks.segments()]),
    };
    for (place, segment) in columns.iter().enumerate() {
        fit.weights[*segment] = weights[place + 1];
        if let Some(all) = &mut fit.errors {
            all[*segment] = errors[place + 1];
        }
    }
    fit.weights.iter().all(|weight| weight.is_finite()).then_some(fit)
}

fn errors(design: &DMatrix<f64>, inverse: &DMatrix<f64>, residuals: &DVector<f64>) -> Vec<f64> {
    let influence = inverse * design;
    let mut variance = vec![0.0; design.nrows()];
    for pair in pairs(design.ncols()) {
        let hat = |i: usize, j: usize| influence.column(i).dot(&design.column(j));
        // (I − H)⁻¹e of one or two rows. A row that alone determines a weight has no residual to speak of.
        let left_out: Vec<f64> = match (pair.len(), pair.start) {
            (1, i) => vec![residuals[i] / (1.0 - hat(i, i))],
            (_, i) => {
                let (a, b, d) = (1.0 - hat(i, i), -hat(i, i + 1), 1.0 - hat(i + 1, i + 1));
                let determinant = a * d - b * b;
                let (e, f) = (residuals[i], residuals[i + 1]);
                vec![(d * e - b * f) / determinant, (a * f - b * e) / determinant]
            }
        };
        for (place, variance) in variance.iter_mut().enumerate() {
            let moved: f64 = pair.clone().zip(&left_out).map(|(row, e)| influence[(place, row)] * e).sum();
            *variance += moved * moved;
        }
    }
    variance.into_iter().map(f64::sqrt).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::Made;
    use super::*;
    use crate::masks::Masks;
    use std::path::Path;

    const WEIGHTS: [f64; 8] = [2.0, 0.0, -1.0, 0.5, 0.25, 0.0, 1.0, -0.5];

    fn ridge(made: &Made, alpha: f64) -> Fit {
        fit(&made.samples(), &[0, 1, 2, 3, 4, 5, 6, 7], alpha).unwrap()
    }

    #[test]
    fn a_linear_score_is_found_exactly() {
        let found = ridge(&Made::new(&WEIGHTS, 41, 0.0, 2), 0.0);
        assert!((found.intercept - 1.0).abs() < 1e-9);
        assert!(found.weights.iter().zip(WEIGHTS).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        assert!(found.errors.unwrap().iter().all(|error| *error < 1e-9));
    }

    #[test]
    fn the_penalty_shrinks_weights_but_not_the_intercept() {
        let made = Made::new(&WEIGHTS, 41, 0.0, 2);
        let found = ridge(&made, 1e9);
        assert!(found.weights.iter().all(|weight| weight.abs() < 1e-6));
        let total: f64 = made.proximity.iter().sum();
        let mean = made.scores.iter().zip(&made.proximity).map(|(y, p)| y * p).sum::<f64>() / total;
        assert!((found.intercept - mean).abs() < 1e-6);
    }

    #[test]
    fn too_few_samples_are_no_fit() {
        let made = Made::new(&WEIGHTS, 5, 0.0, 2);
        assert!(
            fit(&made.samples(), &[0, 1, 2, 3, 4, 5, 6, 7], 0.0)
                .is_none_or(|fit| { fit.errors.unwrap().iter().any(|error| !error.is_finite() || *error > 1e3) })
        );
    }

    #[test]
    fn errors_are_those_of_leaving_out_each_pair() {
        // The jackknife, done the long way: fit again without each pair, and add up how far the weights move.
        let made = Made::new(&WEIGHTS, 61, 0.3, 7);
        let whole = ridge(&made, 0.0);
        let mut variance = [0.0; 8];
        for pair in pairs(61) {
            let keep = |index: &usize| !pair.contains(index);
            let rows: Vec<usize> = (0..61).filter(keep).collect();
            let shown = rows.iter().flat_map(|row| made.masks.row(*row).to_vec()).collect();
            let part = Made {
                masks: Masks::from_rows(8, shown),
                scores: rows.iter().map(|row| made.scores[*row]).collect(),
                proximity: rows.iter().map(|row| made.proximity[*row]).collect(),
            };
            let without = ridge(&part, 0.0);
            for (segment, sum) in variance.iter_mut().enumerate() {
                *sum += (without.weights[segment] - whole.weights[segment]).powi(2);
            }
        }
        let errors = whole.errors.unwrap();
        assert!(errors.iter().zip(variance).all(|(error, v)| (error - v.sqrt()).abs() < 1e-9), "{errors:?}");
    }

    #[test]
    fn errors_are_as_large_as_weights_scatter() {
        let fits: Vec<Fit> = (0..200).map(|seed| ridge(&Made::new(&WEIGHTS, 81, 0.5, seed), 1.0)).collect();
        for segment in 0..8 {
            let mean = fits.iter().map(|fit| fit.weights[segment]).sum::<f64>() / 200.0;
            let scatter = fits.iter().map(|fit| (fit.weights[segment] - mean).powi(2)).sum::<f64>() / 200.0;
            let claimed = fits.iter().map(|fit| fit.errors.as_ref().unwrap()[segment].powi(2)).sum::<f64>() / 200.0;
            let ratio = (claimed / scatter).sqrt();
            assert!((0.8..1.4).contains(&ratio), "segment {segment}: claimed {ratio} times what it is");
        }
    }

    /// Masks and scores that the lime package was given, and what it made of them: see tests/golden/surrogate.py.
    #[test]
    fn the_weights_are_those_of_the_lime_package() {
        let array = |name: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden/expected");
            let bytes = std::fs::read(folder.join(format!("lime.{name}.npy"))).unwrap();
            whyglass_imaging::read_npy(&bytes).unwrap()
        };
        let (shape, shown) = array("masks");
        let masks = Masks::from_rows(shape[1], shown.iter().map(|shown| *shown == 1.0).collect());
        let scores: Vec<f64> = array("scores").1.into_iter().map(f64::from).collect();
        let proximity: Vec<f64> = masks.rows(shape[0]).map(|row| Masks::proximity(row, 0.25)).collect();
        let samples = Samples { masks: &masks, scores: &scores, proximity: &proximity };
        for (name, features) in [("weights", 0), ("weights-of-10", 10)] {
            let found = super::super::fit(super::super::Surrogate::Ridge, &samples, 1.0, features, 0).unwrap();
            let expected = array(name).1;
            assert_eq!(found.weights.len(), expected.len());
            let worst = found.weights.iter().zip(&expected).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
            println!("{name}: off by {worst:.1e}");
            assert!(worst < 1e-6, "{name}: off by {worst:.1e}");
            assert!(expected.iter().any(|weight| weight.abs() > 1e-2), "there is something to be off by");
        }
    }
}
