//! `ablation`: hide what a map says matters most, step by step, and classify again.
//!
//! At each fraction q the pixels of the largest q of the map's values are replaced, and the probability of the class, and
//! of the strongest other, are read off. A map that knows what matters makes the class fall early; the first fraction at
//! which another class is the strongest is the one at which the label flips.
//!
//! Samek et al., *Evaluating the Visualization of What a Deep Neural Network Has Learned*, 2017 (deletion). We deviate: the
//! map comes from any technique, or from the caller, and pixels of equal value go in random order, so that a map that is
//! zero in most places does not prefer any of them.
//!
//! # How to read it
//!
//! One line of `scores` is the class, which falls as more is hidden, the other the strongest other class. Where they
//! cross early, the map found what the decision hangs on; `flip_fraction` is where. Compare maps on one picture by it:
//! the smaller, the better the map knew. Compare with a map of random numbers (`map`) before trusting a number alone.
//!
//! # How it misleads
//!
//! - A picture with holes is not a picture: a network may change its mind because of the holes. A flip at 60 % says
//!   little; a flip at 5 % much.
//! - The fill decides with it. The mean colour is neutral to the network, black is not; blur leaves the colours of
//!   what is hidden.
//! - A map of many tiny spots hides a picture's texture everywhere at once and makes the class fall early without
//!   pointing at anything.
//! - The label that it flips to is what is left in the picture, not the reason for the first label.

use crate::occluder::Fill;
use crate::score::input_size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_imaging::filters;
use whyglass_sdk::json::{
    ArtifactDescriptor, ArtifactInput, ArtifactKind, ExplainerDescriptor, ImageMeta, ModelDescriptor, TableMeta,
};
use whyglass_sdk::rng::Rng;
use whyglass_sdk::{Call, Error, Explainer, Model, Request, Result, TensorView, length};

/// Parameters of `ablation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AblationParams {
    /// The technique whose map is followed; it runs first, with its own defaults.
    pub by: String,
    /// A map of your own instead: rows of numbers, on any grid over the model's input.
    #[schemars(length(max = 512))]
    pub map: Vec<Vec<f32>>,
    /// How much of the picture is hidden at each step, from little to much.
    #[schemars(length(min = 1, max = 200), inner(range(min = 0.0, max = 1.0)))]
    pub fractions: Vec<f64>,
    /// What is hidden is filled with this.
    pub fill: Fill,
    /// The grey level, 0 to 1, of `fill = value`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub value: f64,
    /// The Gaussian of `fill = blur`: below 1 a fraction of the picture's short side, from 1 on pixels.
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub sigma: f64,
}

impl Default for AblationParams {
    fn default() -> Self {
        Self {
            by: "grad-cam".into(),
            map: Vec::new(),
            fractions: vec![0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
            fill: Fill::Mean,
            value: 0.0,
            sigma: 0.05,
        }
    }
}

/// The pixels of a picture by the value of `map` there, the largest first. Equal values come in random order.
fn ranking(map: TensorView<'_>, (height, width): (usize, usize), seed: u64) -> Result<Vec<usize>> {
    let [rows, columns] = map.dims()?;
    let values = filters::resize_bilinear(map.data(), (rows, columns), (height, width));
    let mut order: Vec<usize> = (0..height * width).collect();
    Rng::new(seed, 0).shuffle(&mut order);
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    Ok(order)
}

/// Probabilities of all classes for one picture.
fn classify(call: &Call<'_>, model: &dyn Model, picture: &[f32], (height, width): (usize, usize)) -> Result<Vec<f32>> {
    let shape = [1, 3, height as i64, width as i64];
    let outputs = model.run(call, &[("input", TensorView::new(&shape, picture))], &["probabilities"])?;
    let probabilities = outputs.into_iter().next().ok_or_else(|| Error::internal("no probabilities came back"))?;
    Ok(probabilities.into_data())
}

/// The probability of `target`, and the strongest of the others with its own.
fn contest(probabilities: &[f32], target: usize) -> Result<(f32, usize, f32)> {
    let Some(&own) = probabilities.get(target) else {
        let classes = probabilities.len();
        return Err(Error::invalid_argument("target", format!("class {target} of a model with {classes} classes")));
    };
    let others = probabilities.iter().copied().enumerate().filter(|(class, _)| *class != target);
    let (rival, its) = others.max_by(|a, b| a.1.total_cmp(&b.1)).ok_or_else(|| {
        Error::failed_precondition("ONE_CLASS", "a model of one class has no other that the label could flip to")
    })?;
    Ok((own, rival, its))
}

/// The name of a class, as people say it.
fn name(model: &ModelDescriptor, class: usize) -> String {
    model.labels.get(class).filter(|label| !label.is_empty()).cloned().unwrap_or_else(|| format!("class {class}"))
}

/// The technique.
pub struct Ablation;

impl Explainer for Ablation {
    type Params = AblationParams;
    const ID: &'static str = "ablation";

    fn descriptor(&self) -> ExplainerDescriptor {
        let artifact = |id: &str, title: &str, kind, auxiliary| ArtifactDescriptor {
            id: id.into(),
            title: title.into(),
            kind,
            auxiliary,
            ..Default::default()
        };
        ExplainerDescriptor {
            title: "Ablation".into(),
            description: "Hides what a map says matters most, step by step, until the label flips.".into(),
            family: "perturbation".into(),
            paper: "Samek et al. 2017, https://arxiv.org/abs/1509.06321".into(),
            inputs: vec![ArtifactInput { name: "map".into(), parameter: "by".into(), kind: ArtifactKind::Map }],
            artifacts: vec![
                artifact("scores", "Probability by what is hidden", ArtifactKind::Series, false),
                artifact(
                    "hidden",
                    "The picture where the label flips, else at the last step",
                    ArtifactKind::Image,
                    false,
                ),
            ],
            progressive: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, model: &dyn Model, params: AblationParams) -> Result<AblationParams> {
        let input = input_size(model)?;
        let sigma = length::pixels(params.sigma, input.height.min(input.width) as usize, "sigma")? as f64;
        if params.fractions.is_empty() || !params.fractions.is_sorted() {
            return Err(Error::invalid_argument("fractions", "give at least one fraction, from little to much"));
        }
        let by = match &params.map[..] {
            [] if params.by.is_empty() => {
                let message = "name the technique whose map is followed, or give a map of your own with `map`";
                return Err(Error::invalid_argument("by", message));
            }
            [] => params.by,
            [first, rest @ ..] => {
                let ragged = first.is_empty() || rest.iter().any(|row| row.len() != first.len());
                if ragged || params.map.iter().flatten().any(|value| !value.is_finite()) {
                    return Err(Error::invalid_argument(
                        "map",
                        "rows of the same length are wanted, of finite numbers",
                    ));
                }
                String::new()
            }
        };
        Ok(AblationParams { by, sigma, ..params })
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &AblationParams,
    ) -> Result<()> {
        let target = request.class()?;
        let image = request.image(call)?;
        let [_, _, height, width] = image.dims()?;
        let sides = (height, width);
        let own: Vec<f32> = params.map.concat();
        let shape = [params.map.len() as i64, params.map.first().map_or(0, Vec::len) as i64];
        let map = match own[..] {
            [] => request.input("map").ok_or_else(|| Error::internal("the map that was asked for is missing"))?,
            _ => TensorView::try_new(&shape, &own)?,
        };
        let order = ranking(map, sides, request.seed)?;
        let mean = model.descriptor().mean_colour;
        let occluder = params.fill.occluder(image.data(), sides, mean, params.value, params.sigma);

        // The first step hides nothing.
        let steps: Vec<f64> = std::iter::once(0.0).chain(params.fractions.iter().copied()).collect();
        let meta = TableMeta {
            rows: steps.iter().map(f64::to_string).collect(),
            columns: vec![name(model.descriptor(), target), "strongest other".into()],
            unit: Some("probability".into()),
            axis: Some("share of the picture that is hidden".into()),
        };
        let mut series = vec![f32::NAN; 2 * steps.len()];
        let mut picture = image.data().to_vec();
        let (mut hidden, mut flipped) = (0, false);
        for (step, fraction) in steps.iter().enumerate() {
            let until = (fraction * order.len() as f64).round() as usize;
            let mut newly = vec![false; order.len()];
            order[hidden..until].iter().for_each(|pixel| newly[*pixel] = true);
            occluder.hide_where(&mut picture, |pixel| newly[pixel]);
            hidden = until;

            let (own, rival, its) = contest(&classify(call, model, &picture, sides)?, target)?;
            series[2 * step..2 * step + 2].copy_from_slice(&[own, its]);
            call.series("scores").keyframe(TensorView::new(&[steps.len() as i64, 2], &series), &meta)?;
            let flips = its > own && !flipped;
            if !flipped {
                let shape = [3, height as i64, width as i64];
                call.image("hidden").keyframe(TensorView::new(&shape, &picture), &ImageMeta::default())?;
            }
            if flips {
                flipped = true;
                call.metrics(&[("flip_fraction", *fraction)])?;
                let (name, before) = (name(model.descriptor(), rival), name(model.descriptor(), target));
                let message = if step == 0 {
                    format!("the label is '{name}', not '{before}', before anything is hidden")
                } else {
                    format!("with {} % hidden the label flips from '{before}' to '{name}'", percent(*fraction))
                };
                call.notice("LABEL_FLIPPED", &message)?;
            }
            call.metrics(&[("probability", f64::from(own))])?;
            call.progress(step as u64 + 1, steps.len() as u64)?;
        }
        if !flipped {
            let last = steps.last().copied().unwrap_or_default();
            let message =
                format!("with {} % hidden the label is still '{}'", percent(last), name(model.descriptor(), target));
            call.notice("LABEL_HELD", &message)?;
        }
        Ok(())
    }
}

/// 0.05 as 5, without the digits that float64 adds.
fn percent(fraction: f64) -> f64 {
    (fraction * 1e4).round() / 1e2
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::testing::{Chain, Event, Pictures, Recorder, linear};

    /// Class 0 adds up red, class 1 green.
    fn model() -> Chain {
        linear(2, 2, &[[vec![1.0; 4], vec![0.0; 8]].concat(), [vec![0.0; 4], vec![1.0; 4], vec![0.0; 4]].concat()])
    }

    fn image() -> Tensor {
        Tensor::new(vec![1, 3, 2, 2], [vec![4.0, 3.0, 2.0, 1.0], vec![1.375; 4], vec![0.0; 4]].concat())
    }

    fn run(params: AblationParams, map: Option<&Tensor>, recorder: &Recorder) -> Result<()> {
        let call = recorder.call();
        let params = Ablation.resolve(&call, &model(), params)?;
        let pictures = Pictures::single(image());
        let mut request = Request::new(&pictures, Some(0), 1);
        if let Some(map) = map {
            request = request.with_input("map", map.view());
        }
        Ablation.explain(&call, &model(), &request, &params)
    }

    fn quarters() -> AblationParams {
        AblationParams { fractions: vec![0.25, 0.5, 0.75], fill: Fill::Value, value: 0.0, ..Default::default() }
    }

    fn sigmoid(x: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    fn scores(recorder: &Recorder) -> Vec<f32> {
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        recorder.artifact("scores").unwrap().into_data()
    }

    #[test]
    fn the_class_falls_as_its_strongest_pixels_go() {
        let recorder = Recorder::new();
        let map = Tensor::new(vec![2, 2], vec![4.0, 3.0, 2.0, 1.0]);
        run(quarters(), Some(&map), &recorder).unwrap();
        // Red 10, 6, 3, 1 against green 5.5, 4.125, 2.75, 1.375: what is hidden is black in both.
        let margins = [4.5, 1.875, 0.25, -0.375];
        let expected: Vec<f32> = margins.iter().flat_map(|m| [sigmoid(*m), sigmoid(-m)]).collect();
        assert!(scores(&recorder).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", scores(&recorder));
        assert_eq!(recorder.metric("flip_fraction"), Some(0.75));
        assert_eq!(recorder.notices(), ["LABEL_FLIPPED"]);
        let hidden = recorder.artifact("hidden").unwrap();
        assert_eq!(hidden.data()[..4], [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_map_of_the_callers_own_is_followed_and_nobody_is_asked_for_one() {
        let recorder = Recorder::new();
        let map = vec![vec![0.0, 0.0], vec![0.0, 1.0]];
        run(AblationParams { map: map.clone(), fractions: vec![0.25], ..quarters() }, None, &recorder).unwrap();
        assert_eq!(recorder.artifact("hidden").unwrap().data()[..4], [4.0, 3.0, 2.0, 0.0]);
        assert_eq!(recorder.notices(), ["LABEL_HELD"]);
        let params = Ablation.resolve(&recorder.call(), &model(), AblationParams { map, ..quarters() }).unwrap();
        assert_eq!(params.by, "");
        assert_eq!(Ablation.resolve(&recorder.call(), &model(), params.clone()).unwrap(), params);
    }

    #[test]
    fn pixels_of_equal_value_go_in_random_order() {
        let flat = Tensor::new(vec![1, 1], vec![0.0]);
        let orders = [1, 2].map(|seed| ranking(flat.view(), (8, 8), seed).unwrap());
        assert_ne!(orders[0], orders[1]);
        assert_eq!(orders[0], ranking(flat.view(), (8, 8), 1).unwrap());
        let mut all = orders[0].clone();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..64));
        assert_ne!(orders[0][..32].iter().filter(|pixel| **pixel < 32).count(), 32, "not from the top");
    }

    #[test]
    fn a_label_that_is_another_before_anything_is_hidden_has_flipped_at_0() {
        let recorder = Recorder::new();
        let pictures = Pictures::single(Tensor::zeros(vec![1, 3, 2, 2]));
        let biased = linear(2, 2, &[vec![-1.0; 12], vec![1.0; 12]]);
        let bright = Pictures::single(Tensor::new(vec![1, 3, 2, 2], vec![1.0; 12]));
        let map = Tensor::new(vec![1, 1], vec![1.0]);
        for (pictures, flip) in [(&bright, Some(0.0)), (&pictures, None)] {
            let recorder = Recorder::new();
            let request = Request::new(pictures, Some(0), 1).with_input("map", map.view());
            Ablation.explain(&recorder.call(), &biased, &request, &quarters()).unwrap();
            assert_eq!(recorder.metric("flip_fraction"), flip);
        }
        let request = Request::new(&pictures, Some(2), 1).with_input("map", map.view());
        assert_eq!(Ablation.explain(&recorder.call(), &biased, &request, &quarters()).unwrap_err().field, "target");
    }

    #[test]
    fn every_step_is_seen_and_what_is_not_known_yet_is_not_a_number() {
        let recorder = Recorder::new();
        let map = Tensor::new(vec![1, 1], vec![1.0]);
        run(quarters(), Some(&map), &recorder).unwrap();
        let known: Vec<usize> = recorder
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::Keyframe { artifact, tensor, .. } if artifact == "scores" => {
                    Some(tensor.data().iter().filter(|v| !v.is_nan()).count())
                }
                _ => None,
            })
            .collect();
        assert_eq!(known, [2, 4, 6, 8]);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let recorder = Recorder::new();
        let refused = |params| Ablation.resolve(&recorder.call(), &model(), params).unwrap_err().field;
        assert_eq!(refused(AblationParams { fractions: vec![0.5, 0.2], ..quarters() }), "fractions");
        assert_eq!(refused(AblationParams { fractions: vec![], ..quarters() }), "fractions");
        assert_eq!(refused(AblationParams { map: vec![vec![1.0], vec![]], ..quarters() }), "map");
        assert_eq!(refused(AblationParams { by: String::new(), ..quarters() }), "by");
    }
}
