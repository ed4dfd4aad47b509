//! How much each cell of an axis counts in each cell of the resized axis. Coordinates are float32, as engines have them:
//! which cell is nearest may hang on the last bit. Weights are float64 until they are stored.

/// One axis, resized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) scale: f32,
    /// The part that is shown, of 0 to 1, for [`Coordinates::CropAndResize`].
    pub(super) region: (f32, f32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Nearest,
    Linear,
    Cubic { a: f32 },
}

/// Where a cell of the result lies on the original axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    HalfPixelForNearest,
    CropAndResize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Nearest {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
    /// Before opset 11: down when growing, up when shrinking.
    Outward,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) mode: Mode,
    pub(super) coordinates: Coordinates,
    pub(super) nearest: Nearest,
    /// Cells beyond the ends do not count, and the others make up for them; else the end cells stand in for them.
    pub(super) exclude: bool,
    pub(super) antialias: bool,
}

impl Axis {
    /// Whether the result is the axis itself.
    pub(super) fn is_kept(&self, manner: &Manner) -> bool {
        let whole = manner.coordinates != Coordinates::CropAndResize || self.region == (0.0, 1.0);
        self.from == self.to && self.scale == 1.0 && whole
    }

    /// The weights by cell of the original axis, then by cell of the result.
    pub(super) fn transposed(&self, manner: &Manner) -> Vec<f32> {
        let mut matrix = vec![0.0_f64; (self.from * self.to) as usize];
        for to in 0..self.to {
            for (from, weight) in self.weights(to, manner) {
                matrix[(from * self.to + to) as usize] += weight;
            }
        }
        matrix.into_iter().map(|weight| weight as f32).collect()
    }

    fn coordinate(&self, cell: i64, manner: &Manner) -> f32 {
        let (x, from, to) = (cell as f32, self.from as f32, self.to as f32);
        match manner.coordinates {
            Coordinates::HalfPixel => (x + 0.5) / self.scale - 0.5,
            Coordinates::PytorchHalfPixel if self.to == 1 => 0.0,
            Coordinates::PytorchHalfPixel => (x + 0.5) / self.scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = to / (self.scale * from);
                from / 2.0 * (1.0 - adjustment) + (x + 0.5) / self.scale - 0.5
            }
            Coordinates::AlignCorners if self.to == 1 => 0.0,
            Coordinates::AlignCorners => x * (from - 1.0) / (to - 1.0),
            Coordinates::Asymmetric => x / self.scale,
            Coordinates::HalfPixelForNearest => (x + 0.5) / self.scale,
            Coordinates::CropAndResize => {
                let (start, end) = self.region;
                if self.to == 1 {
                    0.5 * (start + end) * (from - 1.0)
                } else {
                    start * (from - 1.0) + x * (end - start) * (from - 1.0) / (to - 1.0)
                }
            }
        }
    }

    /// The cells that make up cell `to` of the result, each with its weight. A cell may occur twice.
    fn weights(&self, to: i64, manner: &Manner) -> Vec<(i64, f64)> {
        let x = self.coordinate(to, manner);
        let last = self.from - 1;
        if manner.coordinates == Coordinates::CropAndResize && !(0.0..=last as f32).contains(&x) {
            // What lies outside is a constant.
            return Vec::new();
        }
        let mut weights = match manner.mode {
            Mode::Nearest => return vec![(self.nearest(x, manner).clamp(0, last), 1.0)],
            Mode::Linear if !manner.antialias => {
                let x = x.clamp(0.0, last as f32);
                let share = f64::from(x - x.floor());
                vec![(x.floor() as i64, 1.0 - share), (x.floor() as i64 + 1, share)]
            }
            Mode::Linear => self.smoothed(x, 1.0, |distance| (1.0 - distance).max(0.0)),
            Mode::Cubic { a } if manner.antialias => self.smoothed(x, 2.0, |distance| cubic(distance, a)),
            Mode::Cubic { a } => {
                let first = x.floor() as i64 - 1;
                (first..first + 4).map(|cell| (cell, cubic((f64::from(x) - cell as f64).abs(), a))).collect()
            }
        };
        if manner.exclude {
            weights.retain(|(cell, _)| (0..=last).contains(cell));
            let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
            weights.iter_mut().for_each(|(_, weight)| *weight /= total);
        }
        weights.into_iter().map(|(cell, weight)| (cell.clamp(0, last), weight)).collect()
    }

    /// Weights by a kernel that is widened where the axis shrinks, so that every cell counts somewhere.
    fn smoothed(&self, x: f32, radius: f64, kernel: impl Fn(f64) -> f64) -> Vec<(i64, f64)> {
        let scale = f64::from(self.scale.min(1.0));
        let (x, reach) = (f64::from(x), radius / scale);
        let cells = (x - reach).floor() as i64..=(x + reach).ceil() as i64;
        let mut weights: Vec<(i64, f64)> = cells
            .map(|cell| (cell, kernel((cell as f64 - x).abs() * scale)))
            .filter(|(_, weight)| *weight != 0.0)
            .collect();
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        weights.iter_mut().for_each(|(_, weight)| *weight /= total);
        weights
    }

    fn nearest(&self, x: f32, manner: &Manner) -> i64 {
        let rounded = match manner.nearest {
            Nearest::PreferFloor => (x - 0.5).ceil(),
            Nearest::PreferCeil => (x + 0.5).floor(),
            Nearest::Floor => x.floor(),
            Nearest::Ceil => x.ceil(),
            Nearest::Outward if self.scale < 1.0 => x.ceil(),
            Nearest::Outward => x.floor(),
        };
        rounded as i64
    }
}

/// Keys' cubic kernel at a distance.
fn cubic(distance: f64, a: f32) -> f64 {
    let (d, a) = (distance, f64::from(a));
    match d {
        d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(mode: Mode, from: i64, to: i64, antialias: bool) -> Vec<f32> {
        let manner = Manner {
            mode,
            coordinates: Coordinates::HalfPixel,
            nearest: Nearest::PreferFloor,
            exclude: false,
            antialias,
        };
        Axis { from, to, scale: to as f32 / from as f32, region: (0.0, 1.0) }.transposed(&manner)
    }

    #[test]
    fn twice_as_many_cells_by_halves_and_quarters() {
        assert_eq!(matrix(Mode::Nearest, 2, 4, false), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(matrix(Mode::Linear, 2, 4, false), [1.0, 0.75, 0.25, 0.0, 0.0, 0.25, 0.75, 1.0]);
    }

    #[test]
    fn what_is_smoothed_counts_every_cell_the_same() {
        let halved = matrix(Mode::Linear, 4, 2, true);
        // Weights 1/8, 3/8, 3/8, 1/8 around each cell of the result, the end cell standing in for the one beyond.
        assert_eq!(halved, [0.5, 0.0, 0.375, 0.125, 0.125, 0.375, 0.0, 0.5]);
    }

    #[test]
    fn every_cell_of_the_result_is_a_mean() {
        for mode in [Mode::Nearest, Mode::Linear, Mode::Cubic { a: -0.75 }] {
            for (from, to) in [(3, 7), (7, 3), (1, 4), (5, 1)] {
                let matrix = matrix(mode, from, to, false);
                for cell in 0..to {
                    let total: f32 = (0..from).map(|row| matrix[(row * to + cell) as usize]).sum();
                    assert!((total - 1.0).abs() < 1e-5, "{mode:?} {from} to {to}: {total}");
                }
            }
        }
    }
}
