//! `activations`: the feature maps of a layer, side by side, and the strongest of them over the picture.
//!
//! Each channel A^k is scaled to 0…1 by its own extremes; the strongest channel is the one that holds the largest value of
//! the layer. Nothing is explained: this is what the network sees there.
//!
//! Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks*, 2013, show such maps. A layer without places
//! (a vector) is shown as one cell per channel.
//!
//! # How to read it
//!
//! Each tile of `montage` is one channel of the layer: bright where the channel answers to the picture. Early layers
//! answer to edges and colours, late ones to parts and things; hold the tiles against the picture to guess what a
//! channel looks for, and ask `deep-dream` for the same channel to check the guess.
//!
//! # How it misleads
//!
//! - Every tile is stretched to its own range: a channel that is nearly silent looks as lively as the strongest.
//!   `strongest` and its number say which is which.
//! - A strong channel need not matter for the class: the network may weigh it with zero. `grad-cam` weighs.
//! - One channel seldom means one thing; that it lights up on an ear does not make it "the ear channel".
//! - The figure enlarges a coarse grid; see `grad-cam`.

use crate::montage::Montage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ArtifactDescriptor, ArtifactKind, ExplainerDescriptor, ImageMeta, Layer, MapMeta};
use whyglass_sdk::{Call, Error, Explainer, Model, Request, Result, TensorView, value_at};

/// Parameters of `activations`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActivationsParams {
    /// The layer; `features` is what feeds the network's global pooling.
    #[schemars(extend("x-widget" = "layer"))]
    pub layer: String,
    /// The channels that are shown; none: all.
    pub channels: Vec<u32>,
    /// Columns of the montage; 0: about as many as rows.
    #[schemars(range(min = 0, max = 1024))]
    pub grid: u32,
    /// Show the strongest channel over the picture, too.
    pub strongest: bool,
}

impl Default for ActivationsParams {
    fn default() -> Self {
        Self { layer: "features".into(), channels: Vec::new(), grid: 0, strongest: true }
    }
}

/// `values` from 0 at the smallest to 1 at the largest; a constant map is 0.
fn scaled(values: &[f32]) -> Vec<f32> {
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let range = high - low;
    values.iter().map(|value| if range > 0.0 { (value - low) / range } else { 0.0 }).collect()
}

/// The channel with the largest value, and that value.
fn strongest(channels: &[usize], values: &[f32], cells: usize) -> (usize, f32) {
    let peak = |channel: usize| values[channel * cells..(channel + 1) * cells].iter().copied().fold(f32::MIN, f32::max);
    let peaks = channels.iter().map(|channel| (*channel, peak(*channel)));
    // The first of equals.
    peaks.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or((0, 0.0))
}

/// The technique.
pub struct Activations;

impl Explainer for Activations {
    type Params = ActivationsParams;
    const ID: &'static str = "activations";

    fn descriptor(&self) -> ExplainerDescriptor {
        let artifact = |id: &str, title: &str, kind| ArtifactDescriptor {
            id: id.into(),
            title: title.into(),
            kind,
            ..Default::default()
        };
        ExplainerDescriptor {
            title: "Activations".into(),
            description: "Shows the feature maps of a layer side by side, and the strongest of them over the picture."
                .into(),
            family: "features".into(),
            paper: "Zeiler & Fergus 2013, https://arxiv.org/abs/1311.2901".into(),
            artifacts: vec![
                artifact("montage", "Each channel, scaled to 0…1", ArtifactKind::Image),
                artifact("strongest", "The strongest channel", ArtifactKind::Map),
            ],
            progressive: true,
            deterministic: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _call: &Call<'_>, model: &dyn Model, params: ActivationsParams) -> Result<ActivationsParams> {
        let Some(layer) = model.descriptor().layer(&params.layer) else {
            let message = if params.layer == "features" {
                "the model has no feature maps that feed a pooling: name a layer with `layer`".to_owned()
            } else {
                format!("the model has no layer {:?}: `whyglass layers` lists them", params.layer)
            };
            return Err(Error::invalid_argument("layer", message));
        };
        let count = channel_count(layer)?;
        if let Some(channel) = params.channels.iter().find(|channel| **channel as usize >= count) {
            return Err(Error::invalid_argument(
                "channels",
                format!("channel {channel} of {:?}, which has {count}: give numbers from 0 to {}", layer.id, count - 1),
            ));
        }
        Ok(ActivationsParams { layer: layer.id.clone(), ..params })
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &ActivationsParams,
    ) -> Result<()> {
        let image = request.image(call)?;
        let layer = params.layer.as_str();
        let value = value_at(call, model, image.view(), layer)?;
        let (count, height, width) = match *value.shape() {
            [1, count, height, width] => (count as usize, height as usize, width as usize),
            [1, count] => (count as usize, 1, 1),
            ref shape => return Err(not_channels(layer, &shape[1..])),
        };
        let cells = height * width;
        let channels: Vec<usize> = match &params.channels[..] {
            [] => (0..count).collect(),
            some => some.iter().map(|channel| *channel as usize).collect(),
        };

        if params.strongest {
            let (channel, peak) = strongest(&channels, value.data(), cells);
            let map = &value.data()[channel * cells..(channel + 1) * cells];
            let [_, _, picture_height, picture_width] = image.dims()?;
            let meta = MapMeta {
                cell: [picture_height as f64 / height as f64, picture_width as f64 / width as f64],
                signed: map.iter().any(|value| *value < 0.0),
                class: None,
                layer: Some(format!("{layer}, channel {channel}")),
            };
            let shape = [height as i64, width as i64];
            call.map("strongest").keyframe(TensorView::new(&shape, map), &meta)?;
            call.metrics(&[("strongest_channel", channel as f64), ("strongest_activation", f64::from(peak))])?;
        }

        let montage = Montage::new(channels.len(), (height, width), params.grid as usize);
        let (tall, wide) = montage.size();
        let meta =
            ImageMeta { layer: Some(params.layer.clone()), channels: params.channels.clone(), ..Default::default() };
        let picture = call.image("montage");
        picture.keyframe(TensorView::new(&[3, tall as i64, wide as i64], &montage.empty()), &meta)?;
        // A vector has no maps to be scaled one by one: its numbers are compared with each other.
        let vector = if cells == 1 { scaled(value.data()) } else { Vec::new() };
        for row in 0..montage.rows() {
            let maps: Vec<Vec<f32>> = channels[montage.of_row(row)]
                .iter()
                .map(|channel| match vector.get(*channel) {
                    Some(value) => vec![*value],
                    None => scaled(&value.data()[channel * cells..(channel + 1) * cells]),
                })
                .collect();
            let strip = montage.strip(&maps);
            let shape = [3, (strip.len() / 3 / wide) as i64, wide as i64];
            picture.tile(montage.top(row), 0, TensorView::new(&shape, &strip))?;
            call.progress(row as u64 + 1, montage.rows() as u64)?;
        }
        Ok(())
    }
}

/// Number of channels.
fn channel_count(layer: &Layer) -> Result<usize> {
    match layer.shape[..] {
        [channels] | [channels, _, _] if channels > 0 => Ok(channels as usize),
        _ => Err(not_channels(&layer.id, &layer.shape)),
    }
}

fn not_channels(layer: &str, shape: &[i64]) -> Error {
    Error::invalid_argument(
        "layer",
        format!("layer {layer:?} has shape {shape:?}, not channels, or channels × height × width: choose another"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::testing::{Event, Recorder, conv_net, explain, linear};

    /// Red less blue is 1 0 0 −3, green is 1 everywhere (2×2 pixels).
    fn picture() -> Tensor {
        Tensor::new(vec![1, 3, 2, 2], vec![1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 3.0])
    }

    fn run(params: ActivationsParams) -> Recorder {
        let recorder = Recorder::new();
        explain(&Activations, &conv_net(2, 2), &picture(), None, 0, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        recorder
    }

    #[test]
    fn each_channel_is_scaled_by_its_own_extremes() {
        assert_eq!(scaled(&[-1.0, 0.0, 3.0]), [0.0, 0.25, 1.0]);
        assert_eq!(scaled(&[2.0, 2.0]), [0.0, 0.0]);
        let recorder = run(ActivationsParams { layer: "conv".into(), ..Default::default() });
        let montage = recorder.artifact("montage").unwrap();
        let [_, height, width] = montage.dims().unwrap();
        let at = |y: usize, x: usize| montage.data()[y * width + x];
        // Channel 0 in the first cell: 1 0 0 −3 becomes 1, ¾, ¾, 0.
        let quarter = (width - 1) / 4;
        assert_eq!([at(0, 0), at(0, quarter), at(height - 1, quarter)], [1.0, 0.75, 0.0]);
        assert_eq!(at(0, width - 1), 0.0, "channel 1 is the same everywhere");
        let planes: Vec<&[f32]> = montage.data().chunks(height * width).collect();
        assert!(planes[0] == planes[1] && planes[1] == planes[2], "grey");
    }

    #[test]
    fn the_strongest_channel_is_shown_as_it_is() {
        let recorder = run(ActivationsParams { layer: "conv".into(), ..Default::default() });
        assert_eq!(recorder.artifact("strongest").unwrap().data(), [1.0, 0.0, 0.0, -3.0]);
        assert_eq!(recorder.metric("strongest_channel"), Some(0.0));
        let events = recorder.events();
        let Event::Keyframe { meta, .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!((&meta["signed"], &meta["layer"]), (&true.into(), &"conv, channel 0".into()));
        let one = run(ActivationsParams { channels: vec![1], strongest: false, ..Default::default() });
        assert!(one.artifact("strongest").is_none());
    }

    #[test]
    fn the_montage_fills_in_row_by_row() {
        let recorder = run(ActivationsParams { grid: 1, ..Default::default() });
        let tiles = recorder.events().into_iter().filter(|event| matches!(event, Event::Tile { .. })).count();
        assert_eq!(tiles, 2, "two channels in one column");
    }

    #[test]
    fn a_vector_is_a_cell_per_channel_compared_with_each_other() {
        let params = ActivationsParams { layer: "logits".into(), ..Default::default() };
        let recorder = Recorder::new();
        let model = linear(1, 1, &[vec![1.0, 0.0, 0.0], vec![3.0, 0.0, 0.0], vec![2.0, 0.0, 0.0]]);
        let image = Tensor::new(vec![1, 3, 1, 1], vec![1.0, 0.0, 0.0]);
        explain(&Activations, &model, &image, None, 0, ActivationsParams { grid: 3, ..params }, &recorder).unwrap();
        let montage = recorder.artifact("montage").unwrap();
        let [_, _, width] = montage.dims().unwrap();
        assert_eq!([0, width / 2, width - 1].map(|x| montage.data()[x]), [0.0, 1.0, 0.5]);
        assert_eq!(recorder.artifact("strongest").unwrap().data(), [3.0]);
    }

    #[test]
    fn what_the_model_does_not_have_is_refused_by_name() {
        let recorder = Recorder::new();
        let field = |params| Activations.resolve(&recorder.call(), &conv_net(2, 2), params).unwrap_err().field;
        assert_eq!(field(ActivationsParams { channels: vec![2], ..Default::default() }), "channels");
        assert_eq!(field(ActivationsParams { layer: "nowhere".into(), ..Default::default() }), "layer");
        let flat = linear(1, 1, &[vec![1.0; 3]]);
        let error = Activations.resolve(&recorder.call(), &flat, ActivationsParams::default()).unwrap_err();
        assert!(error.message.contains("name a layer"));
    }
}
