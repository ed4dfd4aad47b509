//! What a hidden part of the picture is replaced with. An occluder is a whole replacement picture, made once, of which
//! the hidden parts are copied.

use crate::windows::Rect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_imaging::filters;

/// What hides a part of the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The model's mean colour, the one that its normalisation turns into zero.
    #[default]
    Mean,
    /// The grey level `value`.
    Value,
    /// The picture itself, blurred with `sigma`.
    Blur,
}

impl Fill {
    /// The replacement of `picture` (3×`height`×`width`): `mean` is the model's mean colour, `sigma` in pixels.
    pub(crate) fn occluder(
        self,
        picture: &[f32],
        (height, width): (usize, usize),
        mean: Option<[f32; 3]>,
        value: f64,
        sigma: f64,
    ) -> Occluder {
        match self {
            Self::Mean => Occluder::colour(height, width, mean.unwrap_or([0.5; 3])),
            Self::Value => Occluder::colour(height, width, [value as f32; 3]),
            Self::Blur => Occluder::blurred(picture, height, width, sigma as f32),
        }
    }
}

/// A replacement for every pixel of a picture.
pub(crate) struct Occluder {
    height: usize,
    width: usize,
    pixels: Vec<f32>,
}

impl Occluder {
    /// One colour everywhere.
    pub(crate) fn colour(height: usize, width: usize, colour: [f32; 3]) -> Self {
        let pixels = colour.iter().flat_map(|channel| std::iter::repeat_n(*channel, height * width)).collect();
        Self { height, width, pixels }
    }

    /// `picture` (3×`height`×`width`) blurred with a Gaussian of `sigma` pixels.
    pub(crate) fn blurred(picture: &[f32], height: usize, width: usize, sigma: f32) -> Self {
        Self { height, width, pixels: filters::gaussian_blur(picture, height, width, sigma) }
    }

    /// The mean of `picture` over each of its parts: `labels` says which part a pixel belongs to.
    pub(crate) fn part_means(picture: &[f32], height: usize, width: usize, labels: &[u32]) -> Self {
        let parts = labels.iter().max().map_or(0, |last| *last as usize + 1);
        let mut pixels = Vec::with_capacity(picture.len());
        for plane in picture.chunks_exact(height * width) {
            let mut sums = vec![(0.0_f64, 0_u32); parts];
            for (label, value) in labels.iter().zip(plane) {
                let (sum, count) = &mut sums[*label as usize];
                (*sum, *count) = (*sum + f64::from(*value), *count + 1);
            }
            pixels.extend(labels.iter().map(|label| {
                let (sum, count) = sums[*label as usize];
                (sum / f64::from(count)) as f32
            }));
        }
        Self { height, width, pixels }
    }

    /// Hides the pixels for which `hidden` says so, by their place row by row.
    pub(crate) fn hide_where(&self, picture: &mut [f32], hidden: impl Fn(usize) -> bool) {
        let area = self.height * self.width;
        for pixel in (0..area).filter(|pixel| hidden(*pixel)) {
            for place in [pixel, area + pixel, 2 * area + pixel] {
                picture[place] = self.pixels[place];
            }
        }
    }

    /// 3×H×W.
    pub(crate) fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// Hides `rect` in `picture`.
    pub(crate) fn hide(&self, picture: &mut [f32], rect: Rect) {
        copy(&self.pixels, picture, self.height, self.width, rect);
    }

    /// Undoes [`Occluder::hide`] with the `original`.
    pub(crate) fn restore(&self, original: &[f32], picture: &mut [f32], rect: Rect) {
        copy(original, picture, self.height, self.width, rect);
    }
}

fn copy(from: &[f32], to: &mut [f32], height: usize, width: usize, rect: Rect) {
    for row in (0..3).flat_map(|channel| (rect.top..rect.bottom).map(move |y| channel * height + y)) {
        let span = row * width + rect.left..row * width + rect.right;
        to[span.clone()].copy_from_slice(&from[span]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECT: Rect = Rect { top: 1, left: 0, bottom: 2, right: 2 };

    #[test]
    fn only_the_rectangle_is_hidden_and_all_of_it_comes_back() {
        let original: Vec<f32> = (0..18).map(|v| v as f32).collect();
        let mut picture = original.clone();
        let occluder = Occluder::colour(2, 3, [0.1, 0.2, 0.3]);
        occluder.hide(&mut picture, RECT);
        assert_eq!(picture[..6], [0.0, 1.0, 2.0, 0.1, 0.1, 5.0]);
        assert_eq!(picture[12..], [12.0, 13.0, 14.0, 0.3, 0.3, 17.0]);
        occluder.restore(&original, &mut picture, RECT);
        assert_eq!(picture, original);
    }

    #[test]
    fn single_pixels_are_hidden_in_all_channels() {
        let mut picture: Vec<f32> = (0..6).map(|v| v as f32).collect();
        Occluder::colour(1, 2, [7.0, 8.0, 9.0]).hide_where(&mut picture, |pixel| pixel == 1);
        assert_eq!(picture, [0.0, 7.0, 2.0, 8.0, 4.0, 9.0]);
    }

    #[test]
    fn the_mean_of_a_part_is_that_of_its_pixels_in_each_channel() {
        let picture = [1.0, 2.0, 6.0, 0.0, 1.0, 0.0, 5.0, 5.0, 5.0];
        let occluder = Occluder::part_means(&picture, 1, 3, &[0, 1, 1]);
        assert_eq!(occluder.pixels, [1.0, 4.0, 4.0, 0.0, 0.5, 0.5, 5.0, 5.0, 5.0]);
    }

    #[test]
    fn a_blurred_flat_picture_is_itself() {
        let occluder = Occluder::blurred(&[0.5; 3 * 64], 8, 8, 2.0);
        assert!(occluder.pixels.iter().all(|v| (v - 0.5).abs() < 1e-6));
    }
}
