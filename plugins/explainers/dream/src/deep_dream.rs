//! `deep-dream`: change a picture until channels of a layer (or a class) are as active as can be, and look at what has
//! grown.
//!
//! x ← x + step · N(∂F/∂x), where F is the mean activation of the channels, the logit of a class, or half the mean
//! square of a whole layer, and N is Laplacian pyramid normalisation; over an image pyramid, small pictures first. Each
//! gradient is taken at a randomly shifted picture.
//!
//! Mordvintsev, Olah & Tyka, *Inceptionism*, 2015; Olah, Mordvintsev & Schubert, *Feature Visualization*, 2017. We
//! deviate: a step is measured in the range of colours (the normalised gradient has a standard deviation of 1), so that
//! one default serves all networks and layers.
//!
//! # How to read it
//!
//! What has grown is what makes the channels (or the class) as active as can be: textures and parts that the network
//! looks for. Compare with real pictures that activate the same channel. `objective` shows the growth; where it stays
//! flat, the layer or the channel has nothing to grow, or the step is too small.
//!
//! # How it misleads
//!
//! - It shows what *would* please the network, in pictures that do not occur; not what it used in any decision. It
//!   explains a layer, not a picture.
//! - Much of the look is made by `smoothing`, `jitter`, `scale` and the start, which keep the picture from dissolving
//!   into noise. Other settings, other dreams.
//! - From a picture (`start = image`) what grows is what was nearly there: that a dog appears in a cloud does not
//!   mean that the network sees a dog in the cloud.
//! - One optimum is shown out of many: other seeds may bring other sides of a channel to light.

use crate::ascent::{Canvas, climb, level_sizes};
use crate::objective::{Objective, dreamiest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{
    ArtifactDescriptor, ArtifactKind, Capability, ExplainerDescriptor, ImageMeta, Need, TableMeta,
};
use whyglass_sdk::rng::Rng;
use whyglass_sdk::{Call, Cotangent, Error, Explainer, Model, Request, Result, Rule, TensorView, Vjp};

/// Parameters of `deep-dream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeepDreamParams {
    /// The layer that dreams; empty: the deepest that still has a grid twice as fine as the features. `logits` dreams of
    /// the target class, or of the classes in `channels`.
    #[schemars(extend("x-widget" = "layer"))]
    pub layer: String,
    /// The channels of the layer that grow; none: whatever the layer sees already.
    pub channels: Vec<u32>,
    /// Steps per level.
    #[schemars(range(min = 1, max = 1000))]
    pub iterations: u32,
    /// Sizes of the picture, small to large. A network of one size only has one.
    #[schemars(range(min = 1, max = 10))]
    pub levels: u32,
    /// How much larger each level is than the one before.
    #[schemars(range(min = 1.0, max = 4.0))]
    pub scale: f64,
    /// How far a step goes: the standard deviation of the change, where black to white is 1.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub step: f64,
    /// Bands of detail that are brought to the same strength in each gradient; 0 leaves the gradient as it is.
    #[schemars(range(min = 0, max = 8))]
    pub smoothing: u32,
    /// How far the picture is shifted at random for each gradient, so that the network's grid leaves no mark.
    #[schemars(range(min = 0, max = 64), extend("x-unit" = "px"))]
    pub jitter: u32,
    /// What is dreamed into.
    pub start: Start,
    /// Short side of the finished picture; 0: such that the smallest level is of the network's own size.
    #[schemars(range(min = 0, max = LARGEST), extend("x-unit" = "px"))]
    pub size: u32,
}

/// Where a dream starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Grey noise.
    #[default]
    Noise,
    /// The picture.
    Image,
}

impl Default for DeepDreamParams {
    fn default() -> Self {
        Self {
            layer: String::new(),
            channels: Vec::new(),
            iterations: 10,
            levels: 3,
            scale: 1.4,
            step: 0.05,
            smoothing: 4,
            jitter: 8,
            start: Start::Noise,
            size: 0,
        }
    }
}

/// The most that a picture's short side may have, in pixels.
const LARGEST: u32 = 2048;
/// Standard deviation of the noise that a dream starts from, around grey.
const NOISE: f32 = 0.05;
/// Stream of the generator for the first noise; a step's shift comes from the stream of its number.
const NOISE_STREAM: u64 = u64::MAX;

/// The technique.
pub struct DeepDream;

impl Explainer for DeepDream {
    type Params = DeepDreamParams;
    const ID: &'static str = "deep-dream";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "Deep dream".into(),
            description: "Grows a picture of what channels of a layer, or a class, respond to.".into(),
            family: "dream".into(),
            paper: "Mordvintsev et al. 2015; Olah et al. 2017, https://distill.pub/2017/feature-visualization".into(),
            needs: vec![Need::Gradients],
            artifacts: vec![
                ArtifactDescriptor {
                    id: "dream".into(),
                    title: "Dream".into(),
                    kind: ArtifactKind::Image,
                    ..Default::default()
                },
                ArtifactDescriptor {
                    id: "objective".into(),
                    title: "What grows, step by step".into(),
                    kind: ArtifactKind::Series,
                    auxiliary: true,
                    ..Default::default()
                },
            ],
            progressive: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, model: &dyn Model, params: DeepDreamParams) -> Result<DeepDreamParams> {
        let descriptor = model.descriptor();
        let Some(input) = descriptor.input else {
            return Err(Error::failed_precondition(
                "INPUT_SIZE_UNKNOWN",
                "the model does not say how large its input is: name it in model.toml",
            ));
        };
        let short = input.height.min(input.width);
        if short == 0 || params.levels == 0 {
            return Err(Error::invalid_argument("levels", "a dream needs at least one level, and a network an input"));
        }
        let mut params = params;
        if params.layer.is_empty() {
            params.layer = dreamiest(descriptor)?.id.clone();
        }
        // Proves that the layer and its channels are there.
        Objective::new(descriptor, &params.layer, &params.channels, None)?;
        if !descriptor.has(Capability::FreeSize) {
            (params.levels, params.size) = (1, short);
        }
        if params.size == 0 {
            params.size = (f64::from(short) * params.scale.powi(params.levels as i32 - 1)).round() as u32;
            if params.size > LARGEST {
                let (levels, scale, size) = (params.levels, params.scale, params.size);
                let why = format!(
                    "{levels} levels of scale {scale} from {short} pixels end at {size}, {LARGEST} is the most"
                );
                return Err(Error::invalid_argument("levels", format!("{why}: take fewer levels or a smaller scale")));
            }
        }
        Ok(params)
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &DeepDreamParams,
    ) -> Result<()> {
        let objective = Objective::new(model.descriptor(), &params.layer, &params.channels, request.target)?;
        let image = request.image(call)?;
        let [_, _, height, width] = image.dims()?;
        let image = Canvas { height, width, pixels: image.into_data() };
        if !model.descriptor().has(Capability::FreeSize) {
            call.notice("ONE_SIZE", &format!("the model takes {width}×{height} pixels only: one level of that size"))?;
        }

        let sizes = sizes(params, height, width);
        let total = u64::from(params.iterations) * sizes.len() as u64;
        let mut step = params.step;
        let mut series = vec![f32::NAN; total as usize];
        let mut done = 0_u64;
        let mut picture = noise(request.seed, sizes[0]);
        let mut before = None;
        for (level, &(height, width)) in sizes.iter().enumerate() {
            picture = match params.start {
                Start::Noise => picture.resized(height, width),
                Start::Image => dreamed_into(image.resized(height, width), before.as_ref()),
            };
            let start = picture.clone();
            let mut climber = Climber::new(call, model, &objective);
            for _ in 0..params.iterations {
                if let Some(live) = call.live_params::<DeepDreamParams>() {
                    step = live.step;
                }
                let shift = shift(request.seed, done, params.jitter);
                let value = climb(&mut picture, step, params.smoothing as usize, shift, |at| climber.gradient(at))?;
                series[done as usize] = value as f32;
                done += 1;
                let meta = ImageMeta {
                    layer: Some(objective.layer().to_owned()),
                    channels: objective.channels().iter().map(|channel| *channel as u32).collect(),
                    level: Some(level as u32),
                    objective: Some(value),
                };
                let shape = [3, height as i64, width as i64];
                call.image("dream").at(done, total).keyframe(TensorView::new(&shape, &picture.pixels), &meta)?;
                let meta = TableMeta { columns: vec!["objective".into()], ..Default::default() };
                call.series("objective").keyframe(TensorView::new(&[total as i64, 1], &series), &meta)?;
                call.metrics(&[("objective", value)])?;
                call.progress(done, total)?;
            }
            before = Some((start, picture.clone()));
        }
        Ok(())
    }
}

/// The sizes of the levels for a model whose input is `height`×`width`.
fn sizes(params: &DeepDreamParams, height: usize, width: usize) -> Vec<(usize, usize)> {
    let enlarge = f64::from(params.size) / height.min(width) as f64;
    let side = |side: usize| (side as f64 * enlarge).round() as usize;
    level_sizes(side(height), side(width), params.levels, params.scale)
}

fn noise(seed: u64, (height, width): (usize, usize)) -> Canvas {
    let mut rng = Rng::new(seed, NOISE_STREAM);
    let pixels = (0..3 * height * width).map(|_| (0.5 + NOISE * rng.normal_f32()).clamp(0.0, 1.0)).collect();
    Canvas { height, width, pixels }
}

/// `image`, and on it what the level `before` has added: its end less its start.
fn dreamed_into(mut image: Canvas, before: Option<&(Canvas, Canvas)>) -> Canvas {
    if let Some((start, end)) = before {
        let (start, end) = (start.resized(image.height, image.width), end.resized(image.height, image.width));
        let added = end.pixels.iter().zip(&start.pixels).map(|(end, start)| end - start);
        image.pixels.iter_mut().zip(added).for_each(|(pixel, added)| *pixel = (*pixel + added).clamp(0.0, 1.0));
    }
    image
}

/// Pixels down and right, each within ±`jitter`.
fn shift(seed: u64, step: u64, jitter: u32) -> (isize, isize) {
    let mut rng = Rng::new(seed, step);
    let mut draw = || rng.below(2 * jitter as usize + 1) as isize - jitter as isize;
    (draw(), draw())
}

/// Asks the model for gradients of an objective at pictures of one size.
struct Climber<'a> {
    call: &'a Call<'a>,
    model: &'a dyn Model,
    objective: &'a Objective,
    /// The layer's shape at this size, once it is known, and the cotangent there.
    cotangent: Option<(Vec<i64>, Vec<f32>)>,
}

impl<'a> Climber<'a> {
    fn new(call: &'a Call<'a>, model: &'a dyn Model, objective: &'a Objective) -> Self {
        Self { call, model, objective, cotangent: None }
    }

    fn gradient(&mut self, at: &Canvas) -> Result<(Vec<f32>, f64)> {
        self.call.check()?;
        let layer = self.objective.layer();
        let shape = [1, 3, at.height as i64, at.width as i64];
        let feeds = [("input", TensorView::new(&shape, &at.pixels))];
        if self.cotangent.is_none() && !self.objective.channels().is_empty() {
            let [value] = &self.model.run(self.call, &feeds, &[layer])?[..] else {
                return Err(Error::internal("one layer was asked for, others came back"));
            };
            self.cotangent = self.objective.cotangent(value.shape()).map(|data| (value.shape().to_vec(), data));
        }
        let cotangent = match &self.cotangent {
            Some((shape, data)) => Cotangent::Tensor(TensorView::new(shape, data)),
            None => Cotangent::Itself,
        };
        let query = Vjp {
            feeds: &feeds,
            cotangents: &[(layer, cotangent)],
            wrt: &["input"],
            fetches: &[layer],
            rule: Rule::Standard,
        };
        let answer = self.model.vjp(self.call, &query)?;
        let [value] = &answer.fetches[..] else {
            return Err(Error::internal("one layer was asked for, others came back"));
        };
        let objective = self.objective.value(value.shape(), value.data());
        let gradient = answer.wrt.into_iter().next().ok_or_else(|| Error::internal("no gradient came back"))?;
        if gradient.data().len() != at.pixels.len() {
            return Err(Error::internal(format!(
                "the gradient has shape {:?}, the picture {shape:?}",
                gradient.shape()
            )));
        }
        Ok((gradient.into_data(), objective))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::testing::{Event, Recorder, conv_net, explain, linear};
    use whyglass_sdk::{Status, Tensor};

    fn grey(side: usize) -> Tensor {
        Tensor::new(vec![1, 3, side as i64, side as i64], vec![0.5; 3 * side * side])
    }

    /// Red less blue: channel 0 of the small convolutional net.
    fn red() -> DeepDreamParams {
        DeepDreamParams { layer: "conv".into(), channels: vec![0], jitter: 2, ..Default::default() }
    }

    fn dream(params: DeepDreamParams, seed: u64) -> (Tensor, Vec<f32>, Recorder) {
        let recorder = Recorder::new();
        explain(&DeepDream, &conv_net(16, 16), &grey(16), Some(0), seed, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        let series = recorder.artifact("objective").unwrap().into_data();
        (recorder.artifact("dream").unwrap(), series, recorder)
    }

    fn mean(values: &[f32]) -> f32 {
        values.iter().sum::<f32>() / values.len() as f32
    }

    #[test]
    fn a_channel_that_sees_red_dreams_of_red() {
        let (dream, objective, _) = dream(red(), 1);
        assert_eq!(dream.shape(), [3, 31, 31], "16 pixels, twice 1.4 times as large");
        assert_eq!(objective.len(), 30);
        assert!(objective.iter().all(|v| v.is_finite()));
        assert!(objective[29] > objective[0] + 0.3, "{objective:?}");
        let planes: Vec<&[f32]> = dream.data().chunks_exact(31 * 31).collect();
        assert!(mean(planes[0]) > 0.65 && mean(planes[2]) < 0.35);
        assert!(dream.data().iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn a_class_dreams_through_its_logit() {
        let params = DeepDreamParams { layer: "logits".into(), levels: 1, ..red() };
        let by_channel = dream(params.clone(), 3).1;
        let by_target = dream(DeepDreamParams { channels: Vec::new(), ..params }, 3).1;
        assert_eq!(by_channel, by_target);
    }

    #[test]
    fn a_whole_layer_grows_in_its_mean_square() {
        let (_, objective, _) = dream(DeepDreamParams { layer: "features".into(), channels: Vec::new(), ..red() }, 5);
        assert!(objective[29] > objective[0], "{objective:?}");
    }

    #[test]
    fn the_seed_decides_the_dream() {
        assert_eq!(dream(red(), 7).0, dream(red(), 7).0);
        assert_ne!(dream(red(), 7).0, dream(red(), 8).0);
    }

    #[test]
    fn a_dream_into_a_picture_without_steps_is_the_picture() {
        let params = DeepDreamParams { start: Start::Image, step: 0.0, size: 16, ..red() };
        assert_eq!(dream(params, 0).0.data(), grey(16).data());
    }

    #[test]
    fn every_step_is_seen() {
        let (_, _, recorder) = dream(DeepDreamParams { iterations: 4, ..red() }, 0);
        let levels: Vec<u64> = recorder
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::Keyframe { artifact, meta, .. } if artifact == "dream" => meta["level"].as_u64(),
                _ => None,
            })
            .collect();
        assert_eq!(levels, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(
            recorder.metric("objective").map(|v| v as f32),
            recorder.artifact("objective").unwrap().data().last().copied()
        );
    }

    #[test]
    fn a_network_of_one_size_dreams_on_one_level_and_says_so() {
        let model = linear(4, 4, &[vec![1.0; 48]]);
        let recorder = Recorder::new();
        let params = DeepDreamParams { layer: "logits".into(), ..red() };
        explain(&DeepDream, &model, &grey(4), Some(0), 0, params, &recorder).unwrap();
        assert_eq!(recorder.notices(), ["ONE_SIZE"]);
        assert_eq!(recorder.artifact("dream").unwrap().shape(), [3, 4, 4]);
        assert_eq!(recorder.artifact("objective").unwrap().shape(), [10, 1]);
    }

    #[test]
    fn the_step_can_be_changed_under_way() {
        let recorder = Recorder::new();
        recorder.set_live_params(&serde_json::json!({ "step": 0.0 }));
        let params = DeepDreamParams { start: Start::Image, ..red() };
        explain(&DeepDream, &conv_net(16, 16), &grey(16), Some(0), 0, params, &recorder).unwrap();
        assert!(recorder.artifact("dream").unwrap().data().iter().all(|v| (v - 0.5).abs() < 1e-6));
    }

    #[test]
    fn what_the_model_does_not_have_is_refused_by_name() {
        let recorder = Recorder::new();
        let resolve = |params| DeepDream.resolve(&recorder.call(), &conv_net(16, 16), params).unwrap_err();
        let error = resolve(DeepDreamParams { channels: vec![2], ..red() });
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "channels"));
        assert_eq!(resolve(DeepDreamParams { layer: "nowhere".into(), ..red() }).field, "layer");
        let error = resolve(DeepDreamParams { levels: 10, scale: 4.0, ..red() });
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "levels"), "{error}");
    }
}
