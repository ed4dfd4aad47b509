//! The simple models that `lime` fits to the scores of masked pictures, and reads its answer off: weights per segment.

mod lasso;
mod ridge;
mod tree;

use crate::masks::Masks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which model is fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Surrogate {
    /// Linear, with an intercept and a penalty of `alpha` on the squares of the weights.
    #[default]
    Ridge,
    /// Linear, with an intercept and a penalty of `alpha` on the sizes of the weights: few of them are not zero.
    Lasso,
    /// A regression tree; its importances have no sign.
    Tree,
}

impl Surrogate {
    /// Whether weights speak for or against.
    pub(crate) fn has_signs(self) -> bool {
        self != Self::Tree
    }

    /// The penalty where the request leaves it open: as the lime package has it (ridge), and as Captum has it (lasso).
    pub(crate) fn usual_alpha(self) -> f64 {
        match self {
            Self::Ridge => 1.0,
            Self::Lasso => 0.01,
            Self::Tree => 0.0,
        }
    }
}

/// Masked samples, and what the model says of them.
#[derive(Clone, Copy)]
pub(crate) struct Samples<'a> {
    pub(crate) masks: &'a Masks,
    /// One per sample; as many as are known.
    pub(crate) scores: &'a [f64],
    /// How much each sample counts.
    pub(crate) proximity: &'a [f64],
}

/// A fitted surrogate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) intercept: f64,
    /// Per segment: 0 where it was left out.
    pub(crate) weights: Vec<f64>,
    /// The standard error of each weight, where the surrogate has any.
    pub(crate) errors: Option<Vec<f64>>,
}

/// The penalty of the ridge that chooses the strongest segments, as the lime package has it.
const CHOOSING: f64 = 0.01;

/// Fits to `samples`, with the `features` strongest segments only (0: all). `None` while there are too few samples.
pub(crate) fn fit(surrogate: Surrogate, samples: &Samples<'_>, alpha: f64, features: usize, seed: u64) -> Option<Fit> {
    let segments = samples.masks.segments();
    let columns: Vec<usize> = if features == 0 || features >= segments {
        (0..segments).collect()
    } else {
        let all: Vec<usize> = (0..segments).collect();
        let weights = ridge::fit(samples, &all, CHOOSING)?.weights;
        let mut order = all;
        order.sort_by(|a, b| weights[*b].abs().total_cmp(&weights[*a].abs()));
        order.truncate(features);
        order.sort_unstable();
        order
    };
    match surrogate {
        Surrogate::Ridge => ridge::fit(samples, &columns, alpha),
        Surrogate::Lasso => lasso::fit(samples, &columns, alpha),
        Surrogate::Tree => tree::fit(samples, &columns, seed),
    }
}

/// The share of the scores' spread that a linear fit explains, by proximity.
pub(crate) fn explained(samples: &Samples<'_>, fit: &Fit) -> f64 {
    let total: f64 = samples.proximity.iter().sum();
    let mean = samples.scores.iter().zip(samples.proximity).map(|(y, p)| y * p).sum::<f64>() / total;
    let (mut left, mut all) = (0.0, 0.0);
    for ((row, score), proximity) in samples.masks.rows(samples.scores.len()).zip(samples.scores).zip(samples.proximity)
    {
        let shown = row.iter().zip(&fit.weights).filter(|(shown, _)| **shown);
        let predicted = fit.intercept + shown.map(|(_, weight)| weight).sum::<f64>();
        left += proximity * (score - predicted).powi(2);
        all += proximity * (score - mean).powi(2);
    }
    if all > 0.0 { 1.0 - left / all } else { 0.0 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use whyglass_sdk::rng::Rng;

    /// Samples of a score that is 1 + Σ of `weights` over what is shown, and noise.
    pub(crate) struct Made {
        pub(crate) masks: Masks,
        pub(crate) scores: Vec<f64>,
        pub(crate) proximity: Vec<f64>,
    }

    impl Made {
        pub(crate) fn new(weights: &[f64], count: usize, noise: f64, seed: u64) -> Self {
            let masks = Masks::draw(weights.len(), count, seed);
            let mut rng = Rng::new(seed, u64::MAX);
            let score = |row: &[bool]| {
                let shown = row.iter().zip(weights).filter(|(shown, _)| **shown);
                1.0 + shown.map(|(_, weight)| weight).sum::<f64>() + noise * rng.normal_f64()
            };
            let scores = masks.rows(count).map(score).collect();
            let proximity = masks.rows(count).map(|row| Masks::proximity(row, 0.25)).collect();
            Self { masks, scores, proximity }
        }

        pub(crate) fn samples(&self) -> Samples<'_> {
            Samples { masks: &self.masks, scores: &self.scores, proximity: &self.proximity }
        }
    }

    #[test]
    fn only_the_strongest_segments_are_kept_where_few_are_asked_for() {
        let made = Made::new(&[0.0, 3.0, 0.1, -2.0, 0.0, 0.2], 200, 0.01, 1);
        let fit = fit(Surrogate::Ridge, &made.samples(), 0.0, 2, 0).unwrap();
        assert!((fit.weights[1] - 3.0).abs() < 0.1 && (fit.weights[3] + 2.0).abs() < 0.1, "{fit:?}");
        assert_eq!([0, 2, 4, 5].map(|segment| fit.weights[segment]), [0.0; 4]);
    }

    #[test]
    fn a_linear_score_is_explained_and_a_constant_one_is_not() {
        let made = Made::new(&[1.0, 2.0, -1.0], 50, 0.0, 1);
        let linear = fit(Surrogate::Ridge, &made.samples(), 0.0, 0, 0).unwrap();
        assert!((explained(&made.samples(), &linear) - 1.0).abs() < 1e-9);
        let flat = Made::new(&[0.0; 3], 50, 0.0, 1);
        let nothing = fit(Surrogate::Ridge, &flat.samples(), 1.0, 0, 0).unwrap();
        assert!(nothing.weights.iter().all(|weight| weight.abs() < 1e-9));
        assert_eq!(explained(&flat.samples(), &nothing), 0.0);
    }
}
