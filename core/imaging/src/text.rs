//! Text on a canvas: one light typeface, with a second for characters that it lacks.

use ab_glyph::{Font, FontRef, Point, PxScale, ScaleFont};

use crate::canvas::Canvas;

/// The typefaces, parsed once per figure.
pub(crate) struct Typeface {
    fonts: [FontRef<'static>; 2],
}

/// Text that is too long gets as small as this, of its size, before it is cut.
const SMALLEST: f32 = 0.8;

/// Text of one size and colour.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// Height of the em square in pixels.
    pub(crate) size: f32,
    pub(crate) colour: [u8; 3],
    /// How much heavier than the typeface, in pixels.
    pub(crate) weight: f32,
}

impl Typeface {
    pub(crate) fn load() -> Self {
        let parse = |data| FontRef::try_from_slice(data).expect("the compiled-in fonts are well formed");
        Self { fonts: [epaint_default_fonts::UBUNTU_LIGHT, epaint_default_fonts::HACK_REGULAR].map(parse) }
    }

    fn font(&self, character: char) -> &FontRef<'static> {
        self.fonts.iter().find(|font| font.glyph_id(character).0 != 0).unwrap_or(&self.fonts[0])
    }

    fn scale(font: &FontRef<'_>, size: f32) -> PxScale {
        // ab_glyph counts the height from descent to ascent; designers count the em.
        PxScale::from(size * font.height_unscaled() / font.units_per_em().unwrap_or(1000.0))
    }

    /// The advance in pixels.
    pub(crate) fn width(&self, text: &str, size: f32) -> f32 {
        let advance = |character| {
            let font = self.font(character);
            font.as_scaled(Self::scale(font, size)).h_advance(font.glyph_id(character))
        };
        text.chars().map(advance).sum()
    }

    /// The text, or as much of its beginning as fits, with an ellipsis.
    pub(crate) fn shorten(&self, text: &str, size: f32, width: f32) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let mut kept: String = text.to_owned();
        while kept.pop().is_some() {
            let shortened = format!("{}…", kept.trim_end());
            if self.width(&shortened, size) <= width {
                return shortened;
            }
        }
        String::new()
    }

    /// The text at the size at which it fits, which is not much smaller than `size`; what fits not even then loses its end.
    pub(crate) fn fit(&self, text: &str, size: f32, width: f32) -> (String, f32) {
        let fits = width / self.width(text, size).max(width);
        if fits >= SMALLEST {
            return (text.to_owned(), size * fits);
        }
        (self.shorten(text, size * SMALLEST, width), size * SMALLEST)
    }

    /// Draws from `x`, with the letters standing on `baseline`.
    pub(crate) fn draw(&self, canvas: &mut Canvas, x: f32, baseline: f32, text: &str, style: Style) {
        self.outline(x, baseline, text, style, &mut |column, row, coverage| {
            canvas.blend(column, row, style.colour, coverage);
        });
    }

    /// Draws upwards from `y`, with the letters standing to the left of `baseline`.
    pub(crate) fn draw_upwards(&self, canvas: &mut Canvas, baseline: f32, y: f32, text: &str, style: Style) {
        let (across, up) = (baseline.round() as i64, y.round() as i64);
        self.outline(0.0, 0.0, text, style, &mut |column, row, coverage| {
            canvas.blend(across + row, up - column, style.colour, coverage);
        });
    }

    fn outline(&self, x: f32, baseline: f32, text: &str, style: Style, paint: &mut dyn FnMut(i64, i64, f32)) {
        let mut pen = x;
        for character in text.chars() {
            let font = self.font(character);
            let scale = Self::scale(font, style.size);
            let id = font.glyph_id(character);
            // A heavier weight is the same outline drawn twice, a fraction of a pixel apart.
            let passes: &[f32] = if style.weight > 0.0 { &[0.0, style.weight] } else { &[0.0] };
            for offset in passes {
                let glyph = id.with_scale_and_position(scale, Point { x: pen + offset, y: baseline });
                if let Some(outline) = font.outline_glyph(glyph) {
                    let bounds = outline.px_bounds();
                    outline.draw(|dx, dy, coverage| {
                        let (column, row) = (bounds.min.x as i64 + i64::from(dx), bounds.min.y as i64 + i64::from(dy));
                        paint(column, row, coverage.clamp(0.0, 1.0));
                    });
                }
            }
            pen += font.as_scaled(scale).h_advance(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        let typeface = Typeface::load();
        let short = typeface.shorten("American black bear, Ursus americanus", 16.0, 120.0);
        assert!(short.ends_with('…') && typeface.width(&short, 16.0) <= 120.0, "{short}");
        assert_eq!(typeface.shorten("bear", 16.0, 120.0), "bear");
        assert_eq!(typeface.shorten("bear", 16.0, 1.0), "");
    }

    #[test]
    fn text_that_is_a_little_too_long_is_written_smaller() {
        let typeface = Typeface::load();
        let width = typeface.width("a layer's name", 16.0);
        assert_eq!(typeface.fit("a layer's name", 16.0, 2.0 * width), ("a layer's name".into(), 16.0));
        let (text, size) = typeface.fit("a layer's name", 16.0, 0.9 * width);
        assert!(text == "a layer's name" && (14.0..15.0).contains(&size), "{text} {size}");
        let (text, size) = typeface.fit("a layer's name", 16.0, 0.5 * width);
        assert!(
            text.ends_with('…') && (size - 12.8).abs() < 1e-4 && typeface.width(&text, size) <= 0.5 * width,
            "{text} {size}"
        );
        assert_eq!(typeface.fit("", 16.0, 10.0), (String::new(), 16.0));
    }

    #[test]
    fn letters_stand_on_their_baseline() {
        let mut canvas = Canvas::new(40, 40);
        let style = Style { size: 24.0, colour: [0; 3], weight: 0.0 };
        Typeface::load().draw(&mut canvas, 10.0, 30.0, "H", style);
        let picture = canvas.into_picture();
        let inked = |y: u32| (0..40).any(|x| picture.pixel(x, y)[0] < 128);
        let rows: Vec<u32> = (0..40).filter(|&y| inked(y)).collect();
        assert_eq!(rows.last(), Some(&29));
        assert!((14..=20).contains(&rows.len()), "{} rows", rows.len());
    }

    #[test]
    fn every_sign_that_figures_use_has_a_glyph() {
        let typeface = Typeface::load();
        for character in "·×−…–°⁻⁰¹²³⁴⁵⁶⁷⁸⁹é".chars() {
            assert_ne!(typeface.font(character).glyph_id(character).0, 0, "{character}");
        }
    }
}
