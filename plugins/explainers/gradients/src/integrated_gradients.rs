//! `integrated-gradients`: the gradient averaged on the way from a baseline to the picture, times the way.
//!
//! S(p) = Σ over the colour channels of (x − x̄) · ∫₀¹ ∂f_c/∂x (x̄ + t (x − x̄)) dt. The map adds up to f_c(x) − f_c(x̄):
//! how far it misses that is told as `completeness_gap`.
//!
//! Sundararajan, Taly & Yan, *Axiomatic Attribution for Deep Networks*, 2017. We deviate: Gauss-Legendre quadrature where
//! the paper takes equal steps, and the steps are taken in an order that covers the path early; what is shown meanwhile is
//! the mean of the gradients so far, by their weights.
//!
//! # How to read it
//!
//! Red pixels speak for the class, blue ones against it, compared with the baseline, and together they make up the
//! difference of the two logits: the map is a bill that adds up. `completeness_gap` says by how much it does not:
//! where it is more than a few percent of `difference`, give more `steps`.
//!
//! # How it misleads
//!
//! - The baseline is the question. From black, black pixels cannot matter; what is like the baseline gets nothing.
//!   Ask with two baselines before believing that a region does not count.
//! - The path leads through pictures that never occur (fading to black), and the network's answers to those are in
//!   the map.
//! - It multiplies with the picture, so that strong edges show whether or not they matter (see `input-x-gradient`),
//!   and its noise is that of gradients: regions mean more than pixels.
//! - That it adds up is bookkeeping, not proof: many other maps add up, too.

use crate::baseline::Baseline;
use crate::channels::{Canvas, Reduce, artifacts};
use crate::gradient::{gradients, logits};
use crate::path::{Quadrature, Step};
use rayon::ThreadPool;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use whyglass_sdk::batch::GradientBatches;
use whyglass_sdk::json::{ExplainerDescriptor, Need};
use whyglass_sdk::{Call, Error, Explainer, Model, Request, Result, Rule, TensorView, length, with_threads};

/// Parameters of `integrated-gradients`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IntegratedGradientsParams {
    /// Gradients on the way.
    #[schemars(range(min = 1, max = 10_000))]
    pub steps: u32,
    /// Where on the way they are taken.
    pub rule: Quadrature,
    /// Where the way begins.
    pub baseline: Baseline,
    /// The Gaussian of `baseline = blur`: below 1 a fraction of the picture's short side, from 1 on pixels.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub sigma: f64,
    /// How the colour channels become one map.
    pub reduce: Reduce,
}

impl Default for IntegratedGradientsParams {
    fn default() -> Self {
        Self { steps: 50, rule: Quadrature::GaussLegendre, baseline: Baseline::Black, sigma: 0.05, reduce: Reduce::Sum }
    }
}

/// The integral of the gradients over the path, as far as it is known.
struct Integral {
    sum: Vec<f64>,
    weight: f64,
}

/// Numbers that a thread takes at once.
const CHUNK: usize = 4096;

impl Integral {
    fn new(len: usize) -> Self {
        Self { sum: vec![0.0; len], weight: 0.0 }
    }

    /// Takes the gradients at `steps`, which lie one after the other.
    fn add(&mut self, gradients: &[f32], steps: &[Step]) {
        let len = self.sum.len();
        steps.iter().for_each(|step| self.weight += step.weight);
        self.sum.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sums)| {
            for (gradient, step) in gradients.chunks_exact(len).zip(steps) {
                let gradient = &gradient[chunk * CHUNK..];
                sums.iter_mut().zip(gradient).for_each(|(sum, gradient)| *sum += step.weight * f64::from(*gradient));
            }
        });
    }

    /// `way` times the mean gradient.
    fn attribution(&self, way: &[f32]) -> Vec<f32> {
        let each = self.sum.par_iter().zip(way).with_min_len(CHUNK);
        each.map(|(sum, way)| (f64::from(*way) * sum / self.weight) as f32).collect()
    }
}

/// Takes the gradients of `path` from `baseline` on along `way`, in `batches`, and tells `seen` of the integral after
/// each, with the number of steps taken. `gradient` takes as many pictures.
fn integrate(
    pool: &ThreadPool,
    baseline: &[f32],
    way: &[f32],
    path: &[Step],
    batches: GradientBatches,
    mut gradient: impl FnMut(&[f32]) -> Result<Vec<f32>>,
    mut seen: impl FnMut(&Integral, usize) -> Result<()>,
) -> Result<()> {
    let len = baseline.len();
    let mut integral = Integral::new(len);
    let mut pictures = baseline.repeat(batches.rows());
    let mut done = 0;
    for steps in path.chunks(batches.rows()) {
        // A row without a step repeats what it held: it is computed and not used.
        let pictures = &mut pictures[..batches.asked(steps.len()) * len];
        let each = pictures.par_chunks_exact_mut(len).zip(steps);
        pool.install(|| {
            each.for_each(|(row, step)| {
                let pixels = row.iter_mut().zip(baseline).zip(way);
                // Rounded as the references round: a unit on the bound of a rectifier then falls on the same side.
                pixels.for_each(|((pixel, from), way)| *pixel = from + step.at as f32 * way);
            });
        });
        let gradients = gradient(pictures)?;
        pool.install(|| integral.add(&gradients, steps));
        done += steps.len();
        seen(&integral, done)?;
    }
    Ok(())
}

/// The technique.
pub struct IntegratedGradients;

impl Explainer for IntegratedGradients {
    type Params = IntegratedGradientsParams;
    const ID: &'static str = "integrated-gradients";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "Integrated gradients".into(),
            description:
                "Shares the class's logit out among the pixels: gradients on the way from a baseline, added up.".into(),
            family: "gradients".into(),
            paper: "Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365".into(),
            needs: vec![Need::InputGradients],
            artifacts: artifacts("Share in the logit", true),
            progressive: true,
            ..Default::default()
        }
    }

    fn resolve(
        &self,
        _call: &Call<'_>,
        model: &dyn Model,
        params: IntegratedGradientsParams,
    ) -> Result<IntegratedGradientsParams> {
        let Some(input) = model.descriptor().input else { return Ok(params) };
        let sigma = length::pixels(params.sigma, input.height.min(input.width) as usize, "sigma")?;
        Ok(IntegratedGradientsParams { sigma: sigma as f64, ..params })
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &IntegratedGradientsParams,
    ) -> Result<()> {
        let target = request.class()?;
        let image = request.image(call)?;
        let [_, _, height, width] = image.dims()?;
        let Some(steps) = NonZeroUsize::new(params.steps as usize) else {
            return Err(Error::invalid_argument("steps", "a path needs at least one step"));
        };
        let mean = model.descriptor().mean_colour;
        let baseline = params.baseline.picture(image.data(), (height, width), mean, params.sigma, request.seed);
        let way: Vec<f32> = image.data().iter().zip(&baseline).map(|(to, from)| to - from).collect();

        let ends = [image.data(), &baseline].concat();
        let ends = logits(call, model, target, TensorView::new(&[2, 3, height as i64, width as i64], &ends))?;
        let difference = ends[0] - ends[1];
        let batches = GradientBatches::new(model.descriptor(), steps.get(), call.threads());
        let len = way.len();
        let gradient = |pictures: &[f32]| {
            let shape = [(pictures.len() / len) as i64, 3, height as i64, width as i64];
            gradients(call, model, target, TensorView::new(&shape, pictures), Rule::Standard)
        };
        let canvas = Canvas { call, height, width, target };
        let path = params.rule.path(steps);
        let seen = |pool: &ThreadPool, integral: &Integral, done: usize| {
            let attribution = pool.install(|| integral.attribution(&way));
            canvas.attribution(&attribution, params.reduce)?;
            let sum: f64 = attribution.iter().map(|value| f64::from(*value)).sum();
            let gap = sum - difference;
            call.metrics(&[("difference", difference), ("sum", sum), ("completeness_gap", gap)])?;
            if difference != 0.0 {
                call.metrics(&[("completeness_gap_share", gap.abs() / difference.abs())])?;
            }
            call.progress(done as u64, steps.get() as u64)
        };
        with_threads(call, |pool| {
            integrate(pool, &baseline, &way, &path, batches, gradient, |integral, done| seen(pool, integral, done))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::json::ModelDescriptor;
    use whyglass_sdk::testing::{Chain, Recorder, conv_net, explain, linear};

    fn run(model: &Chain, image: &Tensor, target: usize, params: IntegratedGradientsParams) -> Recorder {
        let recorder = Recorder::new();
        explain(&IntegratedGradients, model, image, Some(target), 3, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        recorder
    }

    fn close(a: &[f32], b: &[f32]) {
        assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} is not {b:?}");
    }

    #[test]
    fn a_linear_model_is_shared_out_exactly_whatever_the_steps() {
        let model = linear(2, 2, &[[vec![1.0, 2.0, 3.0, 4.0], vec![0.0; 8]].concat()]);
        let image = Tensor::new(vec![1, 3, 2, 2], [vec![1.0, 2.0, 3.0, 4.0], vec![0.0; 8]].concat());
        for (steps, rule) in [(1, Quadrature::Midpoint), (7, Quadrature::Midpoint), (5, Quadrature::GaussLegendre)] {
            let params = IntegratedGradientsParams { steps, rule, ..Default::default() };
            let recorder = run(&model, &image, 0, params);
            close(recorder.artifact("map").unwrap().data(), &[1.0, 4.0, 9.0, 16.0]);
            assert!((recorder.metric("difference").unwrap() - 30.0).abs() < 1e-4);
            assert!(recorder.metric("completeness_gap_share").unwrap() < 1e-6);
        }
        // From white on, only what lies above 1 counts, and what lies below counts against.
        let white = IntegratedGradientsParams { baseline: Baseline::White, ..Default::default() };
        close(run(&model, &image, 0, white).artifact("map").unwrap().data(), &[0.0, 2.0, 6.0, 12.0]);
    }

    #[test]
    fn on_a_network_with_a_rectifier_the_map_adds_up_to_the_difference() {
        let image = Tensor::new(vec![1, 3, 6, 6], (0..108).map(|i| (i * 37 % 101) as f32 / 101.0).collect());
        for baseline in [Baseline::Black, Baseline::White, Baseline::Mean, Baseline::Blur, Baseline::Noise] {
            let params = IntegratedGradientsParams { steps: 400, baseline, ..Default::default() };
            let recorder = run(&conv_net(6, 6), &image, 2, params);
            let map = recorder.artifact("map").unwrap();
            let sum: f64 = map.data().iter().map(|v| f64::from(*v)).sum();
            assert!((sum - recorder.metric("difference").unwrap()).abs() < 2e-3, "{baseline:?}");
            assert!(recorder.metric("completeness_gap").unwrap().abs() < 2e-3, "{baseline:?}");
        }
    }

    #[test]
    fn one_gradient_more_or_less_per_call_does_not_change_the_integral() {
        let path = Quadrature::GaussLegendre.path(NonZeroUsize::new(10).unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        // What the model prefers, threads, what it costs, and how many are asked for: one by one, three at a time, of which the last has
        // company, two at a time, and two or more for each of two threads, filled up.
        let kinds = [(1, 1, 0, 10), (8, 1, 0, 11), (1, 2, 0, 10), (1, 2, 1, 12), (16, 2, 1, 12)];
        let whole = |(preferred_batch, threads, macs, wanted)| {
            let model = ModelDescriptor { preferred_batch, gradients_together: 2, macs, ..Default::default() };
            let batches = GradientBatches::new(&model, 10, threads);
            let (mut last, mut asked) = (Vec::new(), 0);
            let gradient = |pictures: &[f32]| {
                assert!(pictures.len() <= 3 * batches.rows());
                asked += pictures.len() / 3;
                Ok(pictures.iter().map(|x| 3.0 * x * x).collect())
            };
            let (baseline, way) = ([0.0, 1.0, 2.0], [1.0, 1.0, -2.0]);
            integrate(&pool, &baseline, &way, &path, batches, gradient, |integral, _| {
                last = integral.attribution(&way);
                Ok(())
            })
            .unwrap();
            assert_eq!(asked, wanted, "{batches:?}");
            last
        };
        // ∫ 3x² over each way: 1, 8 − 1, −8.
        close(&whole(kinds[0]), &[1.0, 7.0, -8.0]);
        for kind in kinds {
            close(&whole(kind), &whole(kinds[0]));
        }
    }

    #[test]
    fn a_stopped_integral_is_the_beginning_of_the_whole() {
        let image = Tensor::new(vec![1, 3, 4, 4], (0..48).map(|i| (i % 7) as f32 / 7.0).collect());
        let params = IntegratedGradientsParams::default();
        let whole = run(&conv_net(4, 4), &image, 0, params.clone());
        let recorder = Recorder::new().cancel_after(6);
        let stopped = explain(&IntegratedGradients, &conv_net(4, 4), &image, Some(0), 3, params, &recorder);
        assert!(stopped.unwrap_err().is_cancelled());
        assert_eq!(recorder.events()[..], whole.events()[..6]);
    }
}
