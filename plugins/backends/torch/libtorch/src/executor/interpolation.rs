//! How much each cell of an axis counts in each cell of the resized axis. It shares no code with the derivative of the graph
//! crate, which is compared with it.

use super::Result;
use super::call::Call;

/// One axis, resized.
pub(super) struct Axis {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) scale: f32,
    /// The part that is shown, of 0 to 1, where there is one.
    pub(super) region: (f32, f32),
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

/// As the node's attributes say.
pub(super) struct Manner {
    mode: Mode,
    coordinates: String,
    rounding: String,
    a: f64,
    exclude: bool,
    antialias: bool,
}

impl Manner {
    pub(super) fn of(call: &Call<'_>) -> Result<Self> {
        let node = call.node;
        let mode = match node.string("mode").unwrap_or("nearest") {
            "nearest" => Mode::Nearest,
            "linear" | "bilinear" => Mode::Linear,
            "cubic" => Mode::Cubic,
            other => return call.unsupported(format!("with the mode {other:?}")),
        };
        // Before opset 11 there was one way only.
        let chosen = |name: &str, default: &str, before: &str| match call.opset >= 11 {
            true => node.string(name).unwrap_or(default).to_owned(),
            false => before.to_owned(),
        };
        let coordinates = chosen("coordinate_transformation_mode", "half_pixel", "asymmetric");
        let rounding = chosen("nearest_mode", "round_prefer_floor", "outward");
        if !COORDINATES.contains(&&*coordinates) {
            return call.unsupported(format!("with the coordinate_transformation_mode {coordinates:?}"));
        }
        if !ROUNDINGS.contains(&&*rounding) {
            return call.unsupported(format!("with the nearest_mode {rounding:?}"));
        }
        let a = f64::from(node.float("cubic_coeff_a", -0.75));
        let flag = |name: &str| node.int(name, 0) != 0;
        Ok(Self { mode, coordinates, rounding, a, exclude: flag("exclude_outside"), antialias: flag("antialias") })
    }

    /// Whether each cell of the result is one of the cells as it was.
    pub(super) fn picks(&self) -> bool {
        self.mode == Mode::Nearest
    }

    fn crops(&self) -> bool {
        self.coordinates == "tf_crop_and_resize"
    }

    fn kernel(&self, distance: f64) -> f64 {
        let (d, a) = (distance.abs(), self.a);
        match self.mode {
            Mode::Cubic if d <= 1.0 => (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0,
            Mode::Cubic if d < 2.0 => a * d.powi(3) - 5.0 * a * d.powi(2) + 8.0 * a * d - 4.0 * a,
            Mode::Cubic => 0.0,
            _ => (1.0 - d).max(0.0),
        }
    }
}

const COORDINATES: [&str; 7] = [
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
];
const ROUNDINGS: [&str; 5] = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "outward"];

impl Axis {
    /// Whether the result is the axis itself.
    pub(super) fn is_kept(&self, manner: &Manner) -> bool {
        self.from == self.to && self.scale == 1.0 && (!manner.crops() || self.region == (0.0, 1.0))
    }

    /// Where cell `cell` of the result lies on the axis. In float32, as engines have it: which cell is nearest may hang on the
    /// last bit.
    fn place(&self, cell: i64, manner: &Manner) -> f32 {
        let (at, from, to, scale) = (cell as f32, self.from as f32, self.to as f32, self.scale);
        let middle = (at + 0.5) / scale - 0.5;
        match &*manner.coordinates {
            "asymmetric" => at / scale,
            "pytorch_half_pixel" | "align_corners" if self.to == 1 => 0.0,
            "align_corners" => at * (from - 1.0) / (to - 1.0),
            "tf_half_pixel_for_nn" => (at + 0.5) / scale,
            "half_pixel_symmetric" => from / 2.0 * (1.0 - to / (scale * from)) + middle,
            "tf_crop_and_resize" => {
                let (start, end) = self.region;
                match self.to {
                    1 => 0.5 * (start + end) * (from - 1.0),
                    _ => start * (from - 1.0) + at * (end - start) * (from - 1.0) / (to - 1.0),
                }
            }
            _ => middle,
        }
    }

    /// The cells that make up cell `cell` of the result, with their weights; `None` where it lies outside what there is.
    pub(super) fn taps(&self, cell: i64, manner: &Manner) -> Option<Vec<(i64, f64)>> {
        let (place, last) = (self.place(cell, manner), self.from - 1);
        if manner.crops() && !(0.0..=last as f32).contains(&place) {
            return None;
        }
        if manner.picks() {
            return Some(vec![(self.nearest(place, manner).clamp(0, last), 1.0)]);
        }
        // A kernel is widened where the axis shrinks, so that every cell counts somewhere.
        let squeeze = if manner.antialias { f64::from(self.scale.min(1.0)) } else { 1.0 };
        let (place, radius) = (f64::from(place), if manner.mode == Mode::Cubic { 2.0 } else { 1.0 });
        let cells = (place - radius / squeeze).floor() as i64..=(place + radius / squeeze).ceil() as i64;
        let mut taps: Vec<(i64, f64)> = cells
            .map(|cell| (cell, manner.kernel((cell as f64 - place) * squeeze)))
            .filter(|(cell, weight)| *weight != 0.0 && (!manner.exclude || (0..=last).contains(cell)))
            .collect();
        let total: f64 = taps.iter().map(|(_, weight)| weight).sum();
        taps.iter_mut().for_each(|(cell, weight)| (*cell, *weight) = ((*cell).clamp(0, last), *weight / total));
        Some(taps)
    }

    fn nearest(&self, place: f32, manner: &Manner) -> i64 {
        let (down, up) = (place.floor() as i64, place.ceil() as i64);
        let fraction = place - place.floor();
        match &*manner.rounding {
            "floor" => down,
            "ceil" => up,
            "round_prefer_ceil" if fraction >= 0.5 => up,
            "round_prefer_floor" if fraction > 0.5 => up,
            // Down when growing, up when shrinking.
            "outward" if self.scale < 1.0 => up,
            _ => down,
        }
    }
}
