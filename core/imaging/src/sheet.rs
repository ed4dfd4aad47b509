//! Several figures side by side on one sheet: a row per picture and model, a column per technique.

use crate::canvas::Canvas;
use crate::fit::{Filter, resize};
use crate::picture::Picture;
use crate::text::{Style, Typeface};

/// No side of a sheet is longer than this.
const LONGEST: usize = 12_000;
const MARGIN: usize = 28;
const GAP: usize = 16;
const HEADING: Style = Style { size: 22.0, colour: [24, 24, 27], weight: 0.6 };

/// Figures in rows.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    pub title: String,
    pub rows: Vec<SheetRow>,
}

/// One row of a sheet; rows may differ in length, and a cell may be empty.
#[derive(Clone, Debug, Default)]
pub struct SheetRow {
    /// Written above the row; may be empty.
    pub heading: String,
    pub figures: Vec<Option<Picture>>,
}

impl Sheet {
    /// Draws it; figures keep their proportions and are shrunk together where the sheet would become too large.
    #[must_use]
    pub fn render(&self) -> Picture {
        let columns = self.rows.iter().map(|row| row.figures.len()).max().unwrap_or(0).max(1);
        let mut cell = (0..columns).map(|column| self.widest(column)).collect::<Vec<_>>();
        let natural = self.size(&cell, 1.0);
        let scale = (LONGEST as f64 / natural.0.max(natural.1) as f64).min(1.0);
        for width in &mut cell {
            *width = scaled(*width, scale);
        }
        let (width, height) = self.size(&cell, scale);
        let typeface = Typeface::load();
        let mut canvas = Canvas::new(width.min(65_535), height.min(65_535));
        let mut y = MARGIN;
        let text_width = (width - 2 * MARGIN) as f32;
        let heading = |canvas: &mut Canvas, y: &mut usize, text: &str, size: f32| {
            if !text.is_empty() {
                let text = typeface.shorten(text, size, text_width);
                typeface.draw(canvas, MARGIN as f32, *y as f32 + size * 0.92, &text, Style { size, ..HEADING });
                *y += line(size);
            }
        };
        heading(&mut canvas, &mut y, &self.title, TITLE);
        for row in &self.rows {
            heading(&mut canvas, &mut y, &row.heading, HEADING.size);
            let mut x = MARGIN;
            for (figure, width) in row.figures.iter().zip(&cell) {
                if let Some(figure) = figure {
                    let (w, h) = (scaled(figure.width() as usize, scale), scaled(figure.height() as usize, scale));
                    canvas.paste(&resize(figure, w as u32, h as u32, Filter::Lanczos3), x, y);
                }
                x += width + GAP;
            }
            y += row.height(scale) + GAP;
        }
        canvas.into_picture()
    }

    fn widest(&self, column: usize) -> usize {
        let figures = self.rows.iter().filter_map(|row| row.figures.get(column)?.as_ref());
        figures.map(|figure| figure.width() as usize).max().unwrap_or(1)
    }

    fn size(&self, columns: &[usize], scale: f64) -> (usize, usize) {
        let width = columns.iter().sum::<usize>() + GAP * (columns.len() - 1) + 2 * MARGIN;
        let title = if self.title.is_empty() { 0 } else { line(TITLE) };
        let rows = self.rows.iter().map(|row| {
            let heading = if row.heading.is_empty() { 0 } else { line(HEADING.size) };
            heading + row.height(scale) + GAP
        });
        (width, title + rows.sum::<usize>() + 2 * MARGIN)
    }
}

const TITLE: f32 = 28.0;

fn line(size: f32) -> usize {
    (size * 1.4).round() as usize
}

fn scaled(length: usize, scale: f64) -> usize {
    ((length as f64 * scale).round() as usize).max(1)
}

impl SheetRow {
    fn height(&self, scale: f64) -> usize {
        let figures = self.figures.iter().flatten();
        figures.map(|figure| scaled(figure.height() as usize, scale)).max().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(width: u32, height: u32, value: u8) -> Option<Picture> {
        Some(Picture::new(width, height, vec![value; (width * height * 3) as usize]).unwrap())
    }

    #[test]
    fn figures_stand_in_rows_and_columns() {
        let sheet = Sheet {
            title: String::new(),
            rows: vec![
                SheetRow { heading: String::new(), figures: vec![flat(30, 20, 1), flat(10, 10, 2)] },
                SheetRow { heading: String::new(), figures: vec![None, flat(12, 10, 3)] },
            ],
        };
        let picture = sheet.render();
        assert_eq!((picture.width(), picture.height()), (56 + 30 + 16 + 12, 56 + 20 + 16 + 10 + 16));
        assert_eq!(picture.pixel(28, 28), [1; 3]);
        assert_eq!(picture.pixel(28 + 46, 28), [2; 3]);
        assert_eq!(picture.pixel(28, 28 + 36), [255; 3]);
        assert_eq!(picture.pixel(28 + 46, 28 + 36), [3; 3]);
    }

    #[test]
    fn a_very_large_sheet_is_shrunk_and_an_empty_one_is_white() {
        let rows = vec![SheetRow { heading: "bear".into(), figures: vec![flat(9000, 4, 9), flat(9000, 4, 9)] }];
        let wide = Sheet { title: "wide".into(), rows }.render();
        assert!((11_900..=12_100).contains(&wide.width()), "{}", wide.width());
        assert!(Sheet::default().render().rgb().iter().all(|&byte| byte == 255));
    }
}
