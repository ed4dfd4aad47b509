//! A matrix as a heat map: a colour and a number in each cell, names along both sides, a colour bar.

use super::{bar, header};
use crate::canvas::{Area, Canvas};
use crate::colormap::Colormap;
use crate::layout::{GREY, INK, SMALL};
use crate::picture::Picture;
use crate::scale::Scale;
use crate::text::{Style, Typeface};

/// A matrix with names for its rows and columns.
#[derive(Clone, Debug)]
pub struct MatrixFigure<'a> {
    /// Row by row; `rows.len()` × `columns.len()`.
    pub values: &'a [f32],
    pub rows: &'a [String],
    pub columns: &'a [String],
    /// Beside the rows and below the columns; may be empty.
    pub row_axis: &'a str,
    pub column_axis: &'a str,
    pub colormap: Colormap,
    /// One line, cut where it does not fit; may be empty.
    pub title: &'a str,
    /// One line, cut where it does not fit; may be empty.
    pub subtitle: &'a str,
}

/// The side of the whole that cells are made for, and how small and large they get.
const SIDE: usize = 640;
const CELLS: [usize; 2] = [9, 64];
/// Numbers and names in cells smaller than this cannot be read.
const LEGIBLE: usize = 14;
/// The longest name.
const LONGEST_NAME: f32 = 170.0;
const GAP: usize = 6;
/// The narrowest figure: titles want room.
const NARROWEST: usize = 360;

impl MatrixFigure<'_> {
    /// Draws it.
    ///
    /// # Panics
    /// Where there are not rows × columns values.
    #[must_use]
    pub fn render(&self) -> Picture {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        assert_eq!(self.values.len(), rows * columns, "one value per row and column");
        let typeface = Typeface::load();
        let cell = (SIDE / rows.max(columns).max(1)).clamp(CELLS[0], CELLS[1]);
        let scale = Scale::of(self.values, false);
        let small = Style { size: SMALL.min(cell as f32 * 0.8), colour: GREY, weight: 0.25 };
        let named = cell >= LEGIBLE;
        let widest = |names: &[String]| {
            let width = names.iter().map(|name| typeface.width(name, small.size).min(LONGEST_NAME)).fold(0.0, f32::max);
            if named { width.ceil() as usize + GAP } else { GAP }
        };
        let upright = self.columns.iter().all(|name| typeface.width(name, small.size) <= cell as f32 - 2.0);
        let below = if upright && named { (small.size * 1.4) as usize + GAP } else { widest(self.columns) };
        let axis = |name: &str| if name.is_empty() { 0 } else { (SMALL * 1.5) as usize };
        let area = Area {
            x: header::MARGIN + axis(self.row_axis) + widest(self.rows),
            y: header::MARGIN + header::height(self.title, self.subtitle),
            width: columns * cell,
            height: rows * cell,
        };
        let right = area.x + area.width + bar::width(&typeface, &scale, 1.0) + header::MARGIN;
        let bottom = area.y + area.height + below + axis(self.column_axis) + header::MARGIN;
        let mut canvas = Canvas::new(right.max(NARROWEST), bottom);
        header::draw(&mut canvas, &typeface, self.title, self.subtitle, right.max(NARROWEST) - 2 * header::MARGIN);
        self.draw_cells(&mut canvas, &typeface, area, cell, &scale);
        if named {
            self.draw_names(&mut canvas, &typeface, area, cell, small, upright);
        }
        let label = Style { size: SMALL, colour: INK, weight: 0.25 };
        let middle = |name: &str, start: usize, length: usize| {
            start as f32 + (length as f32 - typeface.width(name, SMALL)) / 2.0
        };
        let x = middle(self.column_axis, area.x, area.width);
        typeface.draw(&mut canvas, x, (bottom - header::MARGIN) as f32 - 2.0, self.column_axis, label);
        let y = area.y as f32 + (area.height as f32 + typeface.width(self.row_axis, SMALL)) / 2.0;
        typeface.draw_upwards(&mut canvas, header::MARGIN as f32 + SMALL, y, self.row_axis, label);
        let bar_text = Style { size: SMALL, ..small };
        bar::draw(&mut canvas, &typeface, area, 1.0, bar_text, &scale, self.colormap);
        canvas.into_picture()
    }

    fn draw_cells(&self, canvas: &mut Canvas, typeface: &Typeface, area: Area, cell: usize, scale: &Scale) {
        let whole = self.values.iter().all(|value| value.fract() == 0.0);
        let size = (cell as f32 * 0.36).min(15.0);
        for (index, &value) in self.values.iter().enumerate() {
            let (row, column) = (index / self.columns.len(), index % self.columns.len());
            let colour = self.colormap.colour(scale.position(f64::from(value)));
            let (x, y) = (area.x + column * cell, area.y + row * cell);
            let gap = usize::from(cell > 12);
            canvas.fill(Area { x, y, width: cell - gap, height: cell - gap }, colour, 1.0);
            let text = written(value, whole);
            let width = typeface.width(&text, size);
            if size >= 6.5 && width < cell as f32 - 2.0 {
                let light = 0.3 * f32::from(colour[0]) + 0.59 * f32::from(colour[1]) + 0.11 * f32::from(colour[2]);
                let ink = if light > 140.0 { INK } else { [255; 3] };
                let style = Style { size, colour: ink, weight: 0.3 };
                let (left, base) =
                    (x as f32 + (cell as f32 - width) / 2.0, y as f32 + (cell as f32 + size * 0.7) / 2.0);
                typeface.draw(canvas, left, base, &text, style);
            }
        }
    }

    fn draw_names(
        &self,
        canvas: &mut Canvas,
        typeface: &Typeface,
        area: Area,
        cell: usize,
        small: Style,
        upright: bool,
    ) {
        let middle = |index: usize| (index * cell) as f32 + (cell as f32 + small.size * 0.7) / 2.0;
        for (row, name) in self.rows.iter().enumerate() {
            let name = typeface.shorten(name, small.size, LONGEST_NAME);
            let x = (area.x - GAP) as f32 - typeface.width(&name, small.size);
            typeface.draw(canvas, x, area.y as f32 + middle(row), &name, small);
        }
        let bottom = (area.y + area.height) as f32;
        for (column, name) in self.columns.iter().enumerate() {
            let name = typeface.shorten(name, small.size, LONGEST_NAME);
            let width = typeface.width(&name, small.size);
            if upright {
                let x = area.x as f32 + (column * cell) as f32 + (cell as f32 - width) / 2.0;
                typeface.draw(canvas, x, bottom + GAP as f32 + small.size, &name, small);
            } else {
                typeface.draw_upwards(
                    canvas,
                    area.x as f32 + middle(column),
                    bottom + GAP as f32 + width,
                    &name,
                    small,
                );
            }
        }
    }
}

/// Nothing for nothing, so that what is there is seen.
fn written(value: f32, whole: bool) -> String {
    match value {
        0.0 => String::new(),
        value if !value.is_finite() => String::new(),
        value if whole => format!("{value:.0}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(values: &[f32], names: &[String]) -> Picture {
        let figure = MatrixFigure {
            values,
            rows: names,
            columns: names,
            row_axis: "true",
            column_axis: "predicted",
            colormap: Colormap::Viridis,
            title: "Confusion",
            subtitle: "",
        };
        figure.render()
    }

    #[test]
    fn each_cell_has_its_colour() {
        let names = ["bear".to_owned(), "ox".to_owned()];
        let picture = figure(&[4.0, 0.0, 2.0, 4.0], &names);
        let count = |colour: [u8; 3]| picture.rgb().chunks_exact(3).filter(|rgb| *rgb == colour).count();
        let (high, low, half) = (
            count(Colormap::Viridis.colour(1.0)),
            count(Colormap::Viridis.colour(0.0)),
            count(Colormap::Viridis.colour(0.5)),
        );
        assert!(high > 2 * 3000 && low > 3000 && half > 3000, "{high} {low} {half}");
        assert_eq!(
            (written(3.0, true), written(0.25, false), written(0.0, true)),
            ("3".into(), "0.25".into(), String::new())
        );
    }

    #[test]
    fn a_matrix_of_many_classes_is_drawn_without_what_cannot_be_read() {
        let names: Vec<String> = (0..200).map(|index| format!("class number {index}")).collect();
        let picture = figure(&vec![1.0; 40_000], &names);
        assert!(picture.width() >= 200 * 9 && picture.width() < 2200);
    }

    #[test]
    fn long_names_are_cut_and_stand_upright_where_they_are_short() {
        let long = ["American black bear, Ursus americanus, Euarctos americanus".to_owned(), "b".to_owned()];
        assert!(figure(&[1.0; 4], &long).width() < 600);
        assert!(
            figure(&[1.0; 4], &long).height() > figure(&[1.0; 4], &["a".to_owned(), "b".to_owned()]).height() + 100
        );
    }
}
