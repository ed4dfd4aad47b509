//! `tsne`: a map of a dataset on which pictures lie close together where the model finds them alike.
//!
//! The features of a layer (averaged over space where the layer has one) are reduced to their principal components; pairs
//! get affinities p_ij from Gaussians of one perplexity over 3 × perplexity exact neighbours; points y in two or three
//! dimensions get q_ij ∝ (1 + |y_i − y_j|²)⁻¹; gradient descent on KL(P ‖ Q) = Σ p log(p / q), which is reported.
//!
//! van der Maaten & Hinton, *Visualizing Data using t-SNE*, 2008. We start from the principal components rather than from
//! noise (Kobak & Berens 2019) and take N / exaggeration for the learning rate (Belkina et al. 2019), both as openTSNE.
//!
//! # How to read it
//!
//! Each point is a picture; points lie close together where the layer's features are alike. The colour is the true
//! class, and a ring in another colour says what the model took it for. Clusters of one colour are classes that the layer
//! tells apart; a mixed cluster is what it confuses; a point of one colour within another's cluster is a picture to look at.
//!
//! # How it misleads
//!
//! - Distances between clusters, their sizes and their densities mean nothing: the descent keeps neighbours, not
//!   distances (Wattenberg, Viégas & Johnson, *How to Use t-SNE Effectively*, 2016).
//! - Noise clusters, too, at a small `perplexity`. Look with several, and with several seeds: what stays is there.
//! - That classes lie apart says that the layer *has* the information, not that the decision uses it.
//! - The divergence that it reports compares runs with the same pictures and perplexity, and no others.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ArtifactDescriptor, ArtifactKind, ExplainerDescriptor, ModelDescriptor, Need, PointsMeta};
use whyglass_sdk::{Call, Error, Explainer, Images, Model, Request, Result, Tensor, TensorView, with_threads};

use crate::embedding::{
    Affinities, Points, Settings, Snapshot, embed, initial, largest_perplexity, principal_components,
};
use crate::names::{all_or_none, label};
use crate::walk::{best, walk};

/// What makes features alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Their distance.
    #[default]
    Euclidean,
    /// Their angle.
    Cosine,
}

/// Parameters of `tsne`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TsneParams {
    /// The layer whose features are compared; empty: the last before the logits.
    #[schemars(extend("x-widget" = "layer"))]
    pub layer: String,
    /// How many neighbours count, softly; at most a third of the number of pictures.
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub perplexity: f64,
    /// Steps of the descent, a quarter of them with exaggerated attraction.
    #[schemars(range(min = 1, max = 20_000))]
    pub iterations: usize,
    /// The angle under which many far points count as one, where they are too many for all pairs; 0: all pairs always.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub theta: f32,
    /// How much stronger points attract each other at the beginning.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub exaggeration: f32,
    /// Principal components that are kept; 0: the features as they are.
    #[schemars(range(min = 0, max = 1000))]
    pub pca: usize,
    /// What makes features alike.
    pub metric: Metric,
    /// How far a step of the descent goes; 0: the number of pictures over the exaggeration.
    #[schemars(range(min = 0.0, max = 100_000.0))]
    pub learning_rate: f32,
    /// Dimensions of the map.
    #[schemars(range(min = 2, max = 3))]
    pub dims: usize,
    /// Points are sent every so many iterations.
    #[schemars(range(min = 1, max = 1000))]
    pub every: usize,
}

impl Default for TsneParams {
    fn default() -> Self {
        Self {
            layer: String::new(),
            perplexity: 30.0,
            iterations: 1000,
            theta: 0.5,
            exaggeration: 12.0,
            pca: 50,
            metric: Metric::Euclidean,
            learning_rate: 0.0,
            dims: 2,
            every: 20,
        }
    }
}

/// The technique.
pub struct Tsne;

impl Explainer for Tsne {
    type Params = TsneParams;
    const ID: &'static str = "tsne";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "t-SNE".into(),
            description:
                "Lays the pictures of a dataset out so that those whose features are alike lie close together.".into(),
            family: "dataset".into(),
            paper: "van der Maaten & Hinton 2008, https://www.jmlr.org/papers/v9/vandermaaten08a.html".into(),
            needs: vec![Need::Dataset],
            artifacts: vec![ArtifactDescriptor {
                id: "points".into(),
                title: "Pictures by their features".into(),
                kind: ArtifactKind::Points,
                ..Default::default()
            }],
            progressive: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, model: &dyn Model, mut params: TsneParams) -> Result<TsneParams> {
        if params.layer.is_empty() {
            params.layer = last_before_logits(model.descriptor())?;
        }
        Ok(params)
    }

    fn explain(&self, call: &Call<'_>, model: &dyn Model, request: &Request<'_>, params: &TsneParams) -> Result<()> {
        let count = request.images().count();
        fits(params.perplexity, count)?;
        let (features, meta) = features(call, model, request.images(), &params.layer)?;
        fits(params.perplexity, features.count())?;
        with_threads(call, |pool| {
            pool.install(|| match params.dims {
                3 => lay_out::<3>(call, features, &meta, request.seed, params),
                _ => lay_out::<2>(call, features, &meta, request.seed, params),
            })
        })
    }
}

/// Whether the perplexity is possible for so many pictures.
fn fits(perplexity: f64, pictures: usize) -> Result<()> {
    let largest = largest_perplexity(pictures);
    if largest < 1.0 {
        let message = format!("{pictures} pictures are too few for a map: 4 are the least");
        return Err(Error::invalid_argument("dataset", message));
    }
    if perplexity <= largest {
        return Ok(());
    }
    let message = format!(
        "perplexity {perplexity} is too much for {pictures} pictures: give at most {:.1}",
        (largest * 10.0).floor() / 10.0
    );
    Err(Error::invalid_argument("perplexity", message))
}

/// A point per picture that can be read, and what the points are.
fn features(call: &Call<'_>, model: &dyn Model, images: &dyn Images, layer: &str) -> Result<(Points, PointsMeta)> {
    let items = images.descriptor()?.items;
    let all: Vec<usize> = (0..images.count()).collect();
    let (mut data, mut meta) = (Vec::new(), PointsMeta::default());
    walk(call, model, images, &all, &[layer, "logits"], |answers| {
        let rows = answers.pictures.len();
        data.extend(pooled(&answers.outputs[0]));
        let logits = &answers.outputs[1];
        let predicted = logits.data().chunks_exact(logits.data().len() / rows).map(|row| best(row) as i64);
        meta.predictions.extend(predicted);
        for &picture in &answers.pictures {
            meta.items.push(items.get(picture).cloned().unwrap_or_else(|| picture.to_string()));
            meta.labels.push(images.label(picture).map_or(-1, |class| class as i64));
        }
        call.stage(answers.done as u64, all.len() as u64, "features")
    })?;
    if meta.items.is_empty() {
        return Err(Error::failed_precondition("UNREADABLE_DATASET", "no picture of the dataset could be read"));
    }
    let width = data.len() / meta.items.len();
    meta.items = all_or_none(call, &meta.items)?;
    let seen = meta.labels.iter().chain(&meta.predictions).filter_map(|&class| usize::try_from(class).ok());
    let names: BTreeMap<i64, String> = seen.map(|class| (class as i64, label(model.descriptor(), class))).collect();
    meta.classes = names;
    Ok((Points::new(data, width), meta))
}

/// N×C×…: the mean over everything behind the channels.
fn pooled(tensor: &Tensor) -> Vec<f32> {
    match tensor.shape() {
        [rows, channels, space @ ..] if !space.is_empty() => {
            let cells = space.iter().product::<i64>().max(1) as usize;
            let mean = |plane: &[f32]| (plane.iter().map(|v| f64::from(*v)).sum::<f64>() / cells as f64) as f32;
            tensor.data().chunks_exact(cells).map(mean).take((rows * channels) as usize).collect()
        }
        _ => tensor.data().to_vec(),
    }
}

fn lay_out<const D: usize>(
    call: &Call<'_>,
    features: Points,
    meta: &PointsMeta,
    seed: u64,
    params: &TsneParams,
) -> Result<()> {
    let features = match params.metric {
        Metric::Euclidean => features,
        Metric::Cosine => features.unit(),
    };
    let features = if params.pca > 0 && params.pca < features.width() {
        principal_components(&features, params.pca)
    } else {
        features
    };
    let total = params.iterations as u64;
    let mut points = initial::<D>(&features, seed);
    show(call, &points, meta)?;
    call.stage(0, total, "neighbours")?;
    let affinities = Affinities::new(&features, params.perplexity);
    let settings = Settings {
        iterations: params.iterations,
        early: params.iterations / 4,
        exaggeration: params.exaggeration,
        learning_rate: params.learning_rate,
        theta: params.theta,
        every: params.every,
    };
    embed(&affinities, &mut points, &settings, |shot: Snapshot<'_, D>| {
        show(call, shot.points, meta)?;
        call.metrics(&[("kl-divergence", shot.divergence)])?;
        call.stage(shot.iteration as u64, total, "descent")
    })
}

fn show<const D: usize>(call: &Call<'_>, points: &[[f32; D]], meta: &PointsMeta) -> Result<()> {
    let data: Vec<f32> = points.iter().flatten().copied().collect();
    call.points("points").keyframe(TensorView::new(&[points.len() as i64, D as i64], &data), meta)
}

/// What the pooling over the features gives, which is what the classes are told apart by; without a pooling the last layer
/// that is not as wide as there are classes.
fn last_before_logits(model: &ModelDescriptor) -> Result<String> {
    let elements = |shape: &[i64]| shape.iter().product::<i64>();
    let place = |id: &str| model.layers.iter().position(|layer| layer.id == id);
    if let Some(features) = model.feature_layer.as_deref().and_then(place) {
        let layer = &model.layers[features];
        // A sequence of tokens has its channels last.
        let channels = if layer.tokens.is_some() { layer.shape.last() } else { layer.shape.first() };
        let channels = channels.copied().unwrap_or_default();
        let pooled =
            model.layers[features + 1..].iter().find(|layer| !layer.spatial && elements(&layer.shape) == channels);
        return Ok(pooled.unwrap_or(&model.layers[features]).id.clone());
    }
    let end = place("logits").unwrap_or(model.layers.len());
    let before = model.layers[..end].iter().rev();
    let found = before
        .into_iter()
        .find(|layer| elements(&layer.shape) > 1 && elements(&layer.shape) != i64::from(model.classes));
    found.map(|layer| layer.id.clone()).ok_or_else(|| {
        Error::invalid_argument(
            "layer",
            "the model has no layer before its logits that could be compared: name one with `layer`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Status;
    use whyglass_sdk::rng::Rng;
    use whyglass_sdk::testing::{Event, Pictures, Recorder, conv_net};

    /// Red pictures are class 0, green ones class 1, each with a little noise.
    fn pictures(count: usize) -> Pictures {
        let mut rng = Rng::new(1, 0);
        let picture = |index: usize| {
            let mut data = vec![0.0; 48];
            data[16 * (index % 2)..][..16].fill(1.0);
            data.iter_mut().for_each(|v: &mut f32| *v += 0.02 * rng.normal_f32());
            (Tensor::new(vec![1, 3, 4, 4], data), index % 2)
        };
        Pictures::labelled((0..count).map(picture).collect::<Vec<_>>())
    }

    fn run(count: usize, params: TsneParams, recorder: &Recorder) -> Result<()> {
        let model = conv_net(4, 4);
        let params = Tsne.resolve(&recorder.call(), &model, params)?;
        let set = pictures(count);
        Tsne.explain(&recorder.call(), &model, &Request::new(&set, None, 3), &params)
    }

    #[test]
    fn points_come_before_the_descent_and_then_with_the_divergence() {
        let recorder = Recorder::new();
        let params = TsneParams { perplexity: 5.0, iterations: 100, ..Default::default() };
        run(40, params, &recorder).unwrap();
        let events = recorder.events();
        let frames: Vec<_> =
            events.iter().enumerate().filter(|(_, event)| matches!(event, Event::Keyframe { .. })).collect();
        assert_eq!(frames.len(), 1 + 5, "at the start and every 20 of 100 iterations");
        let first_metric = events.iter().position(|event| matches!(event, Event::Metrics(_))).unwrap();
        assert!(frames[0].0 < first_metric);
        let Event::Keyframe { tensor, meta, .. } = frames[5].1 else { unreachable!() };
        assert_eq!(tensor.shape(), [40, 2]);
        assert_eq!((meta["items"][3].as_str(), meta["labels"][3].as_i64()), (Some("picture-3"), Some(1)));
        assert_eq!(meta["predictions"][0], 0);
        assert_eq!(meta["classes"]["1"], "1");
        assert!(recorder.metric("kl-divergence").unwrap() > 0.0);
    }

    #[test]
    fn too_much_perplexity_says_how_much_is_possible() {
        let error = run(40, TsneParams::default(), &Recorder::new()).unwrap_err();
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "perplexity"));
        assert!(error.message.contains("40 pictures") && error.message.contains("13.0"), "{error}");
        assert_eq!(run(3, TsneParams::default(), &Recorder::new()).unwrap_err().field, "dataset");
    }

    #[test]
    fn the_layer_is_the_pooled_features_and_spatial_ones_are_averaged() {
        assert_eq!(last_before_logits(conv_net(4, 4).descriptor()).unwrap(), "pool");
        let maps = Tensor::new(vec![1, 2, 1, 2], vec![1.0, 3.0, 5.0, 6.0]);
        assert_eq!(pooled(&maps), [2.0, 5.5]);
    }

    #[test]
    fn three_dimensions_are_possible_and_a_stop_is_felt() {
        let recorder = Recorder::new();
        let params =
            TsneParams { perplexity: 3.0, iterations: 20, dims: 3, metric: Metric::Cosine, ..Default::default() };
        run(20, params.clone(), &recorder).unwrap();
        assert_eq!(recorder.artifact("points").unwrap().shape(), [20, 3]);
        let error = run(20, params, &Recorder::new().cancel_after(4)).unwrap_err();
        assert!(error.is_cancelled());
    }
}
