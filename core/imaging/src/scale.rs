//! The range of numbers that a colour map spans, and the numbers written beside a colour bar.

/// `low` gets the colour map's first colour, `high` its last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
}

impl Scale {
    /// The range of a map's finite values: symmetric about zero where it is signed, from zero where nothing is below it.
    #[must_use]
    pub fn of(values: &[f32], signed: bool) -> Self {
        let finite = values.iter().copied().filter(|value| value.is_finite()).map(f64::from);
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let range = if low > high {
            Self { low: 0.0, high: 0.0 }
        } else if signed {
            let largest = low.abs().max(high.abs());
            Self { low: -largest, high: largest }
        } else if low >= 0.0 {
            Self { low: 0.0, high }
        } else {
            Self { low, high }
        };
        range.widened(signed)
    }

    /// As [`Scale::of`], but where a few single cells of a fine map tower above all others the range ends below them: what
    /// lies beyond it gets its last colours. Gradients are like that, and a range up to their largest value shows nothing.
    #[must_use]
    pub fn robust(values: &[f32], signed: bool) -> Self {
        let whole = Self::of(values, signed);
        let mut sizes: Vec<f32> = values.iter().filter(|value| value.is_finite()).map(|value| value.abs()).collect();
        if sizes.len() < FINE {
            return whole;
        }
        let place = (sizes.len() as f64 * (1.0 - TOWERING)) as usize;
        let (_, bound, _) = sizes.select_nth_unstable_by(place, f32::total_cmp);
        let bound = f64::from(*bound);
        if bound <= 0.0 || whole.low.abs().max(whole.high.abs()) <= 2.0 * bound {
            return whole;
        }
        Self { low: whole.low.max(-bound), high: whole.high.min(bound) }
    }

    /// A range of no width cannot carry a bar: a constant map is shown within a range of 1.
    fn widened(self, signed: bool) -> Self {
        if self.high > self.low {
            self
        } else if signed {
            Self { low: self.low - 1.0, high: self.high + 1.0 }
        } else {
            Self { low: self.low, high: self.low + 1.0 }
        }
    }

    /// Where a value lies between the ends: 0 at `low`, 1 at `high`.
    #[must_use]
    pub fn position(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Round numbers within the range, about five of them, with their labels; and the power of ten that the labels leave
    /// out (0 where they leave out none).
    pub(crate) fn ticks(&self) -> (Vec<(f64, String)>, i32) {
        let span = self.high - self.low;
        let rough = span / 5.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let step =
            decade * [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|&s| s * decade >= rough * 0.999).unwrap_or(10.0);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let largest = self.low.abs().max(self.high.abs());
        let magnitude = largest.log10().floor() as i32;
        let exponent = if (-3..5).contains(&magnitude) { 0 } else { magnitude };
        let unit = step / 10_f64.powi(exponent);
        let decimals = (0..6).find(|&d| is_whole(unit * 10_f64.powi(d))).unwrap_or(6) as usize;
        let ticks = (first..=last).map(|index| {
            let label = format!("{:.decimals$}", index as f64 * unit).replace('-', "\u{2212}");
            (index as f64 * step, label)
        });
        (ticks.collect(), exponent)
    }
}

/// Maps with fewer cells have none that tower above the rest: each is a region.
const FINE: usize = 4096;
/// The share of cells that may.
const TOWERING: f64 = 0.02;

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> (Vec<String>, i32) {
        let (ticks, exponent) = Scale { low, high }.ticks();
        (ticks.into_iter().map(|(_, label)| label).collect(), exponent)
    }

    #[test]
    fn a_signed_map_is_symmetric_and_an_unsigned_one_starts_at_zero() {
        assert_eq!(Scale::of(&[-1.0, 3.0, f32::NAN], true), Scale { low: -3.0, high: 3.0 });
        assert_eq!(Scale::of(&[1.0, 3.0, f32::INFINITY], false), Scale { low: 0.0, high: 3.0 });
        assert_eq!(Scale::of(&[-1.0, 3.0], false), Scale { low: -1.0, high: 3.0 });
    }

    #[test]
    fn a_few_towering_cells_of_a_fine_map_do_not_hide_the_rest() {
        let mut fine: Vec<f32> = (0..10_000).map(|index| (index % 100) as f32 / 100.0 - 0.5).collect();
        assert_eq!(Scale::robust(&fine, true), Scale::of(&fine, true), "nothing towers");
        fine[7] = 50.0;
        let Scale { low, high } = Scale::robust(&fine, true);
        assert!((low + 0.49).abs() < 1e-6 && (high - 0.49).abs() < 1e-6, "{low} {high}");
        let coarse = [1.0, 0.0, 0.0, 50.0];
        assert_eq!(Scale::robust(&coarse, false), Scale::of(&coarse, false), "each cell is a region");
        let mut sparse = vec![0.0; 10_000];
        sparse[3] = 1.0;
        assert_eq!(Scale::robust(&sparse, false), Scale::of(&sparse, false), "all the rest is zero");
    }

    #[test]
    fn a_constant_or_empty_map_still_has_a_range() {
        for (values, signed) in [(&[][..], false), (&[0.0, 0.0], true), (&[f32::NAN], true), (&[-2.0], false)] {
            let scale = Scale::of(values, signed);
            assert!(scale.high > scale.low, "{values:?}");
        }
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(0.0, 1.0).0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-3.1, 3.1).0, ["−2", "0", "2"]);
        assert_eq!(labels(0.0, 0.037).0, ["0.00", "0.01", "0.02", "0.03"]);
    }

    #[test]
    fn very_small_and_very_large_numbers_share_a_power_of_ten() {
        assert_eq!(labels(0.0, 1e-5), (["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(String::from).to_vec(), -5));
        assert_eq!(labels(0.0, 4e7), (["0", "1", "2", "3", "4"].map(String::from).to_vec(), 7));
    }
}
