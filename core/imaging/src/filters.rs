//! The filters that techniques share, on planar float32: Gaussian blur and resizing. Edges repeat the outermost pixel.

/// Blurs each of `planes` (H×W, one after another) with a Gaussian of `sigma` pixels, cut off at four sigma.
///
/// A sigma of 0 (or less) changes nothing. Constant planes stay constant to rounding.
///
/// # Panics
/// If the length of `data` is no multiple of height · width.
#[must_use]
pub fn gaussian_blur(data: &[f32], height: usize, width: usize, sigma: f32) -> Vec<f32> {
    let mut out = data.to_vec();
    if sigma <= 0.0 || data.is_empty() {
        return out;
    }
    assert_eq!(data.len() % (height * width), 0, "planes of {height}×{width}");
    let kernel = gaussian(sigma);
    let mut line = Vec::new();
    for plane in out.chunks_exact_mut(height * width) {
        for row in plane.chunks_exact_mut(width) {
            convolve(row, &kernel, &mut line);
        }
        blur_columns(plane, height, width, &kernel);
    }
    out
}

/// The weights from the middle outwards, normalised so that both sides and the middle add up to 1.
fn gaussian(sigma: f32) -> Vec<f32> {
    let sigma = f64::from(sigma);
    let radius = (4.0 * sigma).ceil() as usize;
    let weights: Vec<f64> = (0..=radius).map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

fn convolve(row: &mut [f32], kernel: &[f32], padded: &mut Vec<f32>) {
    let radius = kernel.len() - 1;
    let (first, last) = (row[0], row[row.len() - 1]);
    padded.clear();
    padded.extend(std::iter::repeat_n(first, radius));
    padded.extend_from_slice(row);
    padded.extend(std::iter::repeat_n(last, radius));
    for (x, out) in row.iter_mut().enumerate() {
        let middle = x + radius;
        let sides = kernel[1..].iter().enumerate().map(|(d, w)| w * (padded[middle - d - 1] + padded[middle + d + 1]));
        *out = kernel[0] * padded[middle] + sides.sum::<f32>();
    }
}

/// Whole rows are added up at a time: walking down columns one by one would miss the cache.
fn blur_columns(plane: &mut [f32], height: usize, width: usize, kernel: &[f32]) {
    let source = plane.to_vec();
    let row = |y: usize| &source[y * width..(y + 1) * width];
    for (y, out) in plane.chunks_exact_mut(width).enumerate() {
        for (value, middle) in out.iter_mut().zip(row(y)) {
            *value = kernel[0] * middle;
        }
        for (d, weight) in kernel.iter().enumerate().skip(1) {
            let (above, below) = (row(y.saturating_sub(d)), row((y + d).min(height - 1)));
            for ((value, a), b) in out.iter_mut().zip(above).zip(below) {
                *value += weight * (a + b);
            }
        }
    }
}

/// Resizes each plane (H×W, one after another) linearly between pixel centres, without antialiasing: for enlarging, or for
/// shrinking by less than two.
///
/// # Panics
/// If a side is 0 or the length of `data` is no multiple of height · width.
#[must_use]
pub fn resize_bilinear(data: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    resample(data, from, to, linear_weights)
}

/// Resizes each plane (H×W, one after another) to the mean of the area that each new pixel covers: for shrinking.
/// The mean of a plane stays what it was.
///
/// # Panics
/// If a side is 0 or the length of `data` is no multiple of height · width.
#[must_use]
pub fn resize_area(data: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    resample(data, from, to, area_weights)
}

/// For each new pixel along a side: the first old one that it draws on, and the weights from there.
type Weights = Vec<(usize, Vec<f32>)>;

fn linear_weights(from: usize, to: usize) -> Weights {
    let last = from - 1;
    let weights = (0..to).map(|index| {
        let place = ((index as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, last as f64);
        let first = (place as usize).min(last);
        let rest = (place - first as f64) as f32;
        if first == last { (first, vec![1.0]) } else { (first, vec![1.0 - rest, rest]) }
    });
    weights.collect()
}

fn area_weights(from: usize, to: usize) -> Weights {
    let ratio = from as f64 / to as f64;
    let weights = (0..to).map(|index| {
        let (start, end) = (index as f64 * ratio, (index as f64 + 1.0) * ratio);
        let first = (start as usize).min(from - 1);
        let last = ((end - 1e-9).ceil() as usize).clamp(first + 1, from);
        let parts = (first..last).map(|old| {
            let covered = end.min(old as f64 + 1.0) - start.max(old as f64);
            (covered / ratio) as f32
        });
        (first, parts.collect())
    });
    weights.collect()
}

fn resample(
    data: &[f32],
    (height, width): (usize, usize),
    (new_height, new_width): (usize, usize),
    weights: fn(usize, usize) -> Weights,
) -> Vec<f32> {
    assert!(height * width > 0 && data.len().is_multiple_of(height * width), "planes of {height}×{width}");
    assert!(new_height * new_width > 0, "a new size of {new_height}×{new_width}");
    let (down, across) = (weights(height, new_height), weights(width, new_width));
    let mut out = Vec::with_capacity(data.len() / (height * width) * new_height * new_width);
    let mut narrow = Vec::with_capacity(height * new_width);
    for plane in data.chunks_exact(height * width) {
        narrow.clear();
        for row in plane.chunks_exact(width) {
            narrow
                .extend(across.iter().map(|(first, w)| w.iter().zip(&row[*first..]).map(|(w, v)| w * v).sum::<f32>()));
        }
        for (first, parts) in &down {
            let start = out.len();
            out.resize(start + new_width, 0.0);
            for (row, weight) in narrow[first * new_width..].chunks_exact(new_width).zip(parts) {
                for (value, old) in out[start..].iter_mut().zip(row) {
                    *value += weight * old;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} is not {b:?}");
    }

    #[test]
    fn a_blurred_point_is_a_gaussian_of_mass_one() {
        let mut data = vec![0.0; 41 * 41];
        data[20 * 41 + 20] = 1.0;
        let blurred = gaussian_blur(&data, 41, 41, 2.0);
        assert!((blurred.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let ratio = blurred[20 * 41 + 22] / blurred[20 * 41 + 20];
        assert!((ratio - (-0.5_f32).exp()).abs() < 1e-5, "{ratio}");
        close(&[blurred[18 * 41 + 20]], &[blurred[20 * 41 + 18]]);
    }

    #[test]
    fn blurring_keeps_a_constant_and_sigma_zero_keeps_everything() {
        close(&gaussian_blur(&[0.3; 30], 5, 3, 7.0), &[0.3; 30]);
        close(&gaussian_blur(&[1.0, 2.0, 3.0, 4.0], 2, 2, 0.0), &[1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn bilinear_resizing_keeps_pixel_centres() {
        close(&resize_bilinear(&[0.0, 1.0], (1, 2), (1, 4)), &[0.0, 0.25, 0.75, 1.0]);
        close(&resize_bilinear(&[0.0, 1.0], (2, 1), (4, 1)), &[0.0, 0.25, 0.75, 1.0]);
        close(&resize_bilinear(&[5.0, 6.0], (1, 1), (2, 2)), &[5.0, 5.0, 5.0, 5.0, 6.0, 6.0, 6.0, 6.0]);
    }

    #[test]
    fn area_resizing_takes_the_mean_of_what_is_covered() {
        close(&resize_area(&[1.0, 3.0, 5.0, 7.0], (2, 2), (1, 1)), &[4.0]);
        close(&resize_area(&[0.0, 3.0, 6.0], (1, 3), (1, 2)), &[1.0, 5.0]);
        let data: Vec<f32> = (0..7 * 9).map(|i| (i * 37 % 11) as f32).collect();
        let small = resize_area(&data, (7, 9), (3, 4));
        let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
        assert!((mean(&small) - mean(&data)).abs() < 1e-4);
    }
}
