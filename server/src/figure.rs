//! What a person looks at: an artifact drawn as a figure, the same whether the server or the command line draws it.

use whyglass_engine::json::ArtifactKind;
use whyglass_engine::{ArtifactMeta, ArtifactState, Placement};
use whyglass_imaging::{Colormap, ImageFigure, Map, MapFigure, Picture, Pixels};

/// How an artifact is drawn.
#[derive(Clone, Debug)]
pub struct Look {
    /// `None`: turbo, or a diverging one for a signed map.
    pub colormap: Option<Colormap>,
    /// How much of the picture a map covers, 0…1.
    pub alpha: f64,
    /// One line; may be empty.
    pub title: String,
    /// One line; may be empty.
    pub subtitle: String,
}

impl Default for Look {
    fn default() -> Self {
        Self { colormap: None, alpha: 0.5, title: String::new(), subtitle: String::new() }
    }
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FigureError {
    /// Only maps and images are pictures.
    #[error("the artifact is not a map or an image: read it as numbers")]
    NotDrawable,
    /// Its values do not have the shape of a picture, or a choice is out of range.
    #[error(transparent)]
    Imaging(#[from] whyglass_imaging::Error),
}

/// Draws a map over `picture` (the upright original; `placement` says where in it the map lies, `None`: all of it), or an
/// image by itself.
///
/// # Errors
/// For other kinds of artifacts, and for shapes that are none of a picture.
pub fn draw(
    artifact: &ArtifactState,
    picture: &Picture,
    placement: Option<Placement>,
    look: &Look,
) -> Result<Picture, FigureError> {
    let values = &artifact.tensor.data;
    match (artifact.kind, artifact.tensor.shape.as_slice()) {
        (ArtifactKind::Map, &[height, width]) => {
            let map = Map::new(height, width, values)?;
            let signed = matches!(&*artifact.meta, ArtifactMeta::Map(meta) if meta.signed);
            let mut figure = MapFigure::new(picture, map, placed(placement, picture), signed);
            figure.colormap = look.colormap.unwrap_or(figure.colormap);
            figure.alpha = look.alpha.clamp(0.0, 1.0);
            figure.title = &look.title;
            figure.subtitle = &look.subtitle;
            Ok(figure.render())
        }
        (ArtifactKind::Image, &[3, height, width]) => {
            let pixels = Pixels::new(height, width, values.to_vec())?;
            Ok(ImageFigure { pixels: &pixels, title: &look.title, subtitle: &look.subtitle }.render())
        }
        _ => Err(FigureError::NotDrawable),
    }
}

fn placed(placement: Option<Placement>, picture: &Picture) -> whyglass_imaging::Placement {
    let placement = placement.unwrap_or(Placement {
        original_width: picture.width(),
        original_height: picture.height(),
        x: 0.0,
        y: 0.0,
        width: f64::from(picture.width()),
        height: f64::from(picture.height()),
    });
    whyglass_imaging::Placement {
        original_width: placement.original_width,
        original_height: placement.original_height,
        x: placement.x,
        y: placement.y,
        width: placement.width,
        height: placement.height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use whyglass_engine::Tensor;
    use whyglass_engine::json::{ImageMeta, MapMeta, TableMeta};

    fn artifact(kind: ArtifactKind, shape: &[usize], meta: ArtifactMeta) -> ArtifactState {
        let data = (0..shape.iter().product()).map(|i| i as f32 / 100.0).collect();
        ArtifactState {
            id: "a".into(),
            kind,
            tensor: Tensor { shape: shape.to_vec(), data: Arc::new(data) },
            standard_error: None,
            meta: Arc::new(meta),
            last_sequence: 3,
            is_final: true,
        }
    }

    #[test]
    fn maps_and_images_are_drawn_and_tables_are_not() {
        let grey = Picture::new(60, 40, vec![128; 60 * 40 * 3]).expect("a picture");
        let map = artifact(ArtifactKind::Map, &[4, 6], ArtifactMeta::Map(MapMeta::default()));
        let figure = draw(&map, &grey, None, &Look::default()).expect("a figure");
        assert!(figure.rgb().chunks_exact(3).any(|rgb| rgb[0].abs_diff(rgb[1]) > 60), "the map has colours");
        let image = artifact(ArtifactKind::Image, &[3, 8, 8], ArtifactMeta::Image(ImageMeta::default()));
        assert!(draw(&image, &grey, None, &Look::default()).is_ok());
        let table = artifact(ArtifactKind::Table, &[4, 6], ArtifactMeta::Table(TableMeta::default()));
        assert!(matches!(draw(&table, &grey, None, &Look::default()), Err(FigureError::NotDrawable)));
    }
}
