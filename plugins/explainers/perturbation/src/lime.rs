//! `lime`: cut the picture into segments, hide half of them at random again and again, and read off a simple model of the
//! scores what each segment is worth.
//!
//! β = argmin Σ_z π(z) (f(x with the segments z shown) − β₀ − βᵀz)² + α|β|², with π(z) = exp(−d²/2w²) and d the cosine
//! distance between z and the whole picture. The map holds each segment's weight.
//!
//! Ribeiro, Singh & Guestrin, *"Why Should I Trust You?"*, 2016. We deviate: masks come in opposites, so that fewer samples
//! do; each weight has a standard error (HC3, over pairs); it stops when the strongest segments have settled; and by default
//! a hidden segment gets the model's mean colour, since its own mean cannot remove a uniform segment.
//!
//! # How to read it
//!
//! A segment's weight is how much showing it adds to the score, on average over what else is shown. Red speaks for
//! the class, blue against it. Each weight has a standard error (`weights` as a table, `map-standard-error`): a
//! weight within two errors of zero says nothing. `explained` is the share of the scores' variance that the simple
//! model accounts for: where it is low (below about 0.5), the network does not add segments up, and no list of
//! weights describes it.
//!
//! # How it misleads
//!
//! - The segments are chosen before the network is asked. A segment that covers half an object and half its
//!   background gets the sum of both.
//! - What a hidden segment is filled with is part of the question. With its own mean (`segment-mean`) a uniform
//!   segment cannot be removed, and looks unimportant.
//! - Half of the picture is missing in most samples: this explains what the network does with torn pictures near this
//!   one, weighed by `kernel_width`, and another width gives another answer.
//! - Few samples shuffle the ranks of small weights: two runs with other seeds agree on the strongest segments only.
//!   It stops when these have settled; what is left uncertain, the errors tell.

use crate::masks::Masks;
use crate::occluder::{Fill, Occluder};
use crate::score::{Score, input_size, scores};
use crate::settling::{Settling, reliability};
use crate::surrogate::{Fit, Samples, Surrogate, explained, fit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_imaging::Segments;
use whyglass_sdk::json::{ArtifactDescriptor, ArtifactKind, ExplainerDescriptor, MapMeta, TableMeta};
use whyglass_sdk::{Call, Error, Explainer, Model, Request, Result, TensorView, batch, length};

/// Parameters of `lime`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimeParams {
    /// How many segments; `slic` gives about that many.
    #[schemars(range(min = 2, max = 1000))]
    pub segments: u32,
    /// How the picture is cut.
    pub segmentation: Segmentation,
    /// Masked pictures at most: the first shows all, then come pairs of opposites.
    #[schemars(range(min = 3, max = 1_000_000))]
    pub samples: u32,
    /// Stop when the strongest segments have settled, even before all samples are used.
    pub settle: bool,
    /// The simple model that is fitted.
    pub surrogate: Surrogate,
    /// The penalty of `ridge` and `lasso`; 0: the usual one, 1 for ridge and 0.01 for lasso.
    #[schemars(range(min = 0.0))]
    pub alpha: f64,
    /// How fast a sample counts less the more it hides: the width of the kernel over the cosine distance.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub kernel_width: f64,
    /// How many segments the simple model may use, the strongest; 0: all.
    #[schemars(range(min = 0, max = 1000))]
    pub features: u32,
    /// What a hidden segment is filled with.
    pub fill: SegmentFill,
    /// The grey level, 0 to 1, of `fill = value`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub value: f64,
    /// The Gaussian of `fill = blur`: below 1 a fraction of the picture's short side, from 1 on pixels.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub sigma: f64,
    /// The number that is explained.
    pub score: Score,
}

/// How the picture is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Segmentation {
    /// Superpixels that follow the picture's edges.
    #[default]
    Slic,
    /// Rectangles.
    Grid,
}

/// What a hidden segment is filled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentFill {
    /// The model's mean colour, the one that its normalisation turns into zero.
    #[default]
    Mean,
    /// The grey level `value`.
    Value,
    /// The picture itself, blurred with `sigma`.
    Blur,
    /// The segment's own mean colour, as the lime package has it. It cannot remove a uniform segment.
    SegmentMean,
}

impl Default for LimeParams {
    fn default() -> Self {
        Self {
            segments: 49,
            segmentation: Segmentation::Slic,
            samples: 1000,
            settle: true,
            surrogate: Surrogate::Ridge,
            alpha: 0.0,
            kernel_width: 0.25,
            features: 0,
            fill: SegmentFill::Mean,
            value: 0.0,
            sigma: 0.05,
            score: Score::Probability,
        }
    }
}

/// Of `compactness`, what the authors of SLIC recommend.
const COMPACTNESS: f32 = 10.0;
/// A fit to many samples is made again only when they have grown by this share: more would not show.
const REFIT: usize = 50;

/// Evaluates all `masks` of `picture` cut into `segments`, `rows` at a time, and tells `seen` of all scores so far after
/// each batch, until it has seen enough. `score` takes `rows` pictures, always as many.
fn evaluate(
    picture: &[f32],
    segments: &Segments,
    occluder: &Occluder,
    masks: &Masks,
    rows: usize,
    mut score: impl FnMut(&[f32]) -> Result<Vec<f32>>,
    mut seen: impl FnMut(&[f64]) -> Result<bool>,
) -> Result<()> {
    let mut pictures = picture.repeat(rows);
    let mut known: Vec<f64> = Vec::with_capacity(masks.len());
    while known.len() < masks.len() {
        let batch = rows.min(masks.len() - known.len());
        for (n, row) in pictures.chunks_exact_mut(picture.len()).take(batch).enumerate() {
            let shown = masks.row(known.len() + n);
            row.copy_from_slice(picture);
            occluder.hide_where(row, |pixel| !shown[segments.labels[pixel] as usize]);
        }
        let scores = score(&pictures)?;
        if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::internal(format!("the model's score of a masked picture is {score}")));
        }
        known.extend(scores.iter().take(batch).map(|score| f64::from(*score)));
        if seen(&known)? {
            break;
        }
    }
    Ok(())
}

/// The technique.
pub struct Lime;

impl Explainer for Lime {
    type Params = LimeParams;
    const ID: &'static str = "lime";

    fn descriptor(&self) -> ExplainerDescriptor {
        let artifact = |id: &str, title: &str, kind, signed, auxiliary| ArtifactDescriptor {
            id: id.into(),
            title: title.into(),
            kind,
            signed,
            auxiliary,
        };
        ExplainerDescriptor {
            title: "LIME".into(),
            description: "Hides segments of the picture at random and fits a simple model to what the class says then."
                .into(),
            family: "perturbation".into(),
            paper: "Ribeiro et al. 2016, https://arxiv.org/abs/1602.04938".into(),
            artifacts: vec![
                artifact("map", "What each segment is worth", ArtifactKind::Map, true, false),
                artifact("weights", "Weight of each segment", ArtifactKind::Table, true, true),
                artifact("segments", "Number of the segment", ArtifactKind::Map, false, true),
            ],
            progressive: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, model: &dyn Model, params: LimeParams) -> Result<LimeParams> {
        let input = input_size(model)?;
        let (short, area) = (input.height.min(input.width) as usize, input.height.saturating_mul(input.width));
        if params.segments > area {
            return Err(Error::invalid_argument(
                "segments",
                format!("{} segments of {area} pixels: give at most that", params.segments),
            ));
        }
        let sigma = length::pixels(params.sigma, short, "sigma")? as f64;
        let alpha = if params.alpha > 0.0 { params.alpha } else { params.surrogate.usual_alpha() };
        Ok(LimeParams { sigma, alpha, ..params })
    }

    fn explain(&self, call: &Call<'_>, model: &dyn Model, request: &Request<'_>, params: &LimeParams) -> Result<()> {
        let target = request.class()?;
        let image = request.image(call)?;
        let [_, _, height, width] = image.dims()?;
        let (picture, sides) = (image.data(), (height, width));
        let segments = match params.segmentation {
            Segmentation::Slic => Segments::slic(picture, height, width, params.segments as usize, COMPACTNESS),
            Segmentation::Grid => Segments::grid(height, width, params.segments as usize),
        };
        let mean = model.descriptor().mean_colour;
        let fill = |fill: Fill| fill.occluder(picture, sides, mean, params.value, params.sigma);
        let occluder = match params.fill {
            SegmentFill::Mean => fill(Fill::Mean),
            SegmentFill::Value => fill(Fill::Value),
            SegmentFill::Blur => fill(Fill::Blur),
            SegmentFill::SegmentMean => Occluder::part_means(picture, height, width, &segments.labels),
        };
        let watcher = Watcher { call, segments: &segments, sides, target, signed: params.surrogate.has_signs() };
        watcher.segments()?;

        let samples = params.samples as usize;
        let masks = Masks::draw(segments.count, samples, request.seed);
        let proximity: Vec<f64> = masks.rows(samples).map(|row| Masks::proximity(row, params.kernel_width)).collect();
        let fit_to = |scores: &[f64]| {
            let samples = Samples { masks: &masks, scores, proximity: &proximity[..scores.len()] };
            fit(params.surrogate, &samples, params.alpha, params.features as usize, request.seed)
                .map(|fit| (explained(&samples, &fit), fit))
        };
        let rows = batch::rows(model.descriptor(), samples);
        let score = |pictures: &[f32]| scores(call, model, params.score, target, pictures, sides);
        let (mut settling, mut look, mut shown) = (Settling::default(), Settling::next_look(0), 0);
        evaluate(picture, &segments, &occluder, &masks, rows, score, |scores| {
            // A look is at as many samples as it says, even where the batch has brought more.
            while params.settle && look <= scores.len() {
                let used = look;
                look = Settling::next_look(look);
                let Some((explained, fit)) = fit_to(&scores[..used]) else { continue };
                if settling.look(&fit) && used < samples {
                    watcher.fit(&fit, explained, used, samples)?;
                    call.notice(
                        "SETTLED",
                        &format!("the strongest segments have settled after {used} of {samples} samples"),
                    )?;
                    return Ok(true);
                }
            }
            let last = scores.len() == samples;
            if last || scores.len() >= shown + (shown / REFIT).max(1) {
                shown = scores.len();
                match fit_to(scores) {
                    Some((explained, fit)) => watcher.fit(&fit, explained, shown, samples)?,
                    None if last => return Err(too_few(samples, segments.count)),
                    None => {}
                }
            }
            call.progress(scores.len() as u64, samples as u64)?;
            Ok(false)
        })
    }
}

fn too_few(samples: usize, segments: usize) -> Error {
    Error::invalid_argument(
        "samples",
        format!("{samples} samples do not determine the weights of {segments} segments: give more samples"),
    )
}

/// Whoever watches, and what they are shown.
struct Watcher<'a> {
    call: &'a Call<'a>,
    segments: &'a Segments,
    sides: (usize, usize),
    target: usize,
    signed: bool,
}

impl Watcher<'_> {
    /// A map of one value per segment.
    fn spread(&self, values: &[f64]) -> Vec<f32> {
        self.segments.labels.iter().map(|label| values[*label as usize] as f32).collect()
    }

    fn shape(&self) -> [i64; 2] {
        [self.sides.0 as i64, self.sides.1 as i64]
    }

    fn segments(&self) -> Result<()> {
        let labels: Vec<f32> = self.segments.labels.iter().map(|label| *label as f32).collect();
        let meta = MapMeta { cell: [1.0; 2], ..Default::default() };
        self.call.map("segments").keyframe(TensorView::new(&self.shape(), &labels), &meta)
    }

    fn fit(&self, fit: &Fit, explained: f64, used: usize, samples: usize) -> Result<()> {
        let shape = self.shape();
        let map = self.spread(&fit.weights);
        let (map, view) = (TensorView::new(&shape, &map), self.call.map("map").at(used as u64, samples as u64));
        let meta = MapMeta { cell: [1.0; 2], signed: self.signed, class: Some(self.target as i64), layer: None };
        let weights: Vec<f32> = fit.weights.iter().map(|weight| *weight as f32).collect();
        let column = [weights.len() as i64, 1];
        let (weights, table) = (TensorView::new(&column, &weights), self.call.table("weights"));
        let columns = TableMeta { columns: vec!["weight".into()], ..Default::default() };
        match &fit.errors {
            Some(errors) => {
                view.keyframe_with_error(map, TensorView::new(&shape, &self.spread(errors)), &meta)?;
                let errors: Vec<f32> = errors.iter().map(|error| *error as f32).collect();
                table.keyframe_with_error(weights, TensorView::new(&column, &errors), &columns)?;
            }
            None => {
                view.keyframe(map, &meta)?;
                table.keyframe(weights, &columns)?;
            }
        }
        self.call.metrics(&[("samples", used as f64)])?;
        if self.signed {
            self.call.metrics(&[("explained", explained)])?;
        }
        match reliability(fit) {
            Some(share) => self.call.metrics(&[("reliability", share)]),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::testing::{Chain, Event, Recorder, conv_net, explain, linear};

    /// Red 1, −2, 0, 4 in the quarters of 8×8 pixels, which a linear model adds up.
    fn quarters() -> (Chain, Tensor) {
        let value = |pixel: usize| [1.0, -2.0, 0.0, 4.0][pixel / 32 * 2 + pixel % 8 / 4] / 16.0;
        let image: Vec<f32> = (0..64).map(value).chain([0.0; 128]).collect();
        (linear(8, 8, &[vec![1.0; 192]]), Tensor::new(vec![1, 3, 8, 8], image))
    }

    fn quick() -> LimeParams {
        LimeParams {
            segments: 4,
            segmentation: Segmentation::Grid,
            samples: 60,
            alpha: 1e-9,
            score: Score::Logit,
            ..Default::default()
        }
    }

    fn run(model: &Chain, image: &Tensor, params: LimeParams, seed: u64) -> Recorder {
        let recorder = Recorder::new();
        explain(&Lime, model, image, Some(0), seed, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        recorder
    }

    fn picture(side: usize) -> Tensor {
        let pixels = (0..3 * side * side).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
        Tensor::new(vec![1, 3, side as i64, side as i64], pixels)
    }

    #[test]
    fn the_weights_of_a_linear_model_are_what_its_segments_add() {
        let (model, image) = quarters();
        let recorder = run(&model, &image, quick(), 1);
        let weights = recorder.artifact("weights").unwrap();
        assert!(weights.data().iter().zip([1.0, -2.0, 0.0, 4.0]).all(|(a, b)| (a - b).abs() < 1e-4), "{weights:?}");
        let map = recorder.artifact("map").unwrap();
        assert_eq!(
            (map.data()[0], map.data()[7], map.data()[63]),
            (weights.data()[0], weights.data()[1], weights.data()[3])
        );
        assert!(recorder.metric("explained").unwrap() > 0.999_999);
    }

    #[test]
    fn lasso_and_tree_find_the_strongest_segment_too() {
        let (model, image) = quarters();
        for surrogate in [Surrogate::Lasso, Surrogate::Tree] {
            let params = LimeParams { surrogate, alpha: 0.0, samples: 201, ..quick() };
            let weights = run(&model, &image, params, 1).artifact("weights").unwrap().into_data();
            assert!(weights[3] > weights[0] && weights[0] > weights[2] - 1e-6, "{surrogate:?}: {weights:?}");
            assert_eq!(weights[1] < 0.0, surrogate.has_signs(), "{surrogate:?}: {weights:?}");
        }
    }

    #[test]
    fn a_tree_says_that_its_map_has_no_sign_and_no_errors() {
        let (model, image) = quarters();
        let events = run(&model, &image, LimeParams { surrogate: Surrogate::Tree, ..quick() }, 1).events();
        let of_map = |event: &&Event| matches!(event, Event::Keyframe { artifact, .. } if artifact == "map");
        let Some(Event::Keyframe { meta, standard_error, .. }) = events.iter().find(of_map) else { panic!("no map") };
        assert!(meta["signed"] == false && standard_error.is_none());
    }

    #[test]
    fn what_a_segment_mean_cannot_remove_is_worth_nothing() {
        let (model, image) = quarters();
        let params = LimeParams { fill: SegmentFill::SegmentMean, ..quick() };
        let map = run(&model, &image, params, 1).artifact("map").unwrap();
        assert!(map.data().iter().all(|weight| weight.abs() < 1e-4), "each quarter is uniform");
    }

    #[test]
    fn the_number_of_pictures_per_call_does_not_change_the_scores() {
        let image = picture(12);
        let segments = Segments::grid(12, 12, 9);
        let masks = Masks::draw(9, 50, 2);
        let occluder = Occluder::colour(12, 12, [0.2; 3]);
        let all = |rows: usize| {
            let mut all = Vec::new();
            let score = |pictures: &[f32]| {
                assert_eq!(pictures.len(), rows * 432);
                let weigh = |p: &[f32]| p.iter().zip(1..).map(|(v, i)| v * (i % 5) as f32).sum();
                Ok(pictures.chunks_exact(432).map(weigh).collect())
            };
            evaluate(image.data(), &segments, &occluder, &masks, rows, score, |scores| {
                all = scores.to_vec();
                Ok(false)
            })
            .unwrap();
            all
        };
        assert_eq!(all(1).len(), 50);
        for rows in [2, 7, 50, 64] {
            assert_eq!(all(rows), all(1), "{rows} rows");
        }
    }

    #[test]
    fn it_stops_when_the_strongest_segments_have_settled_and_says_so() {
        let params = LimeParams { samples: 5000, segments: 16, ..quick() };
        let recorder = run(&conv_net(16, 16), &picture(16), params.clone(), 3);
        assert_eq!(recorder.notices(), ["SETTLED"]);
        let used = recorder.metric("samples").unwrap();
        assert!(used < 1000.0 && (used as usize - 1).is_multiple_of(100), "{used}");
        let whole =
            run(&conv_net(16, 16), &picture(16), LimeParams { settle: false, samples: used as u32, ..params }, 3);
        assert_eq!(recorder.artifact("weights"), whole.artifact("weights"), "as if no more had been asked for");
        assert!(whole.notices().is_empty());
    }

    #[test]
    fn a_stopped_run_is_the_beginning_of_the_whole() {
        let whole = run(&conv_net(16, 16), &picture(16), quick(), 3);
        let recorder = Recorder::new().cancel_after(9);
        let stopped = explain(&Lime, &conv_net(16, 16), &picture(16), Some(0), 3, quick(), &recorder);
        assert!(stopped.unwrap_err().is_cancelled());
        assert_eq!(recorder.events()[..], whole.events()[..9]);
    }

    #[test]
    fn superpixels_may_be_fewer_than_asked_for_and_their_labels_are_shown() {
        let params = LimeParams { segmentation: Segmentation::Slic, segments: 9, ..quick() };
        let recorder = run(&conv_net(24, 24), &picture(24), params, 3);
        let labels = recorder.artifact("segments").unwrap();
        let count = labels.data().iter().fold(0.0, |last: f32, label| last.max(*label)) as i64 + 1;
        assert_eq!(recorder.artifact("weights").unwrap().shape(), [count, 1]);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let recorder = Recorder::new();
        let resolve = |params| Lime.resolve(&recorder.call(), &conv_net(4, 4), params);
        assert_eq!(resolve(LimeParams { segments: 17, ..quick() }).unwrap_err().field, "segments");
        assert_eq!(resolve(LimeParams { sigma: -1.0, ..quick() }).unwrap_err().field, "sigma");
        assert_eq!(resolve(LimeParams { alpha: 0.0, segments: 4, ..quick() }).unwrap().alpha, 1.0);
        let few = LimeParams { surrogate: Surrogate::Lasso, samples: 4, alpha: 0.01, ..quick() };
        let (model, image) = quarters();
        let error = explain(&Lime, &model, &image, Some(0), 0, few, &recorder).unwrap_err();
        assert_eq!(error.field, "samples");
    }
}
