//! What a person looks at: an artifact drawn as a figure, the same whether the server or the command line draws it.

use whyglass_engine::json::{ArtifactKind, PointsMeta, TableMeta};
use whyglass_engine::{ArtifactMeta, ArtifactState, Placement};
use whyglass_imaging::{
    ChartFigure, Colormap, Curve, ImageFigure, Map, MapFigure, MatrixFigure, Picture, Pixels, ScatterFigure,
    TableFigure,
};

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
    /// There is nothing to draw it on, or nothing in it.
    #[error("a map without a picture, or an artifact of no known shape: read it as numbers")]
    NotDrawable,
    /// Its values do not have the shape of a picture, or a choice is out of range.
    #[error(transparent)]
    Imaging(#[from] whyglass_imaging::Error),
}

/// Draws a map over `picture` (the upright original; `placement` says where in it the map lies, `None`: all of it), an image
/// by itself, a matrix as a heat map, points as a scatter, a series as curves, a table as it is.
///
/// # Errors
/// For other kinds of artifacts, and for shapes that are none of a picture.
pub fn draw(
    artifact: &ArtifactState,
    picture: Option<&Picture>,
    placement: Option<Placement>,
    look: &Look,
) -> Result<Picture, FigureError> {
    let values = &artifact.tensor.data;
    match (artifact.kind, artifact.tensor.shape.as_slice()) {
        (ArtifactKind::Map, &[height, width]) => {
            let (Some(picture), map) = (picture, Map::new(height, width, values)?) else {
                return Err(FigureError::NotDrawable);
            };
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
        (ArtifactKind::Matrix, &[rows, columns]) => Ok(matrix(artifact, rows, columns, look)),
        (ArtifactKind::Points, &[_, dimensions]) if dimensions >= 2 => Ok(scatter(artifact, dimensions, look)),
        (ArtifactKind::Series, &[_, width]) => Ok(chart(artifact, width, look)),
        (ArtifactKind::Table, &[_, width]) => {
            let (rows, columns) = match &*artifact.meta {
                ArtifactMeta::Table(meta) => (&meta.rows[..], &meta.columns[..]),
                _ => Default::default(),
            };
            let errors = artifact.standard_error.as_ref().map(|error| error.data.as_slice());
            let (title, subtitle) = (&look.title, &look.subtitle);
            Ok(TableFigure { columns, rows, values, errors, width, title, subtitle }.render())
        }
        _ => Err(FigureError::NotDrawable),
    }
}

fn matrix(artifact: &ArtifactState, rows: usize, columns: usize, look: &Look) -> Picture {
    let named = |names: &[String], count: usize| -> Vec<String> {
        (0..count).map(|index| names.get(index).cloned().unwrap_or_else(|| index.to_string())).collect()
    };
    let (rows, columns) = match &*artifact.meta {
        ArtifactMeta::Table(meta) => (named(&meta.rows, rows), named(&meta.columns, columns)),
        _ => (named(&[], rows), named(&[], columns)),
    };
    let figure = MatrixFigure {
        values: &artifact.tensor.data,
        rows: &rows,
        columns: &columns,
        row_axis: "true class",
        column_axis: "predicted class",
        colormap: look.colormap.unwrap_or(Colormap::Viridis),
        title: &look.title,
        subtitle: &look.subtitle,
    };
    figure.render()
}

/// The first two dimensions of the points.
fn scatter(artifact: &ArtifactState, dimensions: usize, look: &Look) -> Picture {
    let unnamed = PointsMeta::default();
    let meta = if let ArtifactMeta::Points(meta) = &*artifact.meta { meta } else { &unnamed };
    let points: Vec<[f32; 2]> =
        artifact.tensor.data.chunks_exact(dimensions).map(|point| [point[0], point[1]]).collect();
    let known: Vec<i64> = meta.classes.keys().copied().collect();
    let names: Vec<String> = meta.classes.values().cloned().collect();
    let place = |classes: &[i64]| -> Vec<Option<usize>> {
        (0..points.len()).map(|index| known.binary_search(classes.get(index)?).ok()).collect()
    };
    let figure = ScatterFigure {
        points: &points,
        classes: &place(if meta.labels.iter().any(|&label| label >= 0) { &meta.labels } else { &meta.predictions }),
        predictions: &place(&meta.predictions),
        names: &names,
        title: &look.title,
        subtitle: &look.subtitle,
    };
    figure.render()
}

/// A curve per column, over the rows' names where those are growing numbers, else over 1, 2, 3, …
fn chart(artifact: &ArtifactState, width: usize, look: &Look) -> Picture {
    let values = &artifact.tensor.data;
    let meta = match &*artifact.meta {
        ArtifactMeta::Table(meta) => meta.clone(),
        _ => TableMeta::default(),
    };
    let count = values.len() / width.max(1);
    let named: Option<Vec<f64>> = meta.rows.iter().map(|row| row.parse().ok()).collect();
    let places = named
        .filter(|places| places.len() == count && places.is_sorted() && places.iter().all(|place| place.is_finite()))
        .unwrap_or_else(|| (1..=count).map(|step| step as f64).collect());
    let curve = |column: usize| Curve {
        name: meta.columns.get(column).map(String::as_str).unwrap_or_default(),
        values: values.iter().skip(column).step_by(width).copied().collect(),
    };
    ChartFigure {
        places: &places,
        curves: (0..width).map(curve).collect(),
        axis: meta.axis.as_deref().unwrap_or("step"),
        unit: meta.unit.as_deref().unwrap_or_default(),
        title: &look.title,
        subtitle: &look.subtitle,
    }
    .render()
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
    use whyglass_engine::json::{ImageMeta, MapMeta};

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
    fn matrices_and_points_are_drawn_with_their_names() {
        let names = vec!["bear".to_owned(), "ox".to_owned()];
        let meta = TableMeta { rows: names.clone(), columns: names, ..Default::default() };
        let matrix = artifact(ArtifactKind::Matrix, &[2, 2], ArtifactMeta::Table(meta));
        assert!(draw(&matrix, None, None, &Look::default()).expect("a figure").width() > 200);
        let meta = PointsMeta {
            labels: vec![0, 294],
            classes: [(0, "a".into()), (294, "b".into())].into(),
            ..Default::default()
        };
        let named = artifact(ArtifactKind::Points, &[2, 3], ArtifactMeta::Points(meta));
        let plain = artifact(ArtifactKind::Points, &[2, 3], ArtifactMeta::Points(PointsMeta::default()));
        let draw = |state| draw(state, None, None, &Look::default()).expect("a figure");
        assert_ne!(draw(&named), draw(&plain));
    }

    #[test]
    fn everything_is_drawn_but_a_map_without_a_picture() {
        let grey = Picture::new(60, 40, vec![128; 60 * 40 * 3]).expect("a picture");
        let map = artifact(ArtifactKind::Map, &[4, 6], ArtifactMeta::Map(MapMeta::default()));
        let figure = draw(&map, Some(&grey), None, &Look::default()).expect("a figure");
        assert!(figure.rgb().chunks_exact(3).any(|rgb| rgb[0].abs_diff(rgb[1]) > 60), "the map has colours");
        let image = artifact(ArtifactKind::Image, &[3, 8, 8], ArtifactMeta::Image(ImageMeta::default()));
        assert!(draw(&image, None, None, &Look::default()).is_ok());
        let table = artifact(ArtifactKind::Table, &[4, 6], ArtifactMeta::Table(TableMeta::default()));
        assert!(draw(&table, None, None, &Look::default()).is_ok());
        let rows = ["0", "0.5", "one"].map(String::from).to_vec();
        for rows in [rows[..2].to_vec(), rows, Vec::new()] {
            let meta = ArtifactMeta::Table(TableMeta { rows, ..Default::default() });
            assert!(draw(&artifact(ArtifactKind::Series, &[3, 2], meta), None, None, &Look::default()).is_ok());
        }
        assert!(matches!(draw(&map, None, None, &Look::default()), Err(FigureError::NotDrawable)));
    }
}
