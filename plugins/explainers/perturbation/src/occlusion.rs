//! `occlusion`: hide a window of the picture, look how far the class falls, move on.
//!
//! S(p) = mean over the windows W that cover pixel p of f(x) − f(x with W filled); f is the class's logit (or its
//! probability). Positive where the picture speaks for the class.
//!
//! Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks*, 2013. We deviate: the map is of differences
//! and at every pixel, where the paper shows the class's probability at each window's centre; and by default the last
//! window of a row is moved inside the picture rather than cut at its border (`clip = false` cuts, as Captum does).
//! Windows never leave gaps: a stride above the size is refused.
//!
//! # How to read it
//!
//! Red is where hiding the window made the class fall, blue where it made it rise: what is there speaks against the
//! class. The value is a difference of logits (or of probabilities), averaged over the windows that cover a pixel; it
//! is an experiment on the network itself, so that nothing about its inside is assumed. `windows` has the raw
//! difference of each window.
//!
//! # How it misleads
//!
//! - The finest thing that it can show is a window. A bright plateau as large as the window says that something in it
//!   matters, not what.
//! - Evidence that is there twice is not found: with one eye hidden the other still makes a cat. All attributions
//!   that hide one thing at a time share this.
//! - A grey square is a picture that the network was never trained on, and may be evidence of its own (for a sign, a
//!   screen). Try `fill = blur`: what stays does not hang on the square.
//! - Probabilities saturate: a class at 0.999 hardly falls. That is why logits are the default.

use crate::incremental;
use crate::occluder::{Fill, Occluder};
use crate::score::{Score, input_size, scores};
use crate::windows::{Order, Rect, Windows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ArtifactDescriptor, ArtifactKind, ExplainerDescriptor, InputSize, MapMeta};
use whyglass_sdk::{Call, Error, Explainer, Model, Request, Result, TensorView, batch, length};

/// Parameters of `occlusion`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OcclusionParams {
    /// Side of the window: below 1 a fraction of the picture's short side, from 1 on pixels.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub size: f64,
    /// Distance between windows, at most their size: below 1 a fraction of the picture's short side, from 1 on pixels.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub stride: f64,
    /// What the window is filled with.
    pub fill: Fill,
    /// The grey level, 0 to 1, of `fill = value`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub value: f64,
    /// The Gaussian of `fill = blur`: below 1 a fraction of the picture's short side, from 1 on pixels.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub sigma: f64,
    /// Move the last window of a row or column inside the picture; else it is cut at the border.
    pub clip: bool,
    /// What is compared.
    pub score: Score,
    /// In which order the windows are evaluated. It changes what is seen first, not the result.
    pub order: Order,
    /// Let the model recompute only what a window has changed, where it can: the same map, up to rounding, in less time.
    pub incremental: bool,
}

impl Default for OcclusionParams {
    fn default() -> Self {
        Self {
            size: 0.2,
            stride: 0.1,
            fill: Fill::Mean,
            value: 0.0,
            sigma: 0.05,
            clip: true,
            score: Score::Logit,
            order: Order::Sweep,
            incremental: true,
        }
    }
}

/// One batch of a sweep has been evaluated.
pub(crate) struct Step<'a> {
    /// Windows evaluated so far, of all.
    pub(crate) done: usize,
    /// The windows of this batch.
    pub(crate) batch: &'a [usize],
    /// f(x) − f(x with the window filled), per window of the batch.
    pub(crate) differences: &'a [f32],
}

/// Evaluates the windows in `order` on `picture` (3×H×W), and tells `on_step` of each batch. `score` takes a batch of
/// pictures (`rows`×3×H×W, always as many rows) to one score per row.
///
/// Only the window is written into a picture of the batch, and put back afterwards.
pub(crate) fn sweep(
    picture: &[f32],
    windows: &Windows,
    order: &[usize],
    occluder: &Occluder,
    rows: usize,
    mut score: impl FnMut(&[f32]) -> Result<Vec<f32>>,
    mut on_step: impl FnMut(&Step<'_>) -> Result<()>,
) -> Result<()> {
    let len = picture.len();
    let mut pictures = picture.repeat(rows);
    let mut base = None;
    let mut done = 0;
    // The first row of all is the picture with nothing hidden; rows left over in the last batch are that, too.
    for batch in 0..(order.len() + 1).div_ceil(rows) {
        let first_row = usize::from(batch == 0);
        let hidden = &order[done..order.len().min(done + rows - first_row)];
        let rows_of = |n: usize| (first_row + n) * len..(first_row + n + 1) * len;
        for (n, window) in hidden.iter().enumerate() {
            occluder.hide(&mut pictures[rows_of(n)], windows.rect(*window));
        }
        let scores = score(&pictures)?;
        if scores.len() != rows {
            return Err(Error::internal(format!("{rows} pictures were given, {} scores came back", scores.len())));
        }
        for (n, window) in hidden.iter().enumerate() {
            occluder.restore(picture, &mut pictures[rows_of(n)], windows.rect(*window));
        }
        let base = *base.get_or_insert(scores[0]);
        let differences: Vec<f32> = scores[first_row..].iter().take(hidden.len()).map(|score| base - score).collect();
        done += hidden.len();
        if !hidden.is_empty() {
            on_step(&Step { done, batch: hidden, differences: &differences })?;
        }
    }
    Ok(())
}

/// S(p) as far as it is known: sums and counts of the windows that cover each pixel.
struct Coverage {
    width: usize,
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl Coverage {
    fn new(height: usize, width: usize) -> Self {
        Self { width, sums: vec![0.0; height * width], counts: vec![0; height * width] }
    }

    fn add(&mut self, rect: Rect, difference: f32) {
        for row in rect.top..rect.bottom {
            let span = row * self.width + rect.left..row * self.width + rect.right;
            self.sums[span.clone()].iter_mut().for_each(|sum| *sum += f64::from(difference));
            self.counts[span].iter_mut().for_each(|count| *count += 1);
        }
    }

    /// The part of the map in `rect`; NaN where no window has covered a pixel yet.
    fn part(&self, rect: Rect) -> Vec<f32> {
        (rect.top..rect.bottom)
            .flat_map(|row| row * self.width + rect.left..row * self.width + rect.right)
            .map(|pixel| (self.sums[pixel] / f64::from(self.counts[pixel])) as f32)
            .collect()
    }
}

/// The technique.
pub struct Occlusion;

impl Explainer for Occlusion {
    type Params = OcclusionParams;
    const ID: &'static str = "occlusion";

    fn descriptor(&self) -> ExplainerDescriptor {
        let map = ArtifactDescriptor { kind: ArtifactKind::Map, signed: true, ..Default::default() };
        ExplainerDescriptor {
            title: "Occlusion".into(),
            description: "Slides a window over the picture and shows where hiding it makes the class fall.".into(),
            family: "perturbation".into(),
            paper: "Zeiler & Fergus 2013, https://arxiv.org/abs/1311.2901".into(),
            artifacts: vec![
                ArtifactDescriptor {
                    id: "map".into(),
                    title: "Fall of the score, at every pixel".into(),
                    ..map.clone()
                },
                ArtifactDescriptor {
                    id: "windows".into(),
                    title: "Fall of the score, per window".into(),
                    auxiliary: true,
                    ..map
                },
            ],
            progressive: true,
            deterministic: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, model: &dyn Model, params: OcclusionParams) -> Result<OcclusionParams> {
        let InputSize { height, width } = input_size(model)?;
        let short = height.min(width) as usize;
        let size = length::pixels(params.size, short, "size")?;
        let stride = length::pixels(params.stride, short, "stride")?;
        if stride > size {
            return Err(Error::invalid_argument(
                "stride",
                format!("windows of {size} pixels every {stride} leave gaps: give a stride of at most the size"),
            ));
        }
        let sigma = length::pixels(params.sigma, short, "sigma")?;
        Ok(OcclusionParams { size: size as f64, stride: stride as f64, sigma: sigma as f64, ..params })
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &OcclusionParams,
    ) -> Result<()> {
        let target = request.class()?;
        let image = request.image(call)?;
        let [_, _, height, width] = image.dims()?;
        let (size, stride) = (params.size as usize, params.stride as usize);
        let windows = Windows::new(height, width, size, stride, params.clip);
        let order = windows.order(params.order);
        let (mean, sides) = (model.descriptor().mean_colour, (height, width));
        let occluder = params.fill.occluder(image.data(), sides, mean, params.value, params.sigma);

        let rows = batch::rows(model.descriptor(), windows.len() + 1);
        let score = |pictures: &[f32]| scores(call, model, params.score, target, pictures, sides);

        let (grid_rows, grid_columns) = windows.grid();
        let class = Some(target as i64);
        let cell = [stride as f64; 2];
        let window_meta = MapMeta { cell, signed: true, class, layer: None };
        let pixel_meta = MapMeta { cell: [1.0; 2], ..window_meta.clone() };
        let (map, raw) = (call.map("map"), call.map("windows"));
        let nothing = vec![f32::NAN; (height * width).max(windows.len())];
        map.keyframe(TensorView::new(&[height as i64, width as i64], &nothing[..height * width]), &pixel_meta)?;
        raw.keyframe(
            TensorView::new(&[grid_rows as i64, grid_columns as i64], &nothing[..windows.len()]),
            &window_meta,
        )?;

        let mut coverage = Coverage::new(height, width);
        let mut on_step = |step: &Step<'_>| {
            let mut changed = windows.rect(step.batch[0]);
            for (window, difference) in step.batch.iter().zip(step.differences) {
                let rect = windows.rect(*window);
                coverage.add(rect, *difference);
                changed = changed.union(rect);
            }
            for (first, run) in neighbours(step.batch, step.differences, grid_columns) {
                raw.tile(first / grid_columns, first % grid_columns, TensorView::new(&[1, run.len() as i64], run))?;
            }
            let shape = [changed.height() as i64, changed.width() as i64];
            map.tile(changed.top, changed.left, TensorView::new(&shape, &coverage.part(changed)))?;
            call.progress(step.done as u64, windows.len() as u64)
        };
        if params.incremental {
            let (all, asked) = ((&windows, &order[..]), (params.score, target));
            if incremental::sweep(call, model, image.view(), all, &occluder, asked, &mut on_step)? {
                return Ok(());
            }
        }
        sweep(image.data(), &windows, &order, &occluder, rows, score, on_step)
    }
}

/// Cuts a batch into runs of windows that lie side by side in one row of the grid.
fn neighbours<'a>(batch: &'a [usize], values: &'a [f32], columns: usize) -> impl Iterator<Item = (usize, &'a [f32])> {
    let mut at = 0;
    batch.chunk_by(move |a, b| *b == a + 1 && b % columns != 0).map(move |run| {
        let values = &values[at..at + run.len()];
        at += run.len();
        (run[0], values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::testing::{Event, Recorder, conv_net, explain, linear};
    use whyglass_sdk::{Status, Tensor};

    /// Red 1 2 3 4 on 2×2 pixels.
    fn red() -> Tensor {
        Tensor::new(vec![1, 3, 2, 2], [vec![1.0, 2.0, 3.0, 4.0], vec![0.0; 8]].concat())
    }

    fn black() -> OcclusionParams {
        OcclusionParams { size: 1.0, stride: 1.0, fill: Fill::Value, value: 0.0, ..Default::default() }
    }

    fn map(model: &dyn Model, image: &Tensor, target: usize, params: OcclusionParams) -> (Tensor, Recorder) {
        let recorder = Recorder::new();
        explain(&Occlusion, model, image, Some(target), 0, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        (recorder.artifact("map").unwrap(), recorder)
    }

    /// A picture without a pattern.
    fn picture(side: usize) -> Tensor {
        let pixels = (0..3 * side * side).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
        Tensor::new(vec![1, 3, side as i64, side as i64], pixels)
    }

    #[test]
    fn hiding_each_pixel_of_a_linear_model_costs_weight_times_pixel() {
        let model = linear(2, 2, &[[vec![1.0, 2.0, 3.0, 4.0], vec![0.0; 8]].concat()]);
        let (map, recorder) = map(&model, &red(), 0, black());
        assert_eq!(map, Tensor::new(vec![2, 2], vec![1.0, 4.0, 9.0, 16.0]));
        assert_eq!(recorder.artifact("windows").unwrap(), map, "one window per pixel");
    }

    #[test]
    fn a_pixel_gets_the_mean_of_the_windows_that_cover_it() {
        // Red 1 2 3 on 3×3, the same in each row; windows of 2×2 pixels cost 2·(1+2) and 2·(2+3).
        let weights = [vec![1.0; 9], vec![0.0; 18]].concat();
        let image = Tensor::new(vec![1, 3, 3, 3], [[1.0, 2.0, 3.0].repeat(3), vec![0.0; 18]].concat());
        let (map, recorder) = map(&linear(3, 3, &[weights]), &image, 0, OcclusionParams { size: 2.0, ..black() });
        assert_eq!(recorder.artifact("windows").unwrap().data(), [6.0, 10.0, 6.0, 10.0]);
        assert_eq!(map.data(), [6.0, 8.0, 10.0].repeat(3));
    }

    #[test]
    fn a_window_filled_with_what_is_there_costs_nothing() {
        let flat = Tensor::new(vec![1, 3, 8, 8], vec![0.5; 192]);
        for fill in [Fill::Blur, Fill::Value] {
            let params = OcclusionParams { fill, value: 0.5, ..Default::default() };
            let (map, _) = map(&conv_net(8, 8), &flat, 2, params);
            assert!(map.data().iter().all(|v| v.abs() < 1e-6), "{fill:?}");
        }
    }

    #[test]
    fn the_order_of_the_windows_does_not_change_the_map() {
        let model = conv_net(16, 16);
        let sweep = map(&model, &picture(16), 1, OcclusionParams::default()).0;
        let coarse = OcclusionParams { order: Order::CoarseToFine, ..Default::default() };
        let coarse = map(&model, &picture(16), 1, coarse).0;
        assert!(sweep.data().iter().zip(coarse.data()).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn neither_does_the_number_of_pictures_per_call() {
        let image = picture(12);
        let windows = Windows::new(12, 12, 4, 3, false);
        let occluder = Occluder::colour(12, 12, [0.2; 3]);
        let differences = |rows: usize| {
            let mut all = Vec::new();
            let score = |pictures: &[f32]| {
                assert_eq!(pictures.len(), rows * 432);
                Ok(pictures
                    .chunks_exact(432)
                    .map(|p| p.iter().zip(1..).map(|(v, i)| v * (i % 5) as f32).sum())
                    .collect())
            };
            let order = windows.order(Order::Sweep);
            sweep(image.data(), &windows, &order, &occluder, rows, score, |step| {
                all.extend_from_slice(step.differences);
                assert_eq!(step.done, all.len());
                Ok(())
            })
            .unwrap();
            assert_eq!(all.len(), windows.len());
            all
        };
        let one = differences(1);
        for rows in [2, 5, 16, 17, 100] {
            assert_eq!(differences(rows), one, "{rows} rows");
        }
    }

    #[test]
    fn a_stopped_sweep_keeps_what_it_knows_and_that_is_the_beginning_of_the_whole() {
        let params = OcclusionParams { clip: false, ..black() };
        let model = conv_net(6, 6);
        let (whole, _) = map(&model, &picture(6), 0, params.clone());
        let recorder = Recorder::new().cancel_after(7);
        let error = explain(&Occlusion, &model, &picture(6), Some(0), 0, params, &recorder).unwrap_err();
        assert!(error.is_cancelled());
        let partial = recorder.artifact("map").unwrap();
        let known = partial.data().iter().filter(|v| !v.is_nan()).count();
        assert!(0 < known && known < 36, "{known}");
        for (partial, whole) in partial.data().iter().zip(whole.data()) {
            assert!(partial.is_nan() || partial == whole);
        }
    }

    #[test]
    fn every_pixel_ends_finite_and_every_batch_is_announced() {
        let (map, recorder) = map(
            &conv_net(20, 14),
            &{
                let pixels = (0..840).map(|i| (i % 11) as f32 / 11.0).collect();
                Tensor::new(vec![1, 3, 20, 14], pixels)
            },
            2,
            OcclusionParams { clip: false, ..Default::default() },
        );
        assert!(map.data().iter().all(|v| v.is_finite()));
        let progress: Vec<u64> = recorder
            .events()
            .iter()
            .filter_map(|event| {
                if let Event::Progress { done, total, .. } = event {
                    assert!(done <= total);
                    Some(*done)
                } else {
                    None
                }
            })
            .collect();
        let windows = recorder.artifact("windows").unwrap().data().len() as u64;
        assert_eq!(progress.last(), Some(&windows));
        assert!(progress.len() > 1 && progress.is_sorted());
    }

    #[test]
    fn lengths_are_resolved_to_pixels_and_gaps_are_refused() {
        let recorder = Recorder::new();
        let resolve = |params| Occlusion.resolve(&recorder.call(), &conv_net(224, 224), params);
        let resolved = resolve(OcclusionParams::default()).unwrap();
        assert_eq!((resolved.size, resolved.stride, resolved.sigma), (45.0, 22.0, 11.0));
        assert_eq!(resolve(resolved.clone()).unwrap(), resolved, "resolving twice changes nothing");
        let error = resolve(OcclusionParams { size: 8.0, stride: 9.0, ..Default::default() }).unwrap_err();
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "stride"));
        assert_eq!(resolve(OcclusionParams { size: 300.0, ..Default::default() }).unwrap_err().field, "size");
    }

    #[test]
    fn a_probability_falls_by_less_than_one() {
        let params = OcclusionParams { score: Score::Probability, ..Default::default() };
        let (map, _) = map(&conv_net(8, 8), &picture(8), 1, params);
        assert!(map.data().iter().all(|v| v.abs() < 1.0) && map.data().iter().any(|v| *v != 0.0));
    }
}
