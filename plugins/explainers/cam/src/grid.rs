//! A layer's values as planes over the picture: feature maps are, and tokens become so on the grid that they were cut
//! from. Class tokens and registers stand for no place and are left out.

use whyglass_sdk::json::{Layer, ModelDescriptor};
use whyglass_sdk::{Error, Result, TensorView};

/// Where the cells of a layer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Of a sequence of tokens: how many of them come before the grid's.
    prefix: Option<usize>,
}

impl Grid {
    /// Of `layer` where its value for one picture has `shape`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming the layer, if its cells have no place in the picture.
    pub(crate) fn of(layer: &Layer, shape: &[i64]) -> Result<Self> {
        match (shape, layer.tokens) {
            (&[1, _, height, width], _) if height > 0 && width > 0 => {
                Ok(Self { height: height as usize, width: width as usize, prefix: None })
            }
            (&[1, tokens, _], Some(grid)) => {
                let [prefix, height, width] = [grid.prefix, grid.height, grid.width].map(|length| length as usize);
                if prefix + height * width != tokens as usize || height * width == 0 {
                    return Err(no_place(&layer.id, &shape[1..]));
                }
                Ok(Self { height, width, prefix: Some(prefix) })
            }
            _ => Err(no_place(&layer.id, shape.get(1..).unwrap_or_default())),
        }
    }

    pub(crate) fn cells(self) -> usize {
        self.height * self.width
    }

    /// `value` as K planes of `cells` each.
    pub(crate) fn planes(self, value: TensorView<'_>) -> Vec<f32> {
        let Some(prefix) = self.prefix else { return value.data().to_vec() };
        let channels = value.shape().last().map_or(0, |&channels| channels as usize);
        let tokens = value.data().get(prefix * channels..).unwrap_or_default();
        (0..channels).flat_map(|channel| tokens.iter().skip(channel).step_by(channels).copied()).collect()
    }

    /// What a person should know of how tokens became cells.
    pub(crate) fn notice(self, layer: &str) -> Option<String> {
        let prefix = self.prefix?;
        let Self { height, width, .. } = self;
        let left_out = match prefix {
            0 => String::new(),
            1 => "; the one token before them, which stands for no place, is left out".to_owned(),
            more => format!("; the {more} tokens before them, which stand for no place, are left out"),
        };
        Some(format!(
            "layer {layer:?} is a sequence: its {} tokens are laid out as {height}×{width} cells{left_out}",
            height * width
        ))
    }
}

/// The layer called `id`, if a class activation map can be made of it.
///
/// # Errors
/// `INVALID_ARGUMENT` or `FAILED_PRECONDITION`, naming the layer and what it lacks.
pub(crate) fn find<'a>(model: &'a ModelDescriptor, id: &str) -> Result<&'a Layer> {
    let Some(layer) = model.layer(id) else {
        let message = if id == "features" {
            "the model has no feature maps that feed a pooling, and no tokens that feed an attention: name a layer with \
             `layer`"
                .to_owned()
        } else {
            format!("the model has no layer {id:?}: `whyglass layers` lists them")
        };
        return Err(Error::invalid_argument("layer", message));
    };
    if !layer.spatial && layer.tokens.is_none() {
        return Err(no_place(id, &layer.shape));
    }
    if !layer.differentiable {
        let why = layer.reason.as_deref().unwrap_or("no gradient flows there");
        return Err(Error::failed_precondition("LAYER_NOT_DIFFERENTIABLE", format!("layer {id:?}: {why}")));
    }
    Ok(layer)
}

fn no_place(id: &str, shape: &[i64]) -> Error {
    let message = match shape {
        [tokens, _] => format!(
            "layer {id:?} is a sequence of {tokens}, and no grid of patches was found that it was cut from: choose a layer \
             with feature maps, or one whose tokens have a grid (`whyglass layers` shows them)"
        ),
        _ => {
            format!("layer {id:?} has shape {shape:?}, not channels × height × width: choose a layer with feature maps")
        }
    };
    Error::invalid_argument("layer", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::json::TokenGrid;

    fn tokens(prefix: u32) -> Layer {
        let grid = TokenGrid { prefix, height: 1, width: 2 };
        Layer { id: "norm".into(), shape: vec![2 + i64::from(prefix), 3], tokens: Some(grid), ..Default::default() }
    }

    #[test]
    fn tokens_become_planes_and_those_before_the_grid_are_left_out() {
        let data = [9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let grid = Grid::of(&tokens(1), &[1, 3, 3]).unwrap();
        assert_eq!((grid.height, grid.width), (1, 2));
        assert_eq!(grid.planes(TensorView::new(&[1, 3, 3], &data)), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let notice = grid.notice("norm").unwrap();
        assert!(notice.contains("2 tokens") && notice.contains("1×2") && notice.contains("one token"), "{notice}");
        let all = Grid::of(&tokens(0), &[1, 2, 3]).unwrap();
        assert_eq!(all.planes(TensorView::new(&[1, 2, 3], &data[3..])), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert!(!all.notice("norm").unwrap().contains("left out"));
    }

    #[test]
    fn feature_maps_are_planes_already_and_nothing_is_said() {
        let layer = Layer { id: "relu".into(), shape: vec![2, 1, 2], spatial: true, ..Default::default() };
        let grid = Grid::of(&layer, &[1, 2, 1, 2]).unwrap();
        assert_eq!(grid.planes(TensorView::new(&[1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0])), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(grid.notice("relu"), None);
    }

    #[test]
    fn a_sequence_without_a_grid_is_refused_by_name() {
        let layer = Layer { id: "words".into(), shape: vec![7, 3], differentiable: true, ..Default::default() };
        let model = ModelDescriptor { layers: vec![layer.clone()], ..Default::default() };
        for error in [find(&model, "words").unwrap_err(), Grid::of(&layer, &[1, 7, 3]).unwrap_err()] {
            assert!(error.message.contains("\"words\"") && error.message.contains("no grid"), "{error}");
        }
        assert!(Grid::of(&tokens(1), &[1, 4, 3]).is_err(), "a length that the grid does not have");
    }
}
