//! What a person looks at: a picture with a map over it and a colour bar beside it, or a picture alone, under a title. In
//! files of their own: a matrix as a heat map, points as a scatter, a series as curves, a table.

mod bar;
mod chart;
mod header;
mod matrix;
mod scatter;
mod table;

pub use chart::{ChartFigure, Curve};
pub use matrix::MatrixFigure;
pub use scatter::ScatterFigure;
pub use table::TableFigure;

use crate::canvas::{Area, Canvas};
use crate::colormap::Colormap;
use crate::fit::Placement;
use crate::layout::{Layout, shown};
use crate::overlay::{Map, overlay};
use crate::picture::{Picture, Pixels};
use crate::scale::Scale;
use crate::text::Typeface;

/// A map over a picture, with colour bar, title and subtitle.
#[derive(Clone, Debug)]
pub struct MapFigure<'a> {
    /// The upright original.
    pub picture: &'a Picture,
    pub map: Map<'a>,
    /// Where the map lies in the original.
    pub placement: Placement,
    pub colormap: Colormap,
    pub scale: Scale,
    /// Opacity of the map, 0…1.
    pub alpha: f64,
    /// One line, cut where it does not fit; may be empty.
    pub title: &'a str,
    /// One line, cut where it does not fit; may be empty.
    pub subtitle: &'a str,
}

impl<'a> MapFigure<'a> {
    /// A figure with the standard colours and the range of the map's own values, but for a few that tower above the rest.
    #[must_use]
    pub fn new(picture: &'a Picture, map: Map<'a>, placement: Placement, signed: bool) -> Self {
        Self {
            picture,
            map,
            placement,
            colormap: Colormap::standard(signed),
            scale: Scale::robust(map.values(), signed),
            alpha: 0.5,
            title: "",
            subtitle: "",
        }
    }

    /// Draws it.
    #[must_use]
    pub fn render(&self) -> Picture {
        let typeface = Typeface::load();
        let gutter = |unit: f32| bar::width(&typeface, &self.scale, unit);
        let layout = Layout::new(&typeface, self.picture, self.title, self.subtitle, gutter);
        let mut canvas = layout.canvas(&typeface);
        let picture = shown(self.picture, layout.picture);
        let covered = overlay(&picture, &self.map, &self.placement, self.colormap, &self.scale, self.alpha);
        canvas.paste(&covered, layout.picture.x, layout.picture.y);
        self.outline_what_was_seen(&mut canvas, layout.picture);
        bar::draw(&mut canvas, &typeface, layout.picture, layout.unit, layout.small(), &self.scale, self.colormap);
        canvas.into_picture()
    }

    /// A hairline around what the model saw, where that is not the whole picture.
    fn outline_what_was_seen(&self, canvas: &mut Canvas, area: Area) {
        if self.placement.is_whole() {
            return;
        }
        let place = &self.placement;
        let edge = |start: f64, length: f64, original: u32, shown: usize| {
            let scale = shown as f64 / f64::from(original);
            let from = (start * scale).round().clamp(0.0, shown as f64) as usize;
            let to = ((start + length) * scale).round().clamp(0.0, shown as f64) as usize;
            (from, to - from)
        };
        let (x, width) = edge(place.x, place.width, place.original_width, area.width);
        let (y, height) = edge(place.y, place.height, place.original_height, area.height);
        canvas.frame(Area { x: area.x + x, y: area.y + y, width, height }, [255; 3], 0.55);
    }
}

/// A picture that a technique made (a dream, a montage), with title and subtitle.
#[derive(Clone, Debug)]
pub struct ImageFigure<'a> {
    pub pixels: &'a Pixels,
    /// One line, cut where it does not fit; may be empty.
    pub title: &'a str,
    /// One line, cut where it does not fit; may be empty.
    pub subtitle: &'a str,
}

impl ImageFigure<'_> {
    /// Draws it.
    #[must_use]
    pub fn render(&self) -> Picture {
        let typeface = Typeface::load();
        let picture = self.pixels.to_picture();
        let layout = Layout::new(&typeface, &picture, self.title, self.subtitle, |_| 0);
        let mut canvas = layout.canvas(&typeface);
        canvas.paste(&shown(&picture, layout.picture), layout.picture.x, layout.picture.y);
        canvas.into_picture()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32) -> Picture {
        Picture::new(width, height, vec![128; (width * height * 3) as usize]).unwrap()
    }

    /// The box of pixels that are exactly of a colour.
    fn bounds(picture: &Picture, colour: [u8; 3]) -> Option<(u32, u32, u32, u32)> {
        let all = (0..picture.height()).flat_map(|y| (0..picture.width()).map(move |x| (x, y)));
        let found: Vec<_> = all.filter(|&(x, y)| picture.pixel(x, y) == colour).collect();
        let xs = || found.iter().map(|p| p.0);
        let ys = || found.iter().map(|p| p.1);
        Some((xs().min()?, ys().min()?, xs().max()? + 1, ys().max()? + 1))
    }

    #[test]
    fn the_picture_is_enlarged_and_uncovered_where_there_is_no_value() {
        let picture = grey(224, 224);
        let map = Map::new(1, 2, &[1.0, f32::NAN]).unwrap();
        let figure =
            MapFigure { title: "brown bear", ..MapFigure::new(&picture, map, Placement::whole(224, 224), false) };
        let shown = figure.render();
        // The right half, 224 of 448 pixels wide, is still grey.
        let (left, top, right, bottom) = bounds(&shown, [128; 3]).unwrap();
        assert_eq!((right - left, bottom - top), (224, 448));
        assert!(top > 40, "a title stands above");
        assert!(shown.width() > right + 40, "a colour bar stands beside");
    }

    #[test]
    fn without_text_the_picture_begins_at_the_margin() {
        let pixels = Pixels::filled(448, 448, [1.0, 0.0, 0.0]);
        let shown = ImageFigure { pixels: &pixels, title: "", subtitle: "" }.render();
        assert_eq!((shown.width(), shown.height()), (488, 488));
        assert_eq!(bounds(&shown, [255, 0, 0]), Some((20, 20, 468, 468)));
    }

    #[test]
    fn the_same_figure_is_the_same_picture() {
        let picture = grey(50, 40);
        let values = [0.5, -1.0, 2.0, f32::NAN];
        let render = || {
            let map = Map::new(2, 2, &values).unwrap();
            MapFigure { subtitle: "occlusion", ..MapFigure::new(&picture, map, Placement::whole(50, 40), true) }
                .render()
        };
        assert_eq!(render(), render());
    }

    #[test]
    fn a_picture_of_one_pixel_and_a_map_without_values_are_drawn_too() {
        let picture = grey(1, 1);
        let map = Map::new(1, 1, &[f32::NAN]).unwrap();
        assert!(MapFigure::new(&picture, map, Placement::whole(1, 1), true).render().width() > 448);
        let ribbon = grey(3000, 1);
        let map = Map::new(1, 1, &[1e-7]).unwrap();
        assert!(MapFigure::new(&ribbon, map, Placement::whole(3000, 1), false).render().height() > 30);
    }
}
