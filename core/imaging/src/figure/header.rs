//! Title and subtitle above a figure that is no picture, and the room that they take.

use crate::canvas::Canvas;
use crate::layout::{GREY, INK, LEADING, SUBTITLE, TITLE};
use crate::text::{Style, Typeface};

/// Around everything, in pixels.
pub(super) const MARGIN: usize = 20;

/// The lines that are there: text, size, colour, weight.
fn lines<'a>(title: &'a str, subtitle: &'a str) -> impl Iterator<Item = (&'a str, f32, [u8; 3], f32)> {
    [(title.trim(), TITLE, INK, 0.6), (subtitle.trim(), SUBTITLE, GREY, 0.25)]
        .into_iter()
        .filter(|line| !line.0.is_empty())
}

/// The height of the lines, with the space below them.
pub(super) fn height(title: &str, subtitle: &str) -> usize {
    let lines: f32 = lines(title, subtitle).map(|line| line.1 * LEADING).sum();
    if lines > 0.0 { (lines + 8.0).round() as usize } else { 0 }
}

/// Draws the lines into the upper left corner, where `width` is theirs.
pub(super) fn draw(canvas: &mut Canvas, typeface: &Typeface, title: &str, subtitle: &str, width: usize) {
    let mut top = MARGIN as f32;
    for (text, size, colour, weight) in lines(title, subtitle) {
        let (text, fitting) = typeface.fit(text, size, width as f32);
        typeface.draw(canvas, MARGIN as f32, top + size * 0.92, &text, Style { size: fitting, colour, weight });
        top += size * LEADING;
    }
}
