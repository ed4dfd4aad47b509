//! A plot of ratios, as SVG: a bar per row from 1× on a logarithmic axis, with the spread as whiskers. It knows nothing of what
//! was measured.

use crate::svg::{self, FAINT, INK, line, text};
use std::fmt::Write as _;

/// A row: the median of a ratio, and its smallest and largest.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) low: f64,
    pub(crate) ratio: f64,
    pub(crate) high: f64,
}

pub(crate) struct Plot {
    pub(crate) title: String,
    /// One line under the title.
    pub(crate) about: String,
    /// Headings, and the rows below each.
    pub(crate) groups: Vec<(String, Vec<Bar>)>,
}

const WIDTH: f64 = 860.0;
/// Where bars may be; labels are to the left.
const LEFT: f64 = 400.0;
const RIGHT: f64 = WIDTH - 60.0;
const TOP: f64 = 84.0;
const ROW: f64 = 22.0;
const HEADING: f64 = 30.0;
const BAR: f64 = 12.0;
const FASTER: &str = "#2a78b5";
const SLOWER: &str = "#c8553d";

impl Plot {
    /// A whole SVG file, with a background of its own so that it reads on dark pages, too.
    pub(crate) fn draw(&self) -> String {
        let axis = Axis::of(self.groups.iter().flat_map(|(_, bars)| bars));
        let rows: usize = self.groups.iter().map(|(_, bars)| bars.len()).sum();
        let bottom = TOP + HEADING * self.groups.len() as f64 + ROW * rows as f64 + 6.0;
        let height = bottom + 34.0;
        let mut svg = svg::open(WIDTH, height, &self.title);
        text(&mut svg, (16.0, 28.0), "font-size=\"17\" font-weight=\"600\"", &self.title);
        let how = "times as fast as the peer: medians, with the smallest and largest of all rounds";
        text(&mut svg, (16.0, 47.0), "", &format!("{how}; {}", self.about));
        for tick in axis.ticks() {
            let (x, colour) = (axis.x(tick), if tick == 1.0 { INK } else { FAINT });
            line(&mut svg, (x, TOP - 6.0), (x, bottom), colour);
            for y in [TOP - 12.0, bottom + 18.0] {
                text(&mut svg, (x, y), "text-anchor=\"middle\"", &format!("{tick}×"));
            }
        }
        let mut y = TOP;
        for (heading, bars) in &self.groups {
            text(&mut svg, (16.0, y + 20.0), "font-weight=\"600\" font-size=\"13\"", heading);
            y += HEADING;
            for bar in bars {
                bar.draw(&mut svg, &axis, y + ROW / 2.0);
                y += ROW;
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Bar {
    /// Centred at the height `y`.
    fn draw(&self, svg: &mut String, axis: &Axis, y: f64) {
        text(svg, (LEFT - 12.0, y + 4.0), "text-anchor=\"end\"", &self.label);
        let (from, to) = (axis.x(self.ratio.min(1.0)), axis.x(self.ratio.max(1.0)));
        let colour = if self.ratio >= 1.0 { FASTER } else { SLOWER };
        let (top, width) = (y - BAR / 2.0, to - from);
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\" opacity=\"0.85\"/>"
        );
        let (low, high) = (axis.x(self.low), axis.x(self.high));
        line(svg, (low, y), (high, y), INK);
        for end in [low, high] {
            line(svg, (end, y - 4.0), (end, y + 4.0), INK);
        }
        let number = format!("{:.2}×", self.ratio);
        text(svg, (high.max(to) + 6.0, y + 4.0), "font-weight=\"600\"", &number);
    }
}

/// Logarithmic, between powers of two.
struct Axis {
    /// Exponents of 2 at both ends.
    first: i32,
    last: i32,
}

impl Axis {
    /// 1× and all of the bars are on it.
    fn of<'a>(bars: impl Iterator<Item = &'a Bar>) -> Self {
        let (low, high) = bars.fold((1.0_f64, 1.0_f64), |(low, high), bar| (low.min(bar.low), high.max(bar.high)));
        Self { first: low.log2().floor() as i32, last: (high.log2().ceil() as i32).max(1) }
    }

    fn x(&self, ratio: f64) -> f64 {
        let (first, last) = (f64::from(self.first), f64::from(self.last));
        LEFT + (ratio.log2() - first) / (last - first) * (RIGHT - LEFT)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.first..=self.last).map(|exponent| 2.0_f64.powi(exponent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(low: f64, ratio: f64, high: f64) -> Bar {
        Bar { label: "a < b".into(), low, ratio, high }
    }

    #[test]
    fn the_axis_holds_one_and_every_whisker() {
        let axis = Axis::of([bar(0.9, 1.5, 3.0), bar(2.0, 4.0, 5.0)].iter());
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [0.5, 1.0, 2.0, 4.0, 8.0]);
        assert!((axis.x(0.5) - LEFT).abs() < 1e-9 && (axis.x(8.0) - RIGHT).abs() < 1e-9);
        assert!((axis.x(2.0) - f64::midpoint(LEFT, RIGHT)).abs() < 1e-9);
        assert_eq!(Axis::of(std::iter::empty()).ticks().collect::<Vec<_>>(), [1.0, 2.0], "never without width");
    }

    #[test]
    fn a_bar_begins_at_one_and_says_by_its_colour_on_which_side() {
        let plot = |bar| Plot { title: "t".into(), about: String::new(), groups: vec![("n".into(), vec![bar])] };
        let faster = plot(bar(1.5, 2.0, 4.0)).draw();
        assert!(faster.contains(&format!("<rect x=\"{LEFT:.1}\"")) && faster.contains(FASTER), "{faster}");
        assert!(faster.contains("a &lt; b · ") || faster.contains("a &lt; b"), "labels are escaped");
        assert!(plot(bar(0.4, 0.5, 0.6)).draw().contains(SLOWER));
    }
}
