//! Points and the laws through them, drawn on logarithmic axes, panels side by side. Knows nothing of what was measured.

use super::fit::Law;
use crate::svg::{self, FAINT, INK};

/// One drawing.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

pub(crate) struct Panel {
    /// What is along the axes, with units.
    pub(crate) across: String,
    pub(crate) up: String,
    pub(crate) series: Vec<Series>,
}

pub(crate) struct Series {
    pub(crate) label: String,
    /// All above 0.
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) law: Law,
}

const PANEL: (f64, f64) = (430.0, 330.0);
/// Left, right, top and bottom of the axes within a panel.
const LEFT: f64 = 64.0;
const RIGHT: f64 = PANEL.0 - 24.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = PANEL.1 - 48.0;
const COLOURS: [&str; 3] = ["#2a78b5", "#c8553d", "#4f8f5b"];
/// Steps of a law's line: affine ones are bent on these axes.
const STEPS: u32 = 48;

impl Chart {
    /// A whole SVG file.
    pub(crate) fn draw(&self) -> String {
        let width = PANEL.0 * self.panels.len() as f64;
        let mut drawn = svg::open(width, PANEL.1, &self.title);
        svg::text(&mut drawn, (16.0, 24.0), "font-size=\"15\" font-weight=\"600\"", &self.title);
        for (index, panel) in self.panels.iter().enumerate() {
            panel.draw(&mut drawn, PANEL.0 * index as f64);
        }
        drawn.push_str("</svg>\n");
        drawn
    }
}

impl Panel {
    fn draw(&self, drawn: &mut String, from: f64) {
        let all = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::of(all().map(|point| point.0), (from + LEFT, from + RIGHT));
        let y = Axis::of(all().map(|point| point.1), (BOTTOM, TOP));
        for tick in x.ticks() {
            let at = x.place(tick);
            svg::line(drawn, (at, TOP), (at, BOTTOM), FAINT);
            svg::text(drawn, (at, BOTTOM + 16.0), "text-anchor=\"middle\"", &short(tick));
        }
        for tick in y.ticks() {
            let at = y.place(tick);
            svg::line(drawn, (from + LEFT, at), (from + RIGHT, at), FAINT);
            svg::text(drawn, (from + LEFT - 6.0, at + 4.0), "text-anchor=\"end\"", &short(tick));
        }
        svg::line(drawn, (from + LEFT, BOTTOM), (from + RIGHT, BOTTOM), INK);
        svg::line(drawn, (from + LEFT, TOP), (from + LEFT, BOTTOM), INK);
        let middle = from + f64::midpoint(LEFT, RIGHT);
        svg::text(drawn, (middle, PANEL.1 - 12.0), "text-anchor=\"middle\"", &self.across);
        svg::text(drawn, (from + 16.0, TOP - 14.0), "font-weight=\"600\"", &self.up);
        for (index, series) in self.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let (low, high) = range(series.points.iter().map(|point| point.0));
            let step = |step: u32| low * (high / low).powf(f64::from(step) / f64::from(STEPS));
            let on = (0..=STEPS).map(step).map(|n| (n, series.law.at(n))).filter(|(_, t)| y.holds(*t));
            svg::path(drawn, on.map(|(n, t)| (x.place(n), y.place(t))), colour);
            for &(n, t) in &series.points {
                svg::dot(drawn, (x.place(n), y.place(t)), colour);
            }
            let at = (from + LEFT + 12.0, TOP + 16.0 + 16.0 * index as f64);
            svg::text(drawn, at, &format!("fill=\"{colour}\" font-weight=\"600\""), &series.label);
        }
    }
}

/// Logarithmic, from one of 1, 2, 5 (times a power of ten) to another.
struct Axis {
    ends: (f64, f64),
    places: (f64, f64),
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (low, high) = range(values);
        let below = round_numbers(low / 10.0, low * 1.0001).last().unwrap_or(low);
        let above = round_numbers(high * 0.9999, high * 10.0).next().unwrap_or(high);
        // What hardly varies still needs an axis.
        let above = if above > below { above } else { below * 10.0 };
        Self { ends: (below, above), places }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value / self.ends.0).ln() / (self.ends.1 / self.ends.0).ln();
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    fn holds(&self, value: f64) -> bool {
        (self.ends.0..=self.ends.1).contains(&value)
    }

    /// 1, 2, 5 over little more than two decades, else powers of ten.
    fn ticks(&self) -> Vec<f64> {
        let (low, high) = (self.ends.0 * 0.9999, self.ends.1 * 1.0001);
        let fine = high / low < 300.0;
        round_numbers(low, high).filter(|tick| fine || (tick.log10() - tick.log10().round()).abs() < 1e-6).collect()
    }
}

/// 1, 2 and 5 times powers of ten within these bounds.
fn round_numbers(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10.0_f64.powi(decade)));
    all.filter(move |number| (low..=high).contains(number))
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(low, high), value| (low.min(value), value.max(high)))
}

/// With few digits: `0.02`, `500`, `10⁵`.
fn short(tick: f64) -> String {
    if !(0.0099..9999.0).contains(&tick) {
        let decade = (tick * 1.0001).log10().floor() as i32;
        let digit = (tick / 10.0_f64.powi(decade)).round();
        let power: String = decade.to_string().chars().map(raised).collect();
        return if digit > 1.0 { format!("{digit}·10{power}") } else { format!("10{power}") };
    }
    format!("{}", (tick * 1000.0).round() / 1000.0)
}

fn raised(digit: char) -> char {
    match digit {
        '-' => '⁻',
        _ => digit.to_digit(10).and_then(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize)).unwrap_or(digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_goes_from_one_round_number_to_another_and_holds_all() {
        let axis = Axis::of([30.0, 450.0].into_iter(), (0.0, 100.0));
        assert_eq!(axis.ends, (20.0, 500.0));
        assert_eq!(axis.ticks(), [20.0, 50.0, 100.0, 200.0, 500.0]);
        assert!(axis.place(20.0).abs() < 1e-9 && (axis.place(100.0) - 50.0).abs() < 1e-9);
        assert_eq!(Axis::of([100.0, 1e5].into_iter(), (0.0, 1.0)).ticks(), [100.0, 1000.0, 1e4, 1e5]);
        assert!(Axis::of([100.0, 100.0].into_iter(), (0.0, 1.0)).ends.1 > 100.0, "never without width");
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.001, 0.02, 1.0, 500.0, 20_000.0, 1e6].map(short), ["10⁻³", "0.02", "1", "500", "2·10⁴", "10⁶"]);
    }
}
