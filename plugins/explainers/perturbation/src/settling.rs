//! When the strongest segments have settled: the stop rule of `lime`.
//!
//! It looks at fixed numbers of samples only, so that the size of a batch has no say, and wants two things at once: that
//! the weights' own errors leave no doubt of the whole ranking, and that the strongest are those of the look before.

use crate::surrogate::Fit;

/// Samples between two looks: the first row and this many pairs, then that many pairs more.
const PAIRS_PER_LOOK: usize = 50;
/// The strongest that are watched.
const STRONGEST: usize = 10;
/// How many of them must be those of the look before.
const SAME: usize = 9;
/// The share of the weights' spread that is not error.
const RELIABLE: f64 = 0.95;

/// What the look before has seen.
#[derive(Default)]
pub(crate) struct Settling {
    before: Option<Vec<usize>>,
}

impl Settling {
    /// The next number of samples after `samples` at which it is looked.
    pub(crate) fn next_look(samples: usize) -> usize {
        1 + 2 * PAIRS_PER_LOOK * (samples.saturating_sub(1) / (2 * PAIRS_PER_LOOK) + 1)
    }

    /// Looks at a fit, which must be of the number of samples of a look; whether the strongest segments have settled.
    pub(crate) fn look(&mut self, fit: &Fit) -> bool {
        let strongest = strongest(&fit.weights);
        let wanted = SAME.min(strongest.len());
        let same = self
            .before
            .as_ref()
            .is_some_and(|before| strongest.iter().filter(|segment| before.contains(segment)).count() >= wanted);
        self.before = Some(strongest);
        same && reliability(fit).is_some_and(|share| share >= RELIABLE)
    }
}

/// 1 − mean squared error / variance of the weights: the squared correlation with the weights of endless samples that the
/// errors let expect. `None` where there are no errors.
pub(crate) fn reliability(fit: &Fit) -> Option<f64> {
    let errors = fit.errors.as_ref()?;
    let count = fit.weights.len() as f64;
    let mean = fit.weights.iter().sum::<f64>() / count;
    let spread = fit.weights.iter().map(|weight| (weight - mean).powi(2)).sum::<f64>() / count;
    let doubt = errors.iter().map(|error| error * error).sum::<f64>() / count;
    (spread > 0.0 && doubt.is_finite()).then(|| 1.0 - doubt / spread)
}

/// The segments of the largest weights, at most [`STRONGEST`].
fn strongest(weights: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    order.truncate(STRONGEST);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(weights: &[f64], error: f64) -> Fit {
        Fit { intercept: 0.0, weights: weights.to_vec(), errors: Some(vec![error; weights.len()]) }
    }

    #[test]
    fn looks_are_at_fixed_numbers_of_samples() {
        assert_eq!([0, 1, 100, 101, 102, 201].map(Settling::next_look), [101, 101, 101, 201, 201, 301]);
    }

    #[test]
    fn it_takes_two_looks_that_agree_and_small_errors() {
        let weights: Vec<f64> = (0..40).map(f64::from).collect();
        let mut settling = Settling::default();
        assert!(!settling.look(&fit(&weights, 0.1)), "one look is none");
        assert!(!settling.look(&fit(&weights, 6.0)), "too much doubt");
        assert!(settling.look(&fit(&weights, 0.1)));
        let mut others = weights.clone();
        others.reverse();
        assert!(!settling.look(&fit(&others, 0.1)), "others are the strongest now");
    }

    #[test]
    fn reliability_is_the_share_of_the_spread_that_is_not_error() {
        let share = reliability(&fit(&[1.0, -1.0], 0.5)).unwrap();
        assert!((share - 0.75).abs() < 1e-12);
        assert!(reliability(&fit(&[1.0, 1.0], 0.5)).is_none());
        assert!(reliability(&Fit { errors: None, ..fit(&[1.0, -1.0], 0.0) }).is_none());
    }
}
