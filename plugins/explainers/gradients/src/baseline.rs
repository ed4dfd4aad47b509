//! What a picture is compared with: the picture without evidence, at the other end of the path.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_imaging::filters;
use whyglass_sdk::rng::Rng;

/// The picture that stands for "nothing there". What is like it gets no attribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    #[default]
    Black,
    White,
    /// The model's mean colour, the one that its normalisation turns into zero.
    Mean,
    /// The picture itself, blurred with `sigma`.
    Blur,
    /// Every pixel and channel drawn at random.
    Noise,
}

/// The stream of the generator for `noise`.
const NOISE_STREAM: u64 = u64::MAX;

impl Baseline {
    /// 3×`height`×`width`.
    pub(crate) fn picture(
        self,
        picture: &[f32],
        (height, width): (usize, usize),
        mean: Option<[f32; 3]>,
        sigma: f64,
        seed: u64,
    ) -> Vec<f32> {
        match self {
            Self::Black => vec![0.0; picture.len()],
            Self::White => vec![1.0; picture.len()],
            Self::Mean => {
                let colour = mean.unwrap_or([0.5; 3]);
                colour.iter().flat_map(|channel| std::iter::repeat_n(*channel, height * width)).collect()
            }
            Self::Blur => filters::gaussian_blur(picture, height, width, sigma as f32),
            Self::Noise => {
                let mut rng = Rng::new(seed, NOISE_STREAM);
                picture.iter().map(|_| rng.uniform_f32()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_baseline_is_the_picture_that_it_says() {
        let picture: Vec<f32> = (0..12).map(|i| i as f32 / 12.0).collect();
        let of = |baseline: Baseline, seed| baseline.picture(&picture, (2, 2), Some([0.1, 0.2, 0.3]), 1.0, seed);
        assert_eq!(of(Baseline::Black, 0), [0.0; 12]);
        assert_eq!(of(Baseline::White, 0), [1.0; 12]);
        assert_eq!(of(Baseline::Mean, 0)[3..5], [0.1, 0.2]);
        assert_eq!(of(Baseline::Blur, 0).len(), 12);
        assert_eq!(of(Baseline::Noise, 4), of(Baseline::Noise, 4));
        assert_ne!(of(Baseline::Noise, 4), of(Baseline::Noise, 5));
        assert!(of(Baseline::Noise, 4).iter().all(|v| (0.0..1.0).contains(v)));
    }
}
