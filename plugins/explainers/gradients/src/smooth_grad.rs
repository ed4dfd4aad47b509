//! `smooth-grad`: the gradient averaged over noisy copies of the picture, so that what only flickers cancels out.
//!
//! G(p) = mean over n samples of ∂f_c/∂x (x + ε), ε normal with a standard deviation of `noise` · (max x − min x); also the
//! mean of its square, or its variance. The colour channels are reduced after averaging.
//!
//! Smilkov, Thorat, Kim, Viégas & Wattenberg, *SmoothGrad: removing noise by adding noise*, 2017; variance: Adebayo et al.,
//! 2018. We deviate in nothing. (Captum averages absolute gradients unless told otherwise, with noise in the input's units.)
//!
//! # How to read it
//!
//! As `saliency`, with less flicker: bright pixels are those to which the class answers not only in this very
//! picture, but in pictures close to it. The standard error (`map-standard-error`) says how much of what you see is
//! still noise; more `samples` halve it at four times their number. Under `abs-max` it is that of the least certain
//! channel, since which one is the largest is uncertain too. `squared` is what ranks pixels best; `variance` shows where
//! the answer to a change depends on the noise.
//!
//! # How it misleads
//!
//! - It averages gradients, and keeps their meaning: sensitivity, not contribution.
//! - `noise` is a choice. Too little leaves the flicker, too much explains pictures that the network no longer
//!   recognises: look at what it says of a noisy copy.
//! - A smooth map looks more trustworthy, though averaging adds no information on whether the network is right.
//!   `squared` and `variance` have no sign, and are bright wherever the gradient is large.

use crate::channels::{Canvas, Reduce, artifacts, planes};
use crate::gradient::gradients;
use crate::moments::{Estimate, Moments};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::batch::GradientBatches;
use whyglass_sdk::json::{ExplainerDescriptor, Need};
use whyglass_sdk::rng::Rng;
use whyglass_sdk::{Call, Error, Explainer, Model, Request, Result, Rule, TensorView, with_threads};

/// Parameters of `smooth-grad`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmoothGradParams {
    /// Noisy copies.
    #[schemars(range(min = 1, max = 100_000))]
    pub samples: u32,
    /// Standard deviation of the noise, as a share of the picture's own range of values.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub noise: f64,
    /// What is made of the gradients.
    pub kind: Kind,
    /// How the colour channels become one map.
    pub reduce: Reduce,
}

/// What is made of the gradients of all samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Their mean.
    #[default]
    Mean,
    /// The mean of their squares.
    Squared,
    /// Their variance: where the network's answer changes with the noise.
    Variance,
}

impl Default for SmoothGradParams {
    fn default() -> Self {
        Self { samples: 50, noise: 0.15, kind: Kind::Mean, reduce: Reduce::AbsMax }
    }
}

/// What is known of the gradients so far, and the map that it makes.
struct Running {
    kind: Kind,
    reduce: Reduce,
    cells: usize,
    moments: Moments,
}

impl Running {
    fn new(kind: Kind, reduce: Reduce, cells: usize) -> Self {
        // The sum over the channels is followed as a plane of its own: its error is not the sum of theirs.
        let numbers = 4 * cells;
        let moments = if kind == Kind::Variance { Moments::with_variances(numbers) } else { Moments::new(numbers) };
        Self { kind, reduce, cells, moments }
    }

    /// Takes gradients (each 3×cells) that lie one after the other.
    fn add(&mut self, gradients: &[f32]) {
        let (cells, kind) = (self.cells, self.kind);
        let seen = |value: f32| if kind == Kind::Squared { value * value } else { value };
        let mut samples = vec![0.0; gradients.len() / 3 * 4];
        samples.par_chunks_exact_mut(4 * cells).zip(gradients.par_chunks_exact(3 * cells)).for_each(
            |(sample, gradient)| {
                let (channels, sums) = sample.split_at_mut(3 * cells);
                channels.iter_mut().zip(gradient).for_each(|(to, from)| *to = seen(*from));
                let (red, green, blue) = planes(channels);
                let colours = red.iter().zip(green).zip(blue);
                sums.iter_mut().zip(colours).for_each(|(sum, ((red, green), blue))| *sum = red + green + blue);
            },
        );
        self.moments.add(&samples);
    }

    fn estimate(&self, number: usize) -> Estimate {
        if self.kind == Kind::Variance { self.moments.variance(number) } else { self.moments.mean(number) }
    }

    /// The channels (3×cells).
    fn channels(&self) -> Vec<f32> {
        (0..3 * self.cells).into_par_iter().map(|number| self.estimate(number).value).collect()
    }

    /// The map, and its standard error.
    fn map(&self) -> (Vec<f32>, Vec<f32>) {
        let cells = (0..self.cells).into_par_iter().map(|cell| self.cell(cell));
        cells.map(|Estimate { value, error }| (value, error)).unzip()
    }

    fn cell(&self, cell: usize) -> Estimate {
        let channels = || [0, 1, 2].map(|channel| self.estimate(channel * self.cells + cell));
        if self.reduce == Reduce::AbsMax {
            // Another channel may be the largest in truth: no further off than the least certain of them.
            channels().into_iter().fold(Estimate { value: 0.0, error: 0.0 }, |largest, channel| Estimate {
                value: largest.value.max(channel.value.abs()),
                error: largest.error.max(channel.error),
            })
        } else if self.kind == Kind::Variance {
            // Variances of three channels that vary together: no further off than all their errors at once.
            let channels = channels();
            let sum = |part: fn(&Estimate) -> f32| channels.iter().map(part).sum();
            Estimate { value: sum(|channel| channel.value), error: sum(|channel| channel.error) }
        } else {
            self.estimate(3 * self.cells + cell)
        }
    }
}

/// The standard deviation of the noise on `picture`.
fn deviation(picture: &[f32], noise: f64) -> f32 {
    let (low, high) = picture.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    (noise * f64::from(high - low)) as f32
}

/// Sample `index` of `picture`, into `row`.
fn sample(picture: &[f32], deviation: f32, seed: u64, index: u64, row: &mut [f32]) {
    Rng::new(seed, index).fill_normal(row);
    row.iter_mut().zip(picture).for_each(|(pixel, original)| *pixel = original + deviation * *pixel);
}

/// The technique.
pub struct SmoothGrad;

impl Explainer for SmoothGrad {
    type Params = SmoothGradParams;
    const ID: &'static str = "smooth-grad";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "SmoothGrad".into(),
            description:
                "The gradient averaged over noisy copies of the picture: what is left is what does not flicker.".into(),
            family: "gradients".into(),
            paper: "Smilkov et al. 2017, https://arxiv.org/abs/1706.03825".into(),
            needs: vec![Need::InputGradients],
            artifacts: artifacts("Size of the averaged gradient", false),
            progressive: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, _model: &dyn Model, params: SmoothGradParams) -> Result<SmoothGradParams> {
        if params.kind == Kind::Variance && params.samples < 2 {
            return Err(Error::invalid_argument("samples", "a variance needs at least two samples"));
        }
        Ok(params)
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &SmoothGradParams,
    ) -> Result<()> {
        let target = request.class()?;
        let image = request.image(call)?;
        let [_, _, height, width] = image.dims()?;
        let samples = params.samples as usize;
        let batches = GradientBatches::new(model.descriptor(), samples, call.threads());
        let rows = batches.rows();
        let deviation = deviation(image.data(), params.noise);
        let signed = params.kind == Kind::Mean && params.reduce.keeps_signs();
        let canvas = Canvas { call, height, width, target };
        let mut running = Running::new(params.kind, params.reduce, height * width);
        let mut pictures = image.data().repeat(rows);
        let len = image.data().len();
        with_threads(call, |pool| {
            for first in (0..samples).step_by(rows) {
                let batch = rows.min(samples - first);
                // A row without a sample repeats what it held: it is computed and not used.
                let asked = batches.asked(batch);
                let pictures = &mut pictures[..asked * len];
                let each = pictures.par_chunks_exact_mut(len).take(batch).enumerate();
                pool.install(|| {
                    each.for_each(|(n, row)| {
                        sample(image.data(), deviation, request.seed, (first + n) as u64, row);
                    });
                });
                let shape = [asked as i64, 3, height as i64, width as i64];
                let found = gradients(call, model, target, TensorView::new(&shape, pictures), Rule::Standard)?;
                let (values, errors) = pool.install(|| {
                    running.add(&found[..batch * len]);
                    running.map()
                });
                let known = running.moments.samples() > if params.kind == Kind::Variance { 3 } else { 1 };
                canvas.map(&values, known.then_some(&errors), signed)?;
                if params.reduce == Reduce::None {
                    canvas.channels(&pool.install(|| running.channels()), params.kind == Kind::Mean)?;
                }
                if known {
                    call.metrics(&[("relative_error", relative(&errors, &values))])?;
                }
                call.progress((first + batch) as u64, samples as u64)?;
            }
            Ok(())
        })
    }
}

/// How large the errors are, over how large the values are: of the whole map, 0 is settled.
fn relative(errors: &[f32], values: &[f32]) -> f64 {
    let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let size = norm(values);
    if size > 0.0 { norm(errors) / size } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::json::ModelDescriptor;
    use whyglass_sdk::testing::{Chain, Event, Recorder, conv_net, explain, linear};

    fn picture() -> Tensor {
        Tensor::new(vec![1, 3, 5, 4], (0..60).map(|i| (i * 37 % 59) as f32 / 58.0).collect())
    }

    fn run(model: &Chain, params: SmoothGradParams, seed: u64) -> Recorder {
        let recorder = Recorder::new();
        explain(&SmoothGrad, model, &picture(), Some(0), seed, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        recorder
    }

    fn map(params: SmoothGradParams, seed: u64) -> Vec<f32> {
        run(&conv_net(5, 4), params, seed).artifact("map").unwrap().into_data()
    }

    #[test]
    fn noise_does_not_change_the_gradient_of_a_linear_model() {
        let weights: Vec<f32> = (0..60).map(|i| i as f32 - 30.0).collect();
        let of = |kind| {
            let params = SmoothGradParams { samples: 7, kind, reduce: Reduce::None, ..Default::default() };
            let recorder = run(&linear(5, 4, std::slice::from_ref(&weights)), params, 1);
            assert_eq!(recorder.metric("relative_error"), Some(0.0), "{kind:?}");
            recorder.artifact("red").unwrap().into_data()
        };
        assert_eq!(of(Kind::Mean), weights[..20]);
        assert_eq!(of(Kind::Squared), weights[..20].iter().map(|w| w * w).collect::<Vec<_>>());
        assert_eq!(of(Kind::Variance), [0.0; 20]);
    }

    #[test]
    fn without_noise_it_is_the_gradient() {
        let still = SmoothGradParams { noise: 0.0, reduce: Reduce::Sum, ..Default::default() };
        let once = SmoothGradParams { samples: 1, ..still.clone() };
        assert_eq!(map(still, 0), map(once, 9));
    }

    #[test]
    fn squares_less_the_square_of_the_mean_are_the_variance() {
        let of = |kind| {
            let params = SmoothGradParams { samples: 40, kind, reduce: Reduce::None, noise: 0.5 };
            run(&conv_net(5, 4), params, 2).artifact("red").unwrap().into_data()
        };
        let (mean, squared, variance) = (of(Kind::Mean), of(Kind::Squared), of(Kind::Variance));
        for ((mean, squared), variance) in mean.iter().zip(squared).zip(&variance) {
            assert!(((squared - mean * mean) * 40.0 / 39.0 - variance).abs() < 1e-6);
        }
        assert!(variance.iter().any(|v| *v > 0.0));
    }

    #[test]
    fn the_number_of_samples_per_call_does_not_change_the_map() {
        let weights = [1, 2, 3, 5, 50].map(|rows| {
            let mut running = Running::new(Kind::Mean, Reduce::AbsMax, 20);
            let mut row = vec![0.0; 60];
            for first in (0..50).step_by(rows) {
                for index in first..(first + rows).min(50) {
                    sample(picture().data(), 0.3, 4, index as u64, &mut row);
                    running.add(&row.iter().map(|v| v * v).collect::<Vec<_>>());
                }
            }
            running.map().0
        });
        assert!(weights.iter().all(|map| *map == weights[0]));
        let rows = |preferred_batch| {
            GradientBatches::new(&ModelDescriptor { preferred_batch, ..Default::default() }, 50, 1).rows()
        };
        assert_ne!(rows(1), rows(8), "models do differ in this");
    }

    #[test]
    fn the_seed_decides_the_noise() {
        let params = SmoothGradParams { noise: 0.6, ..Default::default() };
        assert_eq!(map(params.clone(), 3), map(params.clone(), 3));
        assert_ne!(map(params.clone(), 3), map(params, 4));
    }

    #[test]
    fn the_standard_error_is_as_large_as_two_seeds_differ() {
        let params = SmoothGradParams { samples: 200, noise: 0.5, ..Default::default() };
        let error = |recorder: &Recorder| {
            let last = recorder.events().into_iter().rev().find_map(|event| match event {
                Event::Keyframe { standard_error, .. } => standard_error,
                _ => None,
            });
            last.unwrap().into_data()
        };
        let runs = [5, 6].map(|seed| run(&conv_net(5, 4), params.clone(), seed));
        let maps = runs.each_ref().map(|run| run.artifact("map").unwrap().into_data());
        let errors = error(&runs[0]);
        let far = maps[0].iter().zip(&maps[1]).zip(&errors).filter(|((a, b), e)| (*a - *b).abs() > 3.0 * 1.42 * **e);
        assert!(far.count() <= 1, "about one in 370 is that far off");
        assert!(errors.iter().any(|e| *e > 0.0));
    }

    #[test]
    fn a_stopped_mean_is_the_beginning_of_the_whole() {
        let params = SmoothGradParams::default();
        let whole = run(&conv_net(5, 4), params.clone(), 8);
        let recorder = Recorder::new().cancel_after(7);
        let stopped = explain(&SmoothGrad, &conv_net(5, 4), &picture(), Some(0), 8, params, &recorder);
        assert!(stopped.unwrap_err().is_cancelled());
        assert_eq!(recorder.events()[..], whole.events()[..7]);
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_said_rather_than_averaged() {
        for value in [f32::NAN, f32::INFINITY] {
            let mut weights = vec![1.0; 60];
            weights[7] = value;
            let model = linear(5, 4, &[weights]);
            let params = SmoothGradParams::default();
            let error = explain(&SmoothGrad, &model, &picture(), Some(0), 1, params, &Recorder::new()).unwrap_err();
            assert!(error.message.contains("holds"), "{error}");
        }
    }

    #[test]
    fn a_variance_of_one_sample_is_refused() {
        let params = SmoothGradParams { samples: 1, kind: Kind::Variance, ..Default::default() };
        let error = SmoothGrad.resolve(&Recorder::new().call(), &conv_net(5, 4), params).unwrap_err();
        assert_eq!(error.field, "samples");
    }
}
