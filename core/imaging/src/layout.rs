//! The frame that all figures share: margins, two lines of text above the picture, room for a colour bar beside it.

use crate::canvas::{Area, Canvas};
use crate::fit::{Filter, resize};
use crate::picture::Picture;
use crate::text::{Style, Typeface};

/// The short side of a picture in a figure is enlarged to this, and shrunk to twice this.
const SHORT_SIDE: f64 = 448.0;
/// No side of a picture in a figure is longer than this.
const LONG_SIDE: f64 = 1536.0;
/// The narrowest column of text above a picture.
const NARROWEST: usize = 320;

pub(crate) const INK: [u8; 3] = [24, 24, 27];
pub(crate) const GREY: [u8; 3] = [100, 104, 112];

/// Where everything goes, in pixels.
pub(crate) struct Layout {
    /// Text sizes and margins grow with the picture.
    pub(crate) unit: f32,
    pub(crate) picture: Area,
    width: usize,
    height: usize,
    margin: usize,
    title: Option<Line>,
    subtitle: Option<Line>,
}

/// Text above the picture, and how large it is written, in pixels; its line is as high as it would be without having to fit.
type Line = (String, f32);

impl Layout {
    /// `gutter` is the room to the right of the picture, in units of the text's size.
    pub(crate) fn new(
        typeface: &Typeface,
        picture: &Picture,
        title: &str,
        subtitle: &str,
        gutter: impl Fn(f32) -> usize,
    ) -> Self {
        let (width, height) = shown_size(picture.width(), picture.height());
        let unit = (width.min(height) as f32 / SHORT_SIDE as f32).clamp(0.85, 1.6);
        let margin = (20.0 * unit).round() as usize;
        let gutter = gutter(unit);
        let text_width = (width + gutter).max(NARROWEST) as f32;
        let line = |text: &str, size: f32| {
            let text = text.trim();
            (!text.is_empty()).then(|| typeface.fit(text, size * unit, text_width))
        };
        let (title, subtitle) = (line(title, TITLE), line(subtitle, SUBTITLE));
        let mut header = 0.0;
        for (shown, size) in [(&title, TITLE), (&subtitle, SUBTITLE)] {
            if shown.is_some() {
                header += size * unit * LEADING;
            }
        }
        if header > 0.0 {
            header += 6.0 * unit;
        }
        let top = margin + header.round() as usize;
        Self {
            unit,
            picture: Area { x: margin, y: top, width, height },
            width: 2 * margin + text_width as usize,
            height: top + height + margin,
            margin,
            title,
            subtitle,
        }
    }

    /// A canvas with the text in place.
    pub(crate) fn canvas(&self, typeface: &Typeface) -> Canvas {
        let mut canvas = Canvas::new(self.width, self.height);
        let mut top = self.margin as f32;
        let lines = [(&self.title, TITLE, INK, 0.6), (&self.subtitle, SUBTITLE, GREY, 0.25)];
        for (text, size, colour, weight) in lines {
            if let &Some((ref text, fitting)) = text {
                let size = size * self.unit;
                let style = Style { size: fitting, colour, weight: weight * self.unit };
                typeface.draw(&mut canvas, self.margin as f32, top + size * 0.92, text, style);
                top += size * LEADING;
            }
        }
        canvas
    }

    /// The style of small text beside the picture.
    pub(crate) fn small(&self) -> Style {
        Style { size: SMALL * self.unit, colour: GREY, weight: 0.25 * self.unit }
    }
}

/// Sizes in units.
pub(crate) const TITLE: f32 = 22.0;
pub(crate) const SUBTITLE: f32 = 14.5;
pub(crate) const SMALL: f32 = 13.0;
pub(crate) const LEADING: f32 = 1.34;

/// The picture at the size that figures show it.
pub(crate) fn shown(picture: &Picture, area: Area) -> Picture {
    let (width, height) = (area.width as u32, area.height as u32);
    let filter = if width < picture.width() { Filter::Lanczos3 } else { Filter::Bicubic };
    resize(picture, width, height, filter)
}

fn shown_size(width: u32, height: u32) -> (usize, usize) {
    let (short, long) = (f64::from(width.min(height)), f64::from(width.max(height)));
    let mut scale = short.clamp(SHORT_SIDE, 2.0 * SHORT_SIDE) / short;
    scale = scale.min(LONG_SIDE / long);
    let scaled = |side: u32| (f64::from(side) * scale).round().max(1.0) as usize;
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_shown_at_a_size_that_people_can_see() {
        assert_eq!(shown_size(224, 224), (448, 448));
        assert_eq!(shown_size(28, 56), (448, 896));
        assert_eq!(shown_size(600, 500), (600, 500));
        assert_eq!(shown_size(4000, 3000), (1195, 896));
        assert_eq!(shown_size(60_000, 1), (1536, 1));
    }
}
