//! From an attribution of each colour channel to a map, and the map to whoever watches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ArtifactDescriptor, ArtifactKind, MapMeta};
use whyglass_sdk::{Call, Model, Request, Result, Rule, TensorView};

use crate::gradient::gradients;

/// How the three colour channels become one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reduce {
    /// The largest absolute value of the three: how much, not which way.
    AbsMax,
    /// Their sum, with its sign.
    Sum,
    /// The sum, and each channel as a map of its own besides.
    None,
}

impl Reduce {
    /// Whether a map of signed attributions keeps the signs.
    pub(crate) fn keeps_signs(self) -> bool {
        self != Self::AbsMax
    }

    /// 3×`cells` to `cells`.
    pub(crate) fn apply(self, attribution: &[f32]) -> Vec<f32> {
        let (red, green, blue) = planes(attribution);
        let colours = red.iter().zip(green).zip(blue).map(|((r, g), b)| [*r, *g, *b]);
        match self {
            Self::AbsMax => colours.map(|colour| colour.into_iter().map(f32::abs).fold(0.0, f32::max)).collect(),
            Self::Sum | Self::None => colours.map(|colour| colour.into_iter().sum()).collect(),
        }
    }
}

/// The planes of a 3×`cells` attribution.
pub(crate) fn planes<T>(attribution: &[T]) -> (&[T], &[T], &[T]) {
    let (red, rest) = attribution.split_at(attribution.len() / 3);
    let (green, blue) = rest.split_at(rest.len() / 2);
    (red, green, blue)
}

const CHANNELS: [(&str, &str); 3] = [("red", "Red channel"), ("green", "Green channel"), ("blue", "Blue channel")];

/// The artifacts of a technique of this family.
pub(crate) fn artifacts(title: &str, signed: bool) -> Vec<ArtifactDescriptor> {
    let map = |id: &str, title: &str, signed, auxiliary| ArtifactDescriptor {
        id: id.into(),
        title: title.into(),
        kind: ArtifactKind::Map,
        signed,
        auxiliary,
    };
    let channels = CHANNELS.map(|(id, title)| map(id, title, true, true));
    [map("map", title, signed, false)].into_iter().chain(channels).collect()
}

/// Where an attribution is sent: its place in the picture, and its class.
#[derive(Clone, Copy)]
pub(crate) struct Canvas<'a> {
    pub(crate) call: &'a Call<'a>,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) target: usize,
}

impl Canvas<'_> {
    fn meta(&self, signed: bool) -> MapMeta {
        MapMeta { cell: [1.0; 2], signed, class: Some(self.target as i64), layer: None }
    }

    fn shape(&self) -> [i64; 2] {
        [self.height as i64, self.width as i64]
    }

    /// Emits a map of one value per pixel, with its standard error where it is known.
    pub(crate) fn map(&self, values: &[f32], error: Option<&[f32]>, signed: bool) -> Result<()> {
        let (shape, meta) = (self.shape(), self.meta(signed));
        let (map, values) = (self.call.map("map"), TensorView::new(&shape, values));
        match error {
            Some(error) => map.keyframe_with_error(values, TensorView::new(&shape, error), &meta),
            None => map.keyframe(values, &meta),
        }
    }

    /// Emits each channel of a 3×H×W attribution.
    pub(crate) fn channels(&self, attribution: &[f32], signed: bool) -> Result<()> {
        let (red, green, blue) = planes(attribution);
        for ((id, _), plane) in CHANNELS.iter().zip([red, green, blue]) {
            self.call.map(id).keyframe(TensorView::new(&self.shape(), plane), &self.meta(signed))?;
        }
        Ok(())
    }

    /// Emits a signed 3×H×W attribution as `reduce` says.
    pub(crate) fn attribution(&self, attribution: &[f32], reduce: Reduce) -> Result<()> {
        self.map(&reduce.apply(attribution), None, reduce.keeps_signs())?;
        if reduce == Reduce::None { self.channels(attribution, true) } else { Ok(()) }
    }
}

/// The whole of a technique that is one gradient: `attribute` makes of gradient and picture (each 3×H×W) an attribution.
pub(crate) fn one_gradient(
    call: &Call<'_>,
    model: &dyn Model,
    request: &Request<'_>,
    rule: Rule,
    reduce: Reduce,
    attribute: impl FnOnce(Vec<f32>, &[f32]) -> Vec<f32>,
) -> Result<()> {
    let target = request.class()?;
    let image = request.image(call)?;
    let [_, _, height, width] = image.dims()?;
    let gradient = gradients(call, model, target, image.view(), rule)?;
    let attribution = attribute(gradient, image.data());
    Canvas { call, height, width, target }.attribution(&attribution, reduce)?;
    call.progress(1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_a_map_by_size_or_by_sum() {
        let attribution = [1.0, -4.0, -3.0, 1.0, 0.5, 2.0];
        assert_eq!(Reduce::AbsMax.apply(&attribution), [3.0, 4.0]);
        assert_eq!(Reduce::Sum.apply(&attribution), [-1.5, -1.0]);
        assert_eq!(Reduce::None.apply(&attribution), Reduce::Sum.apply(&attribution));
        assert_eq!(planes(&attribution).1, [-3.0, 1.0]);
    }
}
