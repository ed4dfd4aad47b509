//! The straight path from a baseline to the picture: where on it gradients are taken, what each weighs, in which order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

use gauss_quad::legendre::GaussLegendre;

/// How the integral over the path becomes a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quadrature {
    /// Gauss-Legendre: exact for polynomials up to twice as many degrees as steps.
    #[default]
    GaussLegendre,
    /// The middles of steps of the same length.
    Midpoint,
}

/// A place on the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// 0 at the baseline, 1 at the picture.
    pub(crate) at: f64,
    pub(crate) weight: f64,
}

impl Quadrature {
    /// The `steps` places, whose weights add up to 1. They are spread over the whole path from the first on, so that the
    /// integral is known roughly early and sharpens: in the order of their bit-reversed numbers.
    pub(crate) fn path(self, steps: NonZeroUsize) -> Vec<Step> {
        let count = steps.get();
        let mut path: Vec<Step> = match self {
            Self::GaussLegendre => {
                let rule = GaussLegendre::new(steps);
                rule.iter().map(|(node, weight)| Step { at: 0.5 * (1.0 + node), weight: 0.5 * weight }).collect()
            }
            Self::Midpoint => {
                let step = |index| Step { at: (index as f64 + 0.5) / count as f64, weight: 1.0 / count as f64 };
                (0..count).map(step).collect()
            }
        };
        path.sort_by(|a, b| a.at.total_cmp(&b.at));
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|index| index.reverse_bits());
        order.into_iter().map(|index| path[index]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(rule: Quadrature, steps: usize) -> Vec<Step> {
        rule.path(NonZeroUsize::new(steps).unwrap())
    }

    fn integral(path: &[Step], f: impl Fn(f64) -> f64) -> f64 {
        path.iter().map(|step| step.weight * f(step.at)).sum()
    }

    #[test]
    fn gauss_legendre_is_exact_for_polynomials() {
        for steps in [1, 2, 3, 50] {
            let path = path(Quadrature::GaussLegendre, steps);
            let degree = 2 * steps as i32 - 1;
            let exact = 1.0 / f64::from(degree + 1);
            assert!((integral(&path, |t| t.powi(degree)) - exact).abs() < 1e-12, "{steps} steps");
        }
        let two = path(Quadrature::GaussLegendre, 2);
        assert!((two[0].at - (0.5 - 0.75_f64.sqrt() / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn the_midpoint_rule_is_exact_for_lines_and_its_weights_are_equal() {
        let path = path(Quadrature::Midpoint, 7);
        assert!((integral(&path, |t| 3.0 * t + 1.0) - 2.5).abs() < 1e-12);
        assert!(path.iter().all(|step| step.weight == 1.0 / 7.0 && 0.0 < step.at && step.at < 1.0));
    }

    #[test]
    fn the_first_steps_are_spread_over_the_path() {
        let places: Vec<f64> = path(Quadrature::Midpoint, 8).iter().map(|step| step.at).collect();
        assert_eq!(places, [0.0625, 0.5625, 0.3125, 0.8125, 0.1875, 0.6875, 0.4375, 0.9375]);
    }
}
