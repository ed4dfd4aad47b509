//! Gradient ascent on a picture over an image pyramid: small pictures first, so that large shapes are settled before
//! detail is added. It knows no model, only a function that gives gradients.

use crate::pyramid;
use whyglass_imaging::filters::{resize_area, resize_bilinear};
use whyglass_sdk::Result;

/// A 3×H×W picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Canvas {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) pixels: Vec<f32>,
}

impl Canvas {
    /// The same picture at another size.
    pub(crate) fn resized(&self, height: usize, width: usize) -> Self {
        let from = (self.height, self.width);
        // Averages where it shrinks, so that fine detail does not turn into large false shapes.
        let resize = if height < self.height { resize_area } else { resize_bilinear };
        let pixels =
            if from == (height, width) { self.pixels.clone() } else { resize(&self.pixels, from, (height, width)) };
        Self { height, width, pixels }
    }

    /// The picture shifted by (`down`, `right`) pixels; what leaves on one side comes back on the other.
    fn rolled(&self, down: isize, right: isize) -> Self {
        let (height, width) = (self.height, self.width);
        let down = down.rem_euclid(height as isize) as usize;
        let right = right.rem_euclid(width as isize) as usize;
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for plane in self.pixels.chunks_exact(height * width) {
            for y in 0..height {
                let row = &plane[(y + height - down) % height * width..][..width];
                pixels.extend_from_slice(&row[width - right..]);
                pixels.extend_from_slice(&row[..width - right]);
            }
        }
        Self { height, width, pixels }
    }
}

/// The sizes of `levels` levels, the last of which is `height`×`width`; each is `scale` times the one before.
pub(crate) fn level_sizes(height: usize, width: usize, levels: u32, scale: f64) -> Vec<(usize, usize)> {
    let shrunk = |side: usize, times: u32| ((side as f64 / scale.powi(times as i32)).round() as usize).max(1);
    (0..levels).rev().map(|times| (shrunk(height, times), shrunk(width, times))).collect()
}

/// One step of ascent at `picture`: a gradient from the picture shifted by `shift` (so that the network's own grid leaves
/// no mark), its bands equalised, `step` times that added, held within 0…1.
///
/// Returns what `gradient` says of the objective before the step.
pub(crate) fn climb(
    picture: &mut Canvas,
    step: f64,
    bands: usize,
    shift: (isize, isize),
    gradient: impl FnOnce(&Canvas) -> Result<(Vec<f32>, f64)>,
) -> Result<f64> {
    let (pixels, objective) = gradient(&picture.rolled(shift.0, shift.1))?;
    let (height, width) = (picture.height, picture.width);
    let mut direction = Canvas { height, width, pixels }.rolled(-shift.0, -shift.1);
    pyramid::normalise(&mut direction.pixels, height, width, bands);
    for (pixel, direction) in picture.pixels.iter_mut().zip(&direction.pixels) {
        *pixel = (*pixel + step as f32 * direction).clamp(0.0, 1.0);
    }
    Ok(objective)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(height: usize, width: usize) -> Canvas {
        let pixels = (0..3 * height * width).map(|v| v as f32 / (3 * height * width) as f32).collect();
        Canvas { height, width, pixels }
    }

    #[test]
    fn a_rolled_picture_rolls_back() {
        let picture = ramp(3, 5);
        let rolled = picture.rolled(1, -2);
        assert_eq!(rolled.pixels[5], picture.pixels[2], "row 1, column 0 comes from row 0, column 2");
        assert_eq!(rolled.rolled(-1, 2), picture);
        assert_eq!(picture.rolled(3, 5), picture);
    }

    #[test]
    fn levels_grow_by_the_scale_up_to_the_size() {
        assert_eq!(level_sizes(439, 439, 3, 1.4), [(224, 224), (314, 314), (439, 439)]);
        assert_eq!(level_sizes(20, 10, 1, 1.4), [(20, 10)]);
        assert_eq!(level_sizes(2, 2, 4, 4.0)[0], (1, 1), "never nothing");
    }

    #[test]
    fn a_step_climbs_and_stays_within_the_colours() {
        // The objective is the sum of the left half minus that of the right half.
        let sign = |x: usize| if x < 4 { 1.0_f32 } else { -1.0 };
        let mut picture = Canvas { height: 8, width: 8, pixels: vec![0.5; 3 * 64] };
        let mut values = Vec::new();
        for _ in 0..20 {
            let value = climb(&mut picture, 0.1, 2, (0, 0), |canvas| {
                let gradient: Vec<f32> = (0..canvas.pixels.len()).map(|i| sign(i % 8)).collect();
                let value = canvas.pixels.iter().zip(&gradient).map(|(p, g)| f64::from(p * g)).sum();
                Ok((gradient, value))
            });
            values.push(value.unwrap());
        }
        assert!(values.is_sorted(), "{values:?}");
        assert!(values[19] > 60.0, "{values:?}");
        assert!(picture.pixels.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn the_shift_is_undone() {
        let bright = |canvas: &Canvas| canvas.pixels.iter().position(|v| *v > 0.6).unwrap();
        let mut picture = Canvas { height: 8, width: 8, pixels: vec![0.5; 3 * 64] };
        picture.pixels[9] = 0.7;
        climb(&mut picture, 0.1, 0, (2, 3), |canvas| {
            assert_eq!(bright(canvas), 9 + 2 * 8 + 3, "the gradient sees the shifted picture");
            let mut gradient = vec![0.0; canvas.pixels.len()];
            gradient[bright(canvas)] = 1.0;
            Ok((gradient, 0.0))
        })
        .unwrap();
        assert_eq!(bright(&picture), 9);
        assert!(picture.pixels[9] > 0.7);
    }
}
