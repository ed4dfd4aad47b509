//! Points in the plane, coloured by class, with a legend; a ring in another colour says what a point was taken for.

use super::header;
use crate::canvas::{Area, Canvas};
use crate::layout::{GREY, INK, SMALL};
use crate::picture::Picture;
use crate::text::{Style, Typeface};

/// Points and what they are.
#[derive(Clone, Debug)]
pub struct ScatterFigure<'a> {
    pub points: &'a [[f32; 2]],
    /// For each point its class, as an index into `names`; `None` is grey.
    pub classes: &'a [Option<usize>],
    /// For each point what it was taken for; a ring is drawn where that is another class.
    pub predictions: &'a [Option<usize>],
    pub names: &'a [String],
    /// One line, cut where it does not fit; may be empty.
    pub title: &'a str,
    /// One line, cut where it does not fit; may be empty.
    pub subtitle: &'a str,
}

const SIDE: usize = 640;
/// Between the points and the frame.
const INSET: f64 = 16.0;
const FRAME: [u8; 3] = [205, 208, 214];
/// Classes that the legend has room for.
const LISTED: usize = 28;
const LEGEND: usize = 210;

/// Number, x and y of a point on the canvas.
type Placed = (usize, f32, f32);

impl ScatterFigure<'_> {
    /// Draws it. Points that are not finite are left out.
    #[must_use]
    pub fn render(&self) -> Picture {
        let typeface = Typeface::load();
        let top = header::MARGIN + header::height(self.title, self.subtitle);
        let area = Area { x: header::MARGIN, y: top, width: SIDE, height: SIDE };
        let width = area.x + SIDE + LEGEND + header::MARGIN;
        let mut canvas = Canvas::new(width, top + SIDE + header::MARGIN);
        header::draw(&mut canvas, &typeface, self.title, self.subtitle, width - 2 * header::MARGIN);
        canvas.frame(area, FRAME, 1.0);
        let placed = self.placed(area);
        let radius = (60.0 / (placed.len().max(1) as f32).sqrt()).clamp(2.2, 6.0);
        let colour = |class: Option<usize>| class.map_or(GREY, |class| hue(class, self.names.len()));
        let class = |index: usize| self.classes.get(index).copied().flatten();
        // Those that were taken for another class lie on top, so that they are seen.
        let taken = |index: usize| {
            self.predictions.get(index).copied().flatten().filter(|p| class(index).is_some_and(|c| c != *p))
        };
        let (wrong, right): (Vec<Placed>, Vec<Placed>) =
            placed.iter().copied().partition(|&(index, _, _)| taken(index).is_some());
        for (index, x, y) in right {
            disc(&mut canvas, x, y, radius, colour(class(index)), 0.8);
        }
        for (index, x, y) in wrong {
            disc(&mut canvas, x, y, radius + 2.0, colour(taken(index)), 1.0);
            disc(&mut canvas, x, y, radius + 0.4, [255; 3], 1.0);
            disc(&mut canvas, x, y, radius - 0.4, colour(class(index)), 1.0);
        }
        self.draw_legend(&mut canvas, &typeface, area);
        canvas.into_picture()
    }

    /// Number and place of each point, on one scale for both axes.
    fn placed(&self, area: Area) -> Vec<Placed> {
        let finite = || self.points.iter().enumerate().filter(|(_, point)| point.iter().all(|v| v.is_finite()));
        let range = |axis: usize| {
            let values = finite().map(|(_, point)| f64::from(point[axis]));
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let ((left, right), (low, high)) = (range(0), range(1));
        let span = (right - left).max(high - low).max(f64::MIN_POSITIVE);
        let scale = (area.width as f64 - 2.0 * INSET) / span;
        let (middle_x, middle_y) = (f64::midpoint(left, right), f64::midpoint(low, high));
        let centre = |start: usize, length: usize| start as f64 + length as f64 / 2.0;
        let place = |(index, point): (usize, &[f32; 2])| {
            let x = centre(area.x, area.width) + (f64::from(point[0]) - middle_x) * scale;
            let y = centre(area.y, area.height) - (f64::from(point[1]) - middle_y) * scale;
            (index, x as f32, y as f32)
        };
        finite().map(place).collect()
    }

    fn draw_legend(&self, canvas: &mut Canvas, typeface: &Typeface, area: Area) {
        let text = Style { size: SMALL, colour: INK, weight: 0.25 };
        let x = (area.x + area.width + 18) as f32;
        let mut y = area.y as f32 + 10.0;
        for (class, name) in self.names.iter().enumerate().take(LISTED) {
            let count = self.classes.iter().filter(|other| **other == Some(class)).count();
            disc(canvas, x + 5.0, y, 5.0, hue(class, self.names.len()), 1.0);
            let count = if count > 0 { format!("  {count}") } else { String::new() };
            let room = (LEGEND - 18 - 18) as f32 - typeface.width(&count, SMALL);
            let name = typeface.shorten(name, SMALL, room);
            typeface.draw(canvas, x + 18.0, y + SMALL * 0.35, &name, text);
            let after = x + 18.0 + typeface.width(&name, SMALL);
            typeface.draw(canvas, after, y + SMALL * 0.35, &count, Style { colour: GREY, ..text });
            y += SMALL * 1.55;
        }
        let more = self.names.len().saturating_sub(LISTED);
        let mut notes = if more > 0 { vec![format!("and {more} more")] } else { Vec::new() };
        let wrong =
            self.classes.iter().zip(self.predictions).any(|(c, p)| matches!((c, p), (Some(c), Some(p)) if c != p));
        if wrong {
            notes.push("ring: what it was taken for".to_owned());
        }
        for note in notes {
            typeface.draw(canvas, x, y + SMALL * 0.35 + 4.0, &note, Style { colour: GREY, ..text });
            y += SMALL * 1.55;
        }
    }
}

/// A colour for class `index` of `count`: ten that people can name, twenty with their lighter kin, else around the circle.
fn hue(index: usize, count: usize) -> [u8; 3] {
    let base = colorous::TABLEAU10;
    match count {
        0..=10 => base[index % 10].as_array(),
        11..=20 => {
            let colour = base[index % 10].as_array();
            if index < 10 { colour } else { colour.map(|channel| ((u16::from(channel) + 255) / 2) as u8) }
        }
        _ => colorous::SINEBOW.eval_rational(index % count, count).as_array(),
    }
}

/// A filled circle with a soft edge.
fn disc(canvas: &mut Canvas, x: f32, y: f32, radius: f32, colour: [u8; 3], opacity: f32) {
    let reach = radius.ceil() as i64 + 1;
    let (column, row) = (x.floor() as i64, y.floor() as i64);
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let distance = ((column + dx) as f32 + 0.5 - x).hypot((row + dy) as f32 + 0.5 - y);
            let coverage = (radius + 0.5 - distance).clamp(0.0, 1.0);
            if coverage > 0.0 {
                canvas.blend(column + dx, row + dy, colour, coverage * opacity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(points: &[[f32; 2]], classes: &[Option<usize>], predictions: &[Option<usize>], names: usize) -> Picture {
        let names: Vec<String> = (0..names).map(|index| format!("class {index}")).collect();
        ScatterFigure { points, classes, predictions, names: &names, title: "t-SNE", subtitle: "" }.render()
    }

    fn has(picture: &Picture, colour: [u8; 3]) -> bool {
        picture.rgb().chunks_exact(3).any(|rgb| rgb.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 3))
    }

    #[test]
    fn each_class_has_a_colour_and_a_line_in_the_legend() {
        let picture = render(&[[0.0, 0.0], [1.0, 1.0]], &[Some(0), Some(1)], &[], 3);
        assert!((0..3).all(|class| has(&picture, hue(class, 3))));
        let other = render(&[[0.0, 0.0], [1.0, 1.0]], &[Some(0), Some(1)], &[], 2);
        assert_ne!(picture, other);
    }

    #[test]
    fn a_mistake_has_a_ring() {
        let points = [[0.0, 0.0], [1.0, 1.0]];
        let right = render(&points, &[Some(0), Some(1)], &[Some(0), Some(1)], 2);
        let wrong = render(&points, &[Some(0), Some(1)], &[Some(0), Some(0)], 2);
        assert_ne!(right, wrong);
    }

    #[test]
    fn nothing_one_point_and_what_is_not_finite_are_drawn_too() {
        for points in [&[][..], &[[3.0, 3.0]], &[[f32::NAN, 0.0], [1.0, 2.0]]] {
            assert!(render(points, &[None, Some(40)], &[], 60).width() > SIDE as u32);
        }
    }
}
