//! A regression tree by squared error, grown to leaves of a few samples; a segment's weight is its share in what all splits
//! explain, without a sign.

use super::{Fit, Samples};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_regressor::{DecisionTreeRegressor, DecisionTreeRegressorParameters};

/// The fewest samples of a leaf: less is noise.
const LEAF: usize = 5;

/// Fits the segments `columns`. `None` while there are too few samples for one split.
pub(super) fn fit(samples: &Samples<'_>, columns: &[usize], seed: u64) -> Option<Fit> {
    let count = samples.scores.len();
    if count < 2 * LEAF {
        return None;
    }
    let shown =
        samples.masks.rows(count).flat_map(|row| columns.iter().map(|segment| f64::from(u8::from(row[*segment]))));
    let design = DenseMatrix::new(count, columns.len(), shown.collect(), false).ok()?;
    let mut parameters = DecisionTreeRegressorParameters::default().with_min_samples_leaf(LEAF);
    parameters.seed = Some(seed);
    let scores = samples.scores.to_vec();
    let tree =
        DecisionTreeRegressor::fit_with_weights(&design, &scores, &samples.proximity[..count], parameters).ok()?;
    let mut weights = vec![0.0; samples.masks.segments()];
    for (segment, importance) in columns.iter().zip(tree.compute_feature_importances(true).ok()?) {
        weights[*segment] = if importance.is_finite() { importance } else { 0.0 };
    }
    let total: f64 = samples.proximity[..count].iter().sum();
    let intercept = scores.iter().zip(samples.proximity).map(|(y, p)| y * p).sum::<f64>() / total;
    Some(Fit { intercept, weights, errors: None })
}

#[cfg(test)]
mod tests {
    use super::super::tests::Made;
    use super::*;

    #[test]
    fn what_the_score_hangs_on_is_important_whichever_way() {
        let made = Made::new(&[0.0, -3.0, 0.0, 1.0, 0.0], 401, 0.01, 3);
        let fit = fit(&made.samples(), &[0, 1, 2, 3, 4], 0).unwrap();
        assert!(fit.weights[1] > 0.8 && fit.weights[3] > 0.05, "{fit:?}");
        assert!([0, 2, 4].iter().all(|segment| fit.weights[*segment] < 0.01), "{fit:?}");
        assert!((fit.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9 && fit.errors.is_none());
    }

    #[test]
    fn a_constant_score_hangs_on_nothing() {
        let made = Made::new(&[0.0; 3], 100, 0.0, 3);
        assert_eq!(fit(&made.samples(), &[0, 1, 2], 0).unwrap().weights, [0.0; 3]);
        assert!(fit(&Made::new(&[1.0; 3], 9, 0.0, 3).samples(), &[0, 1, 2], 0).is_none());
    }
}
