//! From a number in 0…1 to a colour: the maps that people know, by name.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A colour map. All are sequential but [`Colormap::RedBlue`], whose middle (0.5) stands for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Colormap {
    #[default]
    Turbo,
    Viridis,
    Magma,
    Inferno,
    /// The rainbow of older papers: its bands are not in the numbers. For comparison with those.
    Jet,
    /// Blue for negative, white for zero, red for positive.
    RedBlue,
}

impl Colormap {
    pub const NAMES: [&'static str; 6] = ["turbo", "viridis", "magma", "inferno", "jet", "red-blue"];
    const ALL: [Self; 6] = [Self::Turbo, Self::Viridis, Self::Magma, Self::Inferno, Self::Jet, Self::RedBlue];

    /// What a map gets unless someone chooses: a signed one diverges around zero.
    #[must_use]
    pub fn standard(signed: bool) -> Self {
        if signed { Self::RedBlue } else { Self::Turbo }
    }

    /// Whether 0.5 stands for zero.
    #[must_use]
    pub fn is_diverging(self) -> bool {
        self == Self::RedBlue
    }

    /// The colour at `position`; what lies outside 0…1 gets the colour of the nearer end.
    #[must_use]
    pub fn colour(self, position: f64) -> [u8; 3] {
        let t = if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) };
        let gradient = match self {
            Self::Turbo => colorous::TURBO,
            Self::Viridis => colorous::VIRIDIS,
            Self::Magma => colorous::MAGMA,
            Self::Inferno => colorous::INFERNO,
            Self::Jet => return jet(t),
            // The crate's runs from red to blue.
            Self::RedBlue => return colorous::RED_BLUE.eval_continuous(1.0 - t).as_array(),
        };
        gradient.eval_continuous(t).as_array()
    }

    /// The colours at 0, 1/255, …, 1.
    #[must_use]
    pub fn table(self) -> [[u8; 3]; 256] {
        std::array::from_fn(|index| self.colour(index as f64 / 255.0))
    }
}

/// Three trapezoids, a quarter of the range apart.
fn jet(t: f64) -> [u8; 3] {
    [3.0, 2.0, 1.0].map(|centre| (255.0 * (1.5 - (4.0 * t - centre).abs()).clamp(0.0, 1.0)).round() as u8)
}

impl FromStr for Colormap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wanted = if text == "rdbu" { "red-blue" } else { text };
        let index = Self::NAMES.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        index.map(|index| Self::ALL[index]).ok_or_else(|| Error::UnknownColormap { given: text.to_owned() })
    }
}

impl fmt::Display for Colormap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES[*self as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip() {
        for name in Colormap::NAMES {
            assert_eq!(name.parse::<Colormap>().unwrap().to_string(), name);
        }
        assert!("rainbow".parse::<Colormap>().unwrap_err().to_string().contains("'rainbow'"));
    }

    #[test]
    fn the_diverging_map_is_blue_white_red() {
        let [low, middle, high] = [0.0, 0.5, 1.0].map(|t| Colormap::RedBlue.colour(t));
        assert!(low[2] > 80 && low[0] < 40, "{low:?}");
        assert!(middle.iter().all(|&channel| channel > 230), "{middle:?}");
        assert!(high[0] > 80 && high[2] < 60, "{high:?}");
    }

    #[test]
    fn jet_passes_through_blue_cyan_yellow_and_red() {
        assert_eq!([0.0, 0.375, 0.625, 1.0].map(jet), [[0, 0, 128], [0, 255, 255], [255, 255, 0], [128, 0, 0]]);
    }

    #[test]
    fn positions_outside_the_range_take_the_nearer_end() {
        for map in Colormap::ALL {
            assert_eq!(map.colour(-3.0), map.colour(0.0));
            assert_eq!(map.colour(7.0), map.colour(1.0));
            assert_ne!(map.colour(0.0), map.colour(1.0));
        }
    }
}
