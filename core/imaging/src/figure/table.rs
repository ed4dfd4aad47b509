//! A table of numbers as a picture, under a title: for people; whoever computes reads the numbers.

use crate::canvas::{Area, Canvas};
use crate::layout::{GREY, INK, Layout};
use crate::picture::Picture;
use crate::text::{Style, Typeface};

/// Rows and columns of numbers.
#[derive(Clone, Debug, Default)]
pub struct TableFigure<'a> {
    /// Names of the columns; empty, or one per column.
    pub columns: &'a [String],
    /// Names of the rows; empty: they are numbered.
    pub rows: &'a [String],
    /// Row by row.
    pub values: &'a [f32],
    /// The standard error of each value, where there is any.
    pub errors: Option<&'a [f32]>,
    /// Numbers in a row.
    pub width: usize,
    /// One line, cut where it does not fit; may be empty.
    pub title: &'a str,
    /// One line, cut where it does not fit; may be empty.
    pub subtitle: &'a str,
}

/// Rows that are shown; of more, the last line says how many are left out.
const MOST: usize = 60;
const RULE: [u8; 3] = [210, 213, 219];
const SIZE: f32 = 14.5;
const LINE: f32 = 1.5;
const GAP: f32 = 22.0;

impl TableFigure<'_> {
    /// Draws it.
    #[must_use]
    pub fn render(&self) -> Picture {
        let typeface = Typeface::load();
        let width = self.width.max(1);
        let count = self.values.len() / width;
        let shown = count.min(MOST);
        let mut lines: Vec<Vec<String>> = Vec::with_capacity(shown + 1);
        lines.push(std::iter::once(String::new()).chain(self.columns.iter().take(width).cloned()).collect());
        for row in 0..shown {
            let name = self.rows.get(row).cloned().unwrap_or_else(|| row.to_string());
            lines.push(
                std::iter::once(name).chain((0..width).map(|column| self.number(row * width + column))).collect(),
            );
        }
        let column_width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| typeface.width(cell, SIZE)).fold(0.0, f32::max)
        };
        let columns: Vec<f32> = (0..=width).map(column_width).collect();
        let inner = (columns.iter().sum::<f32>() + GAP * width as f32).ceil();
        let extra = usize::from(count > shown);
        let height = ((lines.len() + extra) as f32 * SIZE * LINE).ceil();

        // The frame's sizes are those of a picture, which this is not: its place is taken, its scale is not.
        let blank = Picture::from_parts(448, 448, vec![255; 448 * 448 * 3]);
        let layout = Layout::new(&typeface, &blank, self.title, self.subtitle, |_| (inner - 448.0).max(0.0) as usize);
        let (head, margin) = (layout.canvas(&typeface).into_picture(), layout.picture.x);
        let top = layout.picture.y;
        let mut canvas = Canvas::new(head.width() as usize, top + height as usize + margin);
        canvas.paste(&crop(&head, top), 0, 0);
        let text = |colour| Style { size: SIZE, colour, weight: 0.25 };
        for (row, line) in lines.iter().enumerate() {
            let baseline = top as f32 + (row as f32 + 0.72) * SIZE * LINE;
            let mut right = margin as f32;
            for (column, cell) in line.iter().enumerate() {
                let colour = if row == 0 || column == 0 { GREY } else { INK };
                right += columns[column] + if column > 0 { GAP } else { 0.0 };
                // Names from the left, numbers to the right.
                let x = if column == 0 { margin as f32 } else { right - typeface.width(cell, SIZE) };
                typeface.draw(&mut canvas, x, baseline, cell, text(colour));
            }
        }
        if extra > 0 {
            let baseline = top as f32 + (lines.len() as f32 + 0.72) * SIZE * LINE;
            let more = format!("… and {} more rows", count - shown);
            typeface.draw(&mut canvas, margin as f32, baseline, &more, text(GREY));
        }
        let rule = Area { x: margin, y: top + (SIZE * LINE) as usize - 2, width: inner as usize, height: 1 };
        canvas.fill(rule, RULE, 1.0);
        canvas.into_picture()
    }

    fn number(&self, place: usize) -> String {
        let value = significant(self.values[place]);
        match self.errors.and_then(|errors| errors.get(place)) {
            Some(error) if error.is_finite() => format!("{value} ± {}", significant(*error)),
            _ => value,
        }
    }
}

/// The upper `height` rows.
fn crop(picture: &Picture, height: usize) -> Picture {
    let height = height.min(picture.height() as usize);
    let bytes = picture.width() as usize * height * 3;
    Picture::from_parts(picture.width(), height as u32, picture.rgb()[..bytes].to_vec())
}

/// About four digits.
fn significant(value: f32) -> String {
    let text = match value.abs() {
        _ if value.is_nan() => "–".to_owned(),
        0.0 => "0".to_owned(),
        size if size >= 1000.0 && size.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.3}"),
        size if size >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_four_digits() {
        let texts = [1234.0, 123.45, 1.23456, 0.0123, -0.5, 0.0, 1e-6, f32::NAN].map(significant);
        assert_eq!(texts, ["1234", "123.4", "1.235", "0.0123", "−0.5000", "0", "1.00e−6", "–"]);
    }

    #[test]
    fn a_longer_table_is_a_taller_picture_until_it_says_how_much_is_left_out() {
        let height = |rows: usize| {
            let values = vec![0.5; rows * 2];
            TableFigure { values: &values, width: 2, title: "weights", ..Default::default() }.render().height()
        };
        assert!(height(10) > height(5) + 100);
        assert_eq!(height(61), height(6000), "as tall as can be, and a line");
        assert!(height(0) > 40);
    }

    #[test]
    fn errors_stand_beside_their_values() {
        let table = TableFigure { values: &[0.25], errors: Some(&[0.01]), width: 1, ..Default::default() };
        assert_eq!(table.number(0), "0.2500 ± 0.0100");
        let columns = ["weight".to_owned()];
        assert!(TableFigure { columns: &columns, ..table }.render().width() >= 320);
    }
}
