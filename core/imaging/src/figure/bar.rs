//! A colour bar with round numbers beside it, and the power of ten that they share above it.

use crate::canvas::{Area, Canvas};
use crate::colormap::Colormap;
use crate::layout::SMALL;
use crate::scale::Scale;
use crate::text::{Style, Typeface};

const RULE: [u8; 3] = [70, 74, 82];
/// Sizes in units.
const BAR_GAP: f32 = 14.0;
const BAR_WIDTH: f32 = 14.0;
const TICK_GAP: f32 = 8.0;

/// The room that a bar takes beside what it belongs to.
pub(super) fn width(typeface: &Typeface, scale: &Scale, unit: f32) -> usize {
    let (ticks, _) = scale.ticks();
    let widest = ticks.iter().map(|(_, label)| typeface.width(label, SMALL)).fold(0.0, f32::max);
    ((BAR_GAP + BAR_WIDTH + TICK_GAP + widest) * unit).ceil() as usize
}

/// Draws a bar to the right of `place`, as high as that.
pub(super) fn draw(
    canvas: &mut Canvas,
    typeface: &Typeface,
    place: Area,
    unit: f32,
    small: Style,
    scale: &Scale,
    colormap: Colormap,
) {
    let (ticks, exponent) = scale.ticks();
    // The common power of ten stands above the bar, which makes room for it.
    let above = if exponent == 0 { 0 } else { (SMALL * 1.5 * unit).round() as usize };
    let bar = Area {
        x: place.x + place.width + (BAR_GAP * unit).round() as usize,
        y: place.y + above.min(place.height / 2),
        width: (BAR_WIDTH * unit).round() as usize,
        height: place.height - above.min(place.height / 2),
    };
    for row in 0..bar.height {
        let position = 1.0 - (row as f64 + 0.5) / bar.height as f64;
        canvas.fill(Area { y: bar.y + row, height: 1, ..bar }, colormap.colour(position), 1.0);
    }
    canvas.frame(bar, RULE, 0.35);
    if exponent != 0 {
        let power = format!("×10{}", superscript(exponent));
        typeface.draw(canvas, bar.x as f32, place.y as f32 + small.size * 0.8, &power, small);
    }
    let length = (4.0 * unit).round() as usize;
    for (value, label) in &ticks {
        let down = (1.0 - scale.position(*value)) * bar.height as f64;
        let row = bar.y + (down.round() as usize).min(bar.height.saturating_sub(1));
        canvas.fill(Area { x: bar.x + bar.width, y: row, width: length, height: 1 }, RULE, 0.8);
        // Digits are centred on their tick, and kept within the bar at its ends.
        let (highest, lowest) = (bar.y as f32 + small.size * 0.72, (bar.y + bar.height) as f32);
        let centre = (row as f32 + 0.5 + small.size * 0.35).max(highest).min(lowest);
        typeface.draw(canvas, (bar.x + bar.width) as f32 + TICK_GAP * unit, centre, label, small);
    }
}

pub(super) fn superscript(exponent: i32) -> String {
    let raise = |character| match character {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        digit => char::from_u32('⁰' as u32 + (digit as u32 - '0' as u32)).unwrap_or(digit),
    };
    exponent.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_are_raised() {
        assert_eq!(superscript(-5), "⁻⁵");
        assert_eq!(superscript(12), "¹²");
    }
}
