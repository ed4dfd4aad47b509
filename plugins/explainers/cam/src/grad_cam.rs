//! `grad-cam`: which feature maps speak for the class, added up where they are active.
//!
//! M = ReLU(Σ_k α_k A^k) with α_k = mean over the plane of ∂f_c/∂A^k; A^k is channel k of the layer, f_c the logit of
//! class c. The map has the layer's own grid. Of a transformer's tokens, those that were cut from the picture are the cells;
//! class tokens and registers are left out, and a notice says so.
//!
//! Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*, 2017. We
//! deviate in nothing; `relu = false` keeps what speaks against the class.
//!
//! # How to read it
//!
//! Bright cells are where feature maps that raise the class are active. The map is as coarse as the layer (7×7 for a
//! 224×224 picture, as a rule), and the figure enlarges it: read regions from it, never outlines. Only ratios within
//! one map mean something, not the numbers themselves. Compare the same picture for two classes, or two
//! networks on the same picture: the difference says more than one map.
//!
//! # How it misleads
//!
//! - A cell sees far more than the pixels beneath it: its receptive field often covers the whole picture, so that
//!   evidence may lie beside the bright spot.
//! - ReLU throws away what speaks against the class. A map that is zero everywhere is an answer (no feature map
//!   speaks for it); look at it again with `relu = false`.
//! - α is an average over the plane: of two objects of one class the weaker may vanish, and a feature map whose
//!   gradient changes sign cancels out.
//! - It depends on which layer, and on where in a block: before and after a batch normalisation maps differ visibly.
//! - The sum of the map is not the logit, except where a global average pooling and one linear layer follow.

use crate::grid::{self, Grid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ArtifactDescriptor, ArtifactKind, Capability, ExplainerDescriptor, MapMeta, Need};
use whyglass_sdk::{
    Call, Cotangent, Error, Explainer, INPUT, LOGITS, Model, Request, Result, Rule, Tensor, TensorView, Vjp, value_at,
};

/// Parameters of `grad-cam`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GradCamParams {
    /// The layer whose feature maps are weighted; `features` is what feeds the network's global pooling, or the last
    /// attention of a transformer that reads a class token.
    #[schemars(extend("x-widget" = "layer", "x-spatial" = true))]
    pub layer: String,
    /// Keep only what speaks for the class.
    pub relu: bool,
}

impl Default for GradCamParams {
    fn default() -> Self {
        Self { layer: "features".into(), relu: true }
    }
}

/// Σ_k α_k A^k over `cells` cells: `activations` and `gradients` are K×`cells`. In float64, as K may be thousands.
fn weighted_sum(activations: &[f32], gradients: &[f32], cells: usize, relu: bool) -> Vec<f32> {
    let mut map = vec![0.0_f64; cells];
    for (activation, gradient) in activations.chunks_exact(cells).zip(gradients.chunks_exact(cells)) {
        let alpha = gradient.iter().map(|v| f64::from(*v)).sum::<f64>() / cells as f64;
        map.iter_mut().zip(activation).for_each(|(sum, a)| *sum += alpha * f64::from(*a));
    }
    map.into_iter().map(|v| if relu { v.max(0.0) } else { v } as f32).collect()
}

/// The technique.
pub struct GradCam;

impl Explainer for GradCam {
    type Params = GradCamParams;
    const ID: &'static str = "grad-cam";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "Grad-CAM".into(),
            description: "Weights a layer's feature maps by their gradients: the regions that speak for the class."
                .into(),
            family: "cam".into(),
            paper: "Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391".into(),
            needs: vec![Need::Gradients],
            artifacts: vec![ArtifactDescriptor {
                id: "map".into(),
                title: "Evidence for the class".into(),
                kind: ArtifactKind::Map,
                ..Default::default()
            }],
            deterministic: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, model: &dyn Model, params: GradCamParams) -> Result<GradCamParams> {
        let layer = grid::find(model.descriptor(), &params.layer)?;
        Ok(GradCamParams { layer: layer.id.clone(), ..params })
    }

    fn explain(&self, call: &Call<'_>, model: &dyn Model, request: &Request<'_>, params: &GradCamParams) -> Result<()> {
        let descriptor = model.descriptor();
        let target = request.class()?;
        let classes = descriptor.classes as usize;
        if target >= classes {
            return Err(Error::invalid_argument("target", format!("class {target} of a model with {classes} classes")));
        }
        let image = request.image(call)?;
        let layer = params.layer.as_str();
        let (activation, gradient) = at_layer(call, model, image.view(), layer, target)?;
        let grid = Grid::of(grid::find(descriptor, layer)?, activation.shape())?;
        if let Some(notice) = grid.notice(layer) {
            call.notice("TOKENS_AS_GRID", &notice)?;
        }
        let (activation, gradient) = (grid.planes(activation.view()), grid.planes(gradient.view()));
        let map = weighted_sum(&activation, &gradient, grid.cells(), params.relu);
        let (height, width) = (grid.height as i64, grid.width as i64);
        let meta = MapMeta {
            cell: cell(image.shape(), height, width),
            signed: !params.relu,
            class: Some(target as i64),
            layer: Some(params.layer.clone()),
        };
        call.map("map").keyframe(TensorView::new(&[height, width], &map), &meta)?;
        call.progress(1, 1)
    }
}

/// The value of `layer` for `picture`, and the gradient of the logit of class `target` with respect to it.
fn at_layer(
    call: &Call<'_>,
    model: &dyn Model,
    picture: TensorView<'_>,
    layer: &str,
    target: usize,
) -> Result<(Tensor, Tensor)> {
    let descriptor = model.descriptor();
    let mut one_hot = vec![0.0; descriptor.classes as usize];
    one_hot[target] = 1.0;
    let shape = [1, one_hot.len() as i64];
    let cotangents = [(LOGITS, Cotangent::Tensor(TensorView::new(&shape, &one_hot)))];
    let gradient_of = |feeds: &[(&str, TensorView<'_>)], fetches: &[&str]| {
        model.vjp(call, &Vjp { feeds, cotangents: &cotangents, wrt: &[layer], fetches, rule: Rule::Standard })
    };
    let others = || Error::internal("one gradient and one layer were asked for, others came back");
    // Where the engine has asked for the layer already, the way there and back begins at it.
    if descriptor.has(Capability::InnerFeeds) && descriptor.first_fetches().contains(&layer) {
        let activation = value_at(call, model, picture, layer)?;
        let gradient = gradient_of(&[(INPUT, picture), (layer, activation.view())], &[])?.wrt.pop();
        return Ok((activation, gradient.ok_or_else(others)?));
    }
    let mut both = gradient_of(&[(INPUT, picture)], &[layer])?;
    both.fetches.pop().zip(both.wrt.pop()).ok_or_else(others)
}

/// Input pixels per cell of a `height`×`width` grid over a picture of shape N×3×H×W.
fn cell(picture: &[i64], height: i64, width: i64) -> [f64; 2] {
    [picture[2] as f64 / height as f64, picture[3] as f64 / width as f64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Status;
    use whyglass_sdk::testing::{Chain, Event, Recorder, conv_net, explain, linear};

    /// Red minus blue is 4 0 0 0, green is 1 everywhere (2×2 pixels, of colours beyond white so that sums stay whole).
    fn picture() -> Tensor {
        Tensor::new(vec![1, 3, 2, 2], vec![4.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    }

    fn run(target: usize, params: GradCamParams) -> Recorder {
        let recorder = Recorder::new();
        explain(&GradCam, &conv_net(2, 2), &picture(), Some(target), 0, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        recorder
    }

    #[test]
    fn a_pooled_linear_head_weighs_each_map_by_its_weight_over_the_cells() {
        // Channel 0 is 4 0 0 0; channel 1 is 4/9 − 1/4 in each cell. Class 0 weighs them (1, 0), each α = weight / 4.
        let map = run(0, GradCamParams::default()).artifact("map").unwrap();
        assert_eq!(map, Tensor::new(vec![2, 2], vec![1.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn the_way_back_begins_at_the_features_or_goes_through_the_network_once_more() {
        let of = |model: Chain, layer: &str| {
            let (recorder, params) = (Recorder::new(), GradCamParams { layer: layer.into(), relu: false });
            explain(&GradCam, &model, &picture(), Some(2), 0, params, &recorder).unwrap();
            recorder.artifact("map").unwrap()
        };
        let at_features = of(conv_net(2, 2), "features");
        assert_eq!(of(conv_net(2, 2).without_inner_feeds(), "features"), at_features);
        // Another layer, of which nobody has asked before: the rectifier is on where its channel is positive.
        let conv = of(conv_net(2, 2), "conv");
        assert_eq!(conv, of(conv_net(2, 2).without_inner_feeds(), "conv"));
        assert_ne!(conv, at_features);
    }

    #[test]
    fn what_speaks_against_the_class_is_kept_only_without_relu() {
        let green = (4.0 / 9.0 - 0.25) / 4.0;
        let signed = run(2, GradCamParams { relu: false, ..Default::default() }).artifact("map").unwrap();
        let expected = [green - 1.0, green, green, green];
        assert!(signed.data().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{signed:?}");
        let positive = run(2, GradCamParams::default()).artifact("map").unwrap();
        assert_eq!(positive.data()[0], 0.0);
        assert_eq!(positive.data()[1..], signed.data()[1..]);
    }

    #[test]
    fn the_keyframe_says_which_class_layer_and_cell() {
        let events = run(1, GradCamParams::default()).events();
        let Event::Keyframe { meta, .. } = &events[0] else { panic!("{events:?}") };
        let expected = MapMeta { cell: [1.0, 1.0], signed: false, class: Some(1), layer: Some("relu".into()) };
        assert_eq!(*meta, serde_json::to_value(expected).unwrap());
        assert_eq!(cell(&[1, 3, 224, 448], 7, 7), [32.0, 64.0]);
    }

    #[test]
    fn a_layer_without_a_place_in_the_picture_is_refused_by_name() {
        let recorder = Recorder::new();
        let resolve = |layer: &str, model: &dyn Model| {
            GradCam.resolve(&recorder.call(), model, GradCamParams { layer: layer.into(), relu: true })
        };
        let error = resolve("pool", &conv_net(2, 2)).unwrap_err();
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "layer"));
        assert!(error.message.contains("\"pool\""), "{error}");
        assert!(resolve("nowhere", &conv_net(2, 2)).unwrap_err().message.contains("\"nowhere\""));
        let flat = linear(1, 1, &[vec![1.0; 3]]);
        assert!(resolve("features", &flat).unwrap_err().message.contains("name a layer"));
        assert_eq!(resolve("features", &conv_net(2, 2)).unwrap().layer, "relu");
    }
}
