//! What a dream makes grow: channels of a layer, a class, or whatever a layer sees. An objective is a cotangent at a
//! layer, and the number that it is the gradient of.

use whyglass_sdk::json::{Layer, ModelDescriptor};
use whyglass_sdk::{Error, Result};

/// Something to climb.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Objective {
    /// The mean activation of these channels of the layer.
    Channels { layer: String, channels: Vec<usize> },
    /// Half the mean square of the whole layer: more of whatever it sees already.
    Everything { layer: String },
}

impl Objective {
    /// The objective for `layer` and `channels` (none: the class `target` where the layer is one score per class, and
    /// everything elsewhere).
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the layer or a channel is not there; `FAILED_PRECONDITION` if no gradient flows there.
    pub(crate) fn new(model: &ModelDescriptor, layer: &str, channels: &[u32], target: Option<usize>) -> Result<Self> {
        let scores = matches!(layer, "logits" | "probabilities");
        let width = if scores { model.classes as usize } else { width(find(model, layer)?)? };
        let channels = match (channels, target) {
            ([], Some(target)) if scores => vec![target],
            ([], _) => return Ok(Self::Everything { layer: layer.to_owned() }),
            (channels, _) => channels.iter().map(|channel| *channel as usize).collect(),
        };
        match channels.iter().find(|channel| **channel >= width) {
            Some(channel) => Err(Error::invalid_argument(
                "channels",
                format!("channel {channel} of {layer:?}, which has {width}: give numbers from 0 to {}", width - 1),
            )),
            None => Ok(Self::Channels { layer: layer.to_owned(), channels }),
        }
    }

    pub(crate) fn layer(&self) -> &str {
        match self {
            Self::Channels { layer, .. } | Self::Everything { layer } => layer,
        }
    }

    /// The channels that grow; empty for all.
    pub(crate) fn channels(&self) -> &[usize] {
        match self {
            Self::Channels { channels, .. } => channels,
            Self::Everything { .. } => &[],
        }
    }

    /// The cotangent for a layer of `shape` (1×C or 1×C×H×W): `None` is the layer's own value.
    pub(crate) fn cotangent(&self, shape: &[i64]) -> Option<Vec<f32>> {
        let Self::Channels { channels, .. } = self else { return None };
        let cells = shape[2..].iter().product::<i64>() as usize;
        let mut cotangent = vec![0.0; shape[1] as usize * cells];
        let weight = 1.0 / (cells * channels.len()) as f32;
        for channel in channels {
            cotangent[channel * cells..(channel + 1) * cells].iter_mut().for_each(|v| *v += weight);
        }
        Some(cotangent)
    }

    /// The number that grows, of the layer's `values` (1×C×…, of `shape`).
    pub(crate) fn value(&self, shape: &[i64], values: &[f32]) -> f64 {
        match self {
            Self::Channels { channels, .. } => {
                let cells = shape[2..].iter().product::<i64>() as usize;
                let sum: f64 = channels
                    .iter()
                    .flat_map(|channel| &values[channel * cells..(channel + 1) * cells])
                    .map(|v| f64::from(*v))
                    .sum();
                sum / (cells * channels.len()) as f64
            }
            Self::Everything { .. } => {
                values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / (2.0 * values.len() as f64)
            }
        }
    }
}

/// The layer that dreams best of itself: the deepest whose grid is still at least twice as fine as that of the features.
/// It knows parts of things, and where they are; behind it a network knows only what there is, and dreams are grain.
///
/// # Errors
/// `INVALID_ARGUMENT` if the model has no layer with a place in the picture.
pub(crate) fn dreamiest(model: &ModelDescriptor) -> Result<&Layer> {
    let usable = || model.layers.iter().filter(|layer| layer.spatial && layer.reaches_input);
    let coarsest = model.layer("features").or_else(|| usable().next_back()).and_then(|layer| layer.shape.last());
    let fine = |layer: &&Layer| layer.shape.last().zip(coarsest).is_some_and(|(own, least)| *own >= 2 * least);
    usable().rfind(fine).or_else(|| usable().next_back()).ok_or_else(|| {
        Error::invalid_argument("layer", "the model has no feature maps to choose from: name a layer, or \"logits\"")
    })
}

/// The layer called `id`, if a dream can be made of it.
fn find<'a>(model: &'a ModelDescriptor, id: &str) -> Result<&'a Layer> {
    let Some(layer) = model.layer(id) else {
        let message = format!("the model has no layer {id:?}: `whyglass layers` lists them");
        return Err(Error::invalid_argument("layer", message));
    };
    if !layer.reaches_input {
        let why = layer.reason.as_deref().unwrap_or("no gradient flows from it to the picture");
        return Err(Error::failed_precondition("LAYER_NOT_DIFFERENTIABLE", format!("layer {id:?}: {why}")));
    }
    Ok(layer)
}

/// Number of channels.
fn width(layer: &Layer) -> Result<usize> {
    match layer.shape[..] {
        [channels] | [channels, _, _] if channels > 0 => Ok(channels as usize),
        _ => Err(Error::invalid_argument(
            "layer",
            format!(
                "layer {:?} has shape {:?}: a dream needs channels, or channels × height × width",
                layer.id, layer.shape
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelDescriptor {
        let layer = Layer { id: "conv".into(), shape: vec![4, 2, 2], reaches_input: true, ..Default::default() };
        let dead = Layer {
            id: "argmax".into(),
            shape: vec![1],
            reason: Some("ArgMax has no derivative".into()),
            ..Default::default()
        };
        ModelDescriptor { classes: 3, layers: vec![layer, dead], ..Default::default() }
    }

    #[test]
    fn channels_grow_by_their_mean() {
        let objective = Objective::new(&model(), "conv", &[1, 3], Some(0)).unwrap();
        let cotangent = objective.cotangent(&[1, 4, 2, 2]).unwrap();
        let values: Vec<f32> = (0..16).map(|v| v as f32).collect();
        assert_eq!(cotangent[..4], [0.0; 4]);
        assert_eq!(cotangent[4..8], [0.125; 4]);
        let by_cotangent: f32 = cotangent.iter().zip(&values).map(|(c, v)| c * v).sum();
        assert_eq!(f64::from(by_cotangent), objective.value(&[1, 4, 2, 2], &values));
    }

    #[test]
    fn without_channels_a_layer_of_scores_means_the_class_and_any_other_everything() {
        let class = Objective::new(&model(), "logits", &[], Some(2)).unwrap();
        assert_eq!(class.cotangent(&[1, 3]).unwrap(), [0.0, 0.0, 1.0]);
        let everything = Objective::new(&model(), "conv", &[], Some(2)).unwrap();
        assert_eq!(everything.cotangent(&[1, 4, 2, 2]), None);
        assert_eq!(everything.value(&[1, 2], &[3.0, 1.0]), 2.5);
    }

    #[test]
    fn the_layer_is_chosen_one_halving_before_the_end() {
        let layer = |id: &str, side| Layer {
            id: id.into(),
            shape: vec![8, side, side],
            spatial: true,
            reaches_input: true,
            ..Default::default()
        };
        let layers = vec![layer("a", 28), layer("b", 14), layer("c", 14), layer("d", 7), layer("e", 7)];
        let model = ModelDescriptor { layers, feature_layer: Some("e".into()), ..Default::default() };
        assert_eq!(dreamiest(&model).unwrap().id, "c");
        let flat = ModelDescriptor { layers: vec![layer("d", 7), layer("e", 7)], ..Default::default() };
        assert_eq!(dreamiest(&flat).unwrap().id, "e");
        assert_eq!(dreamiest(&ModelDescriptor::default()).unwrap_err().field, "layer");
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        assert_eq!(Objective::new(&model(), "conv", &[4], None).unwrap_err().field, "channels");
        assert_eq!(Objective::new(&model(), "logits", &[3], None).unwrap_err().field, "channels");
        assert_eq!(Objective::new(&model(), "relu", &[], None).unwrap_err().field, "layer");
        assert!(
            Objective::new(&model(), "argmax", &[], None).unwrap_err().message.contains("ArgMax has no derivative")
        );
    }
}
