//! Laplacian pyramid normalisation: a gradient is cut into bands of detail, and each band is brought to the same
//! strength. A raw gradient is nearly all fine noise; this is what gives a dream large shapes and colour fields.
//!
//! Each finer band is given a little less than the one below it, as photographs have it: with all bands equal, deep
//! layers still dream of grain.

use whyglass_imaging::filters::{resize_area, resize_bilinear};

/// Bands below this share of the gradient's own strength are rounding noise, and not amplified beyond it.
const FAINTEST: f32 = 1e-3;
/// Strength of a band, as a share of the next coarser one's.
const FINER: f32 = 0.8;

/// Cuts `gradient` (planes of `height`×`width`) into `bands` + 1 bands of detail, divides each by its standard
/// deviation, adds them up again (the finer the weaker), and brings the sum to a standard deviation of 1.
///
/// A gradient of zeros stays one.
pub(crate) fn normalise(gradient: &mut Vec<f32>, height: usize, width: usize, bands: usize) {
    divide_by_deviation(gradient, 0.0);
    *gradient = equalise(gradient, height, width, bands);
    divide_by_deviation(gradient, 0.0);
}

fn equalise(signal: &[f32], height: usize, width: usize, bands: usize) -> Vec<f32> {
    let (half_height, half_width) = (height.div_ceil(2), width.div_ceil(2));
    let mut detail;
    if bands == 0 || half_height.min(half_width) < 4 {
        detail = signal.to_vec();
        divide_by_deviation(&mut detail, FAINTEST);
        return detail;
    }
    let coarse = resize_area(signal, (height, width), (half_height, half_width));
    let blurred = resize_bilinear(&coarse, (half_height, half_width), (height, width));
    detail = signal.iter().zip(&blurred).map(|(signal, blurred)| signal - blurred).collect();
    divide_by_deviation(&mut detail, FAINTEST);
    let strength = FINER.powi(bands as i32);
    detail.iter_mut().for_each(|v| *v *= strength);
    let coarse = equalise(&coarse, half_height, half_width, bands - 1);
    let coarse = resize_bilinear(&coarse, (half_height, half_width), (height, width));
    detail.iter_mut().zip(coarse).for_each(|(detail, coarse)| *detail += coarse);
    detail
}

/// The deviation is taken around zero: a band has no reason to have a mean, and a flat gradient must keep its sign.
fn divide_by_deviation(signal: &mut [f32], least: f32) {
    let squares: f64 = signal.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    let deviation = ((squares / signal.len() as f64).sqrt() as f32).max(least);
    if deviation > 0.0 && deviation.is_finite() {
        signal.iter_mut().for_each(|v| *v /= deviation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 32;

    fn strength(signal: &[f32]) -> f32 {
        (signal.iter().map(|v| v * v).sum::<f32>() / signal.len() as f32).sqrt()
    }

    /// How strongly `signal` contains `pattern`.
    fn share(signal: &[f32], pattern: &[f32]) -> f32 {
        signal.iter().zip(pattern).map(|(a, b)| a * b).sum::<f32>() / signal.len() as f32
    }

    fn checkerboard(side: usize) -> Vec<f32> {
        (0..SIDE * SIDE)
            .map(|i| if (i / SIDE / side + i % SIDE / side).is_multiple_of(2) { 1.0 } else { -1.0 })
            .collect()
    }

    #[test]
    fn large_shapes_are_lifted_to_the_strength_of_fine_noise() {
        let (fine, coarse) = (checkerboard(1), checkerboard(8));
        let mut gradient: Vec<f32> = fine.iter().zip(&coarse).map(|(f, c)| f + 0.02 * c).collect();
        assert!(share(&gradient, &coarse) < 0.03 * share(&gradient, &fine));
        normalise(&mut gradient, SIDE, SIDE, 4);
        assert!((strength(&gradient) - 1.0).abs() < 1e-4);
        assert!(share(&gradient, &coarse) > share(&gradient, &fine), "{gradient:?}");
    }

    #[test]
    fn the_scale_of_the_gradient_makes_no_difference() {
        let signal: Vec<f32> = (0..3 * SIDE * SIDE).map(|i| ((i * 7919) % 101) as f32 - 50.0).collect();
        let mut a: Vec<f32> = signal.iter().map(|v| v * 1e-12).collect();
        let mut b = signal;
        normalise(&mut a, SIDE, SIDE, 3);
        normalise(&mut b, SIDE, SIDE, 3);
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn nothing_stays_nothing() {
        let mut gradient = vec![0.0; 3 * 64];
        normalise(&mut gradient, 8, 8, 4);
        assert!(gradient.iter().all(|v| *v == 0.0));
    }
}
