//! Curves over an axis: what a technique says step by step, with ticks, labels and a legend, under a title.

use super::bar::superscript;
use crate::canvas::{Area, Canvas};
use crate::layout::{INK, Layout, SMALL};
use crate::picture::Picture;
use crate::scale::Scale;
use crate::text::{Style, Typeface};

/// Curves, and what stands beside them.
#[derive(Clone, Debug, Default)]
pub struct ChartFigure<'a> {
    /// Places along the axis, growing; one per value of each curve.
    pub places: &'a [f64],
    pub curves: Vec<Curve<'a>>,
    /// What the places are; may be empty.
    pub axis: &'a str,
    /// What the values are; may be empty.
    pub unit: &'a str,
    /// One line, cut where it does not fit; may be empty.
    pub title: &'a str,
    /// One line, cut where it does not fit; may be empty.
    pub subtitle: &'a str,
}

/// One curve.
#[derive(Clone, Debug, Default)]
pub struct Curve<'a> {
    /// In the legend; may be empty.
    pub name: &'a str,
    /// One per place; the curve is broken where they are not finite.
    pub values: Vec<f32>,
}

/// Colours that the colour-blind can tell apart (Okabe & Ito).
const COLOURS: [[u8; 3]; 6] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]];
const GRID: [u8; 3] = [225, 227, 231];
const FRAME: [u8; 3] = [150, 154, 162];
/// Of the whole plot, in pixels; the layout enlarges nothing of this size.
const PLOT: (u32, u32) = (720, 448);
/// Up to this many places each value gets a dot.
const DOTS: usize = 64;
/// Sizes in units.
const GAP: f32 = 8.0;
const SWATCH: f32 = 18.0;
const LINE: f32 = 1.4;

impl ChartFigure<'_> {
    /// Draws it.
    #[must_use]
    pub fn render(&self) -> Picture {
        let typeface = Typeface::load();
        let blank = Picture::from_parts(PLOT.0, PLOT.1, vec![255; (PLOT.0 * PLOT.1 * 3) as usize]);
        let layout = Layout::new(&typeface, &blank, self.title, self.subtitle, |_| 0);
        let mut canvas = layout.canvas(&typeface);
        let (unit, small) = (layout.unit, layout.small());
        let values: Vec<f32> = self.curves.iter().flat_map(|curve| curve.values.iter().copied()).collect();
        let (across, up) = (self.across(), Scale::of(&values, false));
        let (ticks, exponent) = up.ticks();

        let widest = ticks.iter().map(|(_, label)| typeface.width(label, SMALL * unit)).fold(0.0, f32::max);
        let text = SMALL * unit * LINE;
        let left = (widest + 2.0 * GAP * unit).round() as usize;
        let top = ((self.legend_lines(&typeface, &layout) as f32 + 1.0) * text).round() as usize;
        let below = if self.axis.is_empty() { text } else { 2.0 * text };
        let whole = layout.picture;
        let plot = Area {
            x: whole.x + left,
            y: whole.y + top,
            width: whole.width.saturating_sub(left + (2.0 * GAP * unit) as usize).max(8),
            height: whole.height.saturating_sub(top + (below + GAP * unit).round() as usize).max(8),
        };
        let x_of = |place: f64| plot.x as f32 + (across.position(place) * plot.width as f64) as f32;
        let y_of = |value: f64| (plot.y + plot.height) as f32 - (up.position(value) * plot.height as f64) as f32;

        for (value, label) in &ticks {
            let y = y_of(*value);
            canvas.fill(Area { y: y.round() as usize, height: 1, ..plot }, GRID, 1.0);
            let x = plot.x as f32 - GAP * unit - typeface.width(label, small.size);
            typeface.draw(&mut canvas, x, y + small.size * 0.35, label, small);
        }
        for (place, label) in across.ticks().0 {
            let x = x_of(place);
            canvas.fill(Area { x: x.round() as usize, width: 1, ..plot }, GRID, 1.0);
            let x = x - typeface.width(&label, small.size) / 2.0;
            typeface.draw(&mut canvas, x, (plot.y + plot.height) as f32 + text, &label, small);
        }
        canvas.frame(plot, FRAME, 1.0);
        let unit_label = match exponent {
            0 => self.unit.to_owned(),
            _ => format!("{} ×10{}", self.unit, superscript(exponent)).trim_start().to_owned(),
        };
        typeface.draw(&mut canvas, plot.x as f32, plot.y as f32 - GAP * unit * 0.8, &unit_label, small);
        let axis = typeface.shorten(self.axis, small.size, plot.width as f32);
        let x = plot.x as f32 + (plot.width as f32 - typeface.width(&axis, small.size)) / 2.0;
        typeface.draw(&mut canvas, x, (plot.y + plot.height) as f32 + 2.0 * text, &axis, small);

        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<Option<(f32, f32)>> = self
                .places
                .iter()
                .zip(&curve.values)
                .map(|(place, value)| value.is_finite().then(|| (x_of(*place), y_of(f64::from(*value)))))
                .collect();
            for pair in points.windows(2) {
                if let [Some(from), Some(to)] = pair {
                    canvas.line(*from, *to, 2.0 * unit, *colour);
                }
            }
            let lonely = |index: usize| {
                let near = [index.wrapping_sub(1), index + 1];
                near.into_iter().all(|near| points.get(near).is_none_or(Option::is_none))
            };
            for (index, point) in points.iter().enumerate() {
                if let Some(point) = point.filter(|_| points.len() <= DOTS || lonely(index)) {
                    canvas.line(point, point, 6.0 * unit, *colour);
                }
            }
        }
        self.draw_legend(&mut canvas, &typeface, &layout, left);
        canvas.into_picture()
    }

    /// The range of the axis.
    fn across(&self) -> Scale {
        let (low, high) = (self.places.first().copied().unwrap_or(0.0), self.places.last().copied().unwrap_or(1.0));
        if high > low { Scale { low, high } } else { Scale { low: low - 0.5, high: low + 0.5 } }
    }

    /// Where each curve's name stands in the legend: line and distance from the left, in pixels.
    fn legend(&self, typeface: &Typeface, layout: &Layout) -> Vec<(usize, f32)> {
        let size = SMALL * layout.unit;
        let (mut line, mut x) = (0, 0.0);
        let named = self.curves.iter().map(|curve| {
            let width = (SWATCH + 3.0 * GAP) * layout.unit + typeface.width(curve.name, size);
            if x > 0.0 && x + width > layout.picture.width as f32 * 0.85 {
                (line, x) = (line + 1, 0.0);
            }
            let place = (line, x);
            x += width;
            place
        });
        named.collect()
    }

    fn has_legend(&self) -> bool {
        self.curves.iter().any(|curve| !curve.name.is_empty())
    }

    fn legend_lines(&self, typeface: &Typeface, layout: &Layout) -> usize {
        if self.has_legend() { self.legend(typeface, layout).last().map_or(0, |(line, _)| line + 1) } else { 0 }
    }

    fn draw_legend(&self, canvas: &mut Canvas, typeface: &Typeface, layout: &Layout, left: usize) {
        if !self.has_legend() {
            return;
        }
        let style = Style { colour: INK, ..layout.small() };
        let places = self.legend(typeface, layout);
        for ((curve, colour), (line, x)) in self.curves.iter().zip(COLOURS.iter().cycle()).zip(places) {
            let x = (layout.picture.x + left) as f32 + x;
            let baseline = layout.picture.y as f32 + (line as f32 + 0.7) * style.size * LINE;
            let middle = baseline - style.size * 0.32;
            canvas.line((x, middle), (x + SWATCH * layout.unit, middle), 3.0 * layout.unit, *colour);
            let room = (layout.picture.x + layout.picture.width) as f32 - x - (SWATCH + GAP) * layout.unit;
            let name = typeface.shorten(curve.name, style.size, room.max(0.0));
            typeface.draw(canvas, x + (SWATCH + GAP) * layout.unit, baseline, &name, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve<'a>(name: &'a str, values: &[f32]) -> Curve<'a> {
        Curve { name, values: values.to_vec() }
    }

    /// The rows of pixels of a colour in each column, top to bottom.
    fn heights(picture: &Picture, colour: [u8; 3]) -> Vec<(u32, u32)> {
        let of = |x: u32| (0..picture.height()).find(|&y| picture.pixel(x, y) == colour).map(|y| (x, y));
        (0..picture.width()).filter_map(of).collect()
    }

    #[test]
    fn a_rising_curve_rises_and_two_curves_have_two_colours() {
        let places = [0.0, 0.5, 1.0];
        let chart = ChartFigure {
            places: &places,
            curves: vec![curve("", &[0.0, 0.5, 1.0]), curve("", &[1.0, 0.5, 0.0])],
            title: "brown bear",
            ..Default::default()
        };
        let shown = chart.render();
        let (rising, falling) = (heights(&shown, COLOURS[0]), heights(&shown, COLOURS[1]));
        assert!(rising.len() > 300 && rising[0].1 > rising[rising.len() - 1].1 + 200);
        assert!(falling.len() > 300 && falling[0].1 + 200 < falling[falling.len() - 1].1);
    }

    #[test]
    fn what_is_not_known_yet_is_not_drawn() {
        let places: Vec<f64> = (0..10).map(f64::from).collect();
        let values = [&[1.0; 5][..], &[f32::NAN; 5]].concat();
        let chart = ChartFigure { places: &places, curves: vec![curve("", &values)], ..Default::default() };
        let drawn = heights(&chart.render(), COLOURS[0]);
        let last = drawn.last().unwrap().0;
        assert!((300..420).contains(&last), "four ninths of the way: {last}");
    }

    #[test]
    fn a_legend_is_broken_into_lines_and_nothing_is_too_little_to_draw() {
        let places = [1.0];
        let names: Vec<String> = (0..7).map(|n| format!("American black bear, Ursus americanus, {n}")).collect();
        let curves = names.iter().map(|name| curve(name, &[1e-7])).collect();
        let many = ChartFigure { places: &places, curves, unit: "logit", axis: "step", ..Default::default() };
        assert!(
            many.legend_lines(&Typeface::load(), &Layout::new(&Typeface::load(), &many.render(), "", "", |_| 0)) > 2
        );
        let nothing = ChartFigure::default().render();
        assert_eq!((nothing.width(), nothing.height()), (760, 488));
    }
}
