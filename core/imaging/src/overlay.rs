//! A map of numbers laid over a picture: where each cell falls, what colour it gets, and what stays uncovered.
//!
//! Cells are placed by their centres and interpolated between them, so that a coarse map has its weight where the network
//! saw it and not half a cell off.

use crate::colormap::Colormap;
use crate::error::{Error, Result};
use crate::fit::Placement;
use crate::picture::Picture;
use crate::scale::Scale;

/// A map of numbers, row by row; NaN where nothing was computed. It spans the model's input.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    height: usize,
    width: usize,
    values: &'a [f32],
}

impl<'a> Map<'a> {
    /// # Errors
    /// A side of 0, or values that are not height · width many.
    pub fn new(height: usize, width: usize, values: &'a [f32]) -> Result<Self> {
        let expected = height.saturating_mul(width);
        if expected == 0 || values.len() != expected {
            return Err(Error::WrongLength { what: "a map", got: values.len(), width, height, expected });
        }
        Ok(Self { height, width, values })
    }

    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    #[must_use]
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// The value at a point, interpolated between the centres of the cells around it; `None` in a cell without a value.
    /// Cells without a value have no part in what their neighbours show.
    fn sample(&self, down: Axis, across: Axis) -> Option<f32> {
        let at = |y: usize, x: usize| self.values[y * self.width + x];
        if !at(down.cell, across.cell).is_finite() {
            return None;
        }
        let mut sum = 0.0;
        let mut weights = 0.0;
        for (y, wy) in [(down.before, 1.0 - down.weight), (down.after, down.weight)] {
            for (x, wx) in [(across.before, 1.0 - across.weight), (across.after, across.weight)] {
                let value = at(y, x);
                if value.is_finite() {
                    sum += f64::from(value) * wy * wx;
                    weights += wy * wx;
                }
            }
        }
        (weights > 0.0).then(|| (sum / weights) as f32)
    }
}

/// Where a pixel falls along one side of a map.
#[derive(Clone, Copy)]
struct Axis {
    /// The cell that holds it.
    cell: usize,
    /// The cells with the nearest centres, and how far it has gone from the first to the second.
    before: usize,
    after: usize,
    weight: f64,
}

/// The places of `pixels` pixels along a side of `cells` cells; `None` outside of it. The side starts at `start` and is
/// `length` long, in pixels.
fn axis(pixels: usize, cells: usize, start: f64, length: f64) -> Vec<Option<Axis>> {
    let last = cells - 1;
    (0..pixels)
        .map(|pixel| {
            let place = (pixel as f64 + 0.5 - start) / length * cells as f64;
            if !(0.0..cells as f64).contains(&place) {
                return None;
            }
            let between = (place - 0.5).clamp(0.0, last as f64);
            let before = between as usize;
            Some(Axis {
                cell: (place as usize).min(last),
                before,
                after: (before + 1).min(last),
                weight: between - before as f64,
            })
        })
        .collect()
}

/// Lays a map over a picture. The picture may be a resized copy of the original that `placement` speaks of.
///
/// `alpha` is the map's opacity, 0…1; a diverging map is fainter near zero. Pixels outside the placement, and cells that are not finite, stay as they are.
#[must_use]
pub fn overlay(
    picture: &Picture,
    map: &Map<'_>,
    placement: &Placement,
    colormap: Colormap,
    scale: &Scale,
    alpha: f64,
) -> Picture {
    let width = picture.width() as usize;
    let sample = sampler(picture, map, placement);
    let colours = colormap.table();
    let alpha = alpha.clamp(0.0, 1.0);
    let mut rgb = picture.rgb().to_vec();
    for (index, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let Some(value) = sample(index / width, index % width) else { continue };
        let position = scale.position(f64::from(value)).clamp(0.0, 1.0);
        let colour = colours[(position * 255.0).round() as usize];
        let opacity = if colormap.is_diverging() { diverging_opacity(position, alpha) } else { alpha };
        for (channel, over) in pixel.iter_mut().zip(colour) {
            *channel = (f64::from(*channel) * (1.0 - opacity) + f64::from(over) * opacity).round() as u8;
        }
    }
    Picture::from_parts(picture.width(), picture.height(), rgb)
}

/// White over everything that is near zero would hide the picture where the map says least: there it is fainter, down to
/// the square of the opacity, which leaves an opaque map opaque.
fn diverging_opacity(position: f64, alpha: f64) -> f64 {
    let strength = (3.0 * (position - 0.5).abs()).min(1.0);
    alpha.powf(2.0 - strength)
}

/// The map's value at a pixel (row, column) of a picture; `None` where the model did not look or nothing was computed.
pub(crate) fn sampler(picture: &Picture, map: &Map<'_>, placement: &Placement) -> impl Fn(usize, usize) -> Option<f32> {
    let across = f64::from(picture.width()) / f64::from(placement.original_width);
    let down = f64::from(picture.height()) / f64::from(placement.original_height);
    let columns = axis(picture.width() as usize, map.width, placement.x * across, placement.width * across);
    let rows = axis(picture.height() as usize, map.height, placement.y * down, placement.height * down);
    move |row, column| map.sample(rows[row]?, columns[column]?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Scale = Scale { low: 0.0, high: 1.0 };

    fn black(width: u32, height: u32) -> Picture {
        Picture::new(width, height, vec![0; (width * height * 3) as usize]).unwrap()
    }

    /// How far each pixel's value is up the scale, read back from the colours of an opaque overlay.
    fn positions(picture: &Picture, colormap: Colormap) -> Vec<usize> {
        let table = colormap.table();
        let pixels = picture.rgb().chunks_exact(3);
        pixels.map(|pixel| table.iter().position(|colour| colour == pixel).unwrap_or(usize::MAX)).collect()
    }

    #[test]
    fn a_hot_cell_peaks_at_its_own_centre() {
        // Cell (1, 2) of 4×4 over 40×40 covers rows 10…19 and columns 20…29.
        let mut values = [0.0; 16];
        values[6] = 1.0;
        let map = Map::new(4, 4, &values).unwrap();
        let shown = overlay(&black(40, 40), &map, &Placement::whole(40, 40), Colormap::Viridis, &UNIT, 1.0);
        let shown = positions(&shown, Colormap::Viridis);
        let peak = shown.iter().max().unwrap();
        let hottest: Vec<usize> = (0..1600).filter(|&index| shown[index] == *peak).collect();
        assert_eq!(hottest, [14 * 40 + 24, 14 * 40 + 25, 15 * 40 + 24, 15 * 40 + 25]);
        // A whole cell away from the centre nothing of it is left.
        assert_eq!(shown[15 * 40 + 35], 0);
        assert_eq!(shown[4 * 40 + 25], 0);
    }

    #[test]
    fn values_between_two_centres_are_interpolated_and_beyond_them_constant() {
        let map = Map::new(1, 2, &[0.0, 1.0]).unwrap();
        let shown = overlay(&black(8, 1), &map, &Placement::whole(8, 1), Colormap::Viridis, &UNIT, 1.0);
        // Centres at 2 and 6; pixel centres at 0.5, 1.5, …
        let expected = [0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0].map(|t: f64| (t * 255.0).round() as usize);
        assert_eq!(positions(&shown, Colormap::Viridis), expected);
    }

    #[test]
    fn what_the_model_did_not_see_stays_uncovered() {
        let placement = Placement { x: 2.0, y: 0.0, width: 4.0, height: 4.0, ..Placement::whole(8, 4) };
        let map = Map::new(1, 1, &[1.0]).unwrap();
        let shown = overlay(&black(8, 4), &map, &placement, Colormap::Viridis, &UNIT, 1.0);
        for y in 0..4 {
            for x in 0..8 {
                assert_eq!(shown.pixel(x, y) == [0; 3], !(2..6).contains(&x), "({x}, {y})");
            }
        }
    }

    #[test]
    fn cells_without_a_value_stay_uncovered_and_do_not_leak() {
        let map = Map::new(1, 2, &[1.0, f32::NAN]).unwrap();
        let shown = overlay(&black(8, 1), &map, &Placement::whole(8, 1), Colormap::Viridis, &UNIT, 1.0);
        let covered = positions(&shown, Colormap::Viridis);
        assert_eq!(covered[..4], [255; 4]);
        assert!((4..8).all(|x| shown.pixel(x, 0) == [0; 3]));
    }

    #[test]
    fn a_resized_picture_gets_the_map_in_the_same_place() {
        let placement = Placement { x: 20.0, y: 10.0, width: 40.0, height: 20.0, ..Placement::whole(80, 40) };
        let map = Map::new(1, 1, &[1.0]).unwrap();
        let shown = overlay(&black(8, 4), &map, &placement, Colormap::Viridis, &UNIT, 1.0);
        let covered = (0..32).filter(|i| shown.pixel(i % 8, i / 8) != [0; 3]).map(|i| (i % 8, i / 8));
        assert_eq!(covered.collect::<Vec<_>>(), [(2, 1), (3, 1), (4, 1), (5, 1), (2, 2), (3, 2), (4, 2), (5, 2)]);
    }

    #[test]
    fn opacity_mixes_the_picture_and_the_colour() {
        let map = Map::new(1, 1, &[1.0]).unwrap();
        let white = Picture::new(1, 1, vec![255; 3]).unwrap();
        let shown = overlay(&white, &map, &Placement::whole(1, 1), Colormap::Jet, &UNIT, 0.5);
        assert_eq!(shown.rgb(), [192, 128, 128]);
    }

    #[test]
    fn a_diverging_map_is_faint_at_zero_and_full_from_a_third_on() {
        assert_eq!(diverging_opacity(0.5, 0.5), 0.25);
        assert_eq!(diverging_opacity(0.1, 0.5), 0.5);
        assert_eq!(diverging_opacity(0.5, 1.0), 1.0);
    }

    #[test]
    fn a_map_of_the_wrong_length_is_refused() {
        assert!(Map::new(2, 2, &[0.0; 3]).is_err());
        assert!(Map::new(0, 2, &[]).is_err());
    }
}
