//! Generated weights and the pictures: the same bits as `golden/weights.py` and `golden/picture.py` make.
//!
//! Responsible for filling the stripped networks of `golden/models` again, and for nothing that runs them. The generator
//! is specified in `golden/README.md`.

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// `models/<network>.json`: the tensors of a network, in the order of their indices, and where each lies in its file.
#[derive(Deserialize)]
struct Recipes {
    seed: u64,
    bytes: usize,
    tensors: Vec<Recipe>,
}

#[derive(Deserialize)]
struct Recipe {
    shape: Vec<usize>,
    at: usize,
    #[serde(flatten)]
    source: Source,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Generated {
        index: u64,
        offset: f32,
        step: f32,
    },
    /// Convolution, gamma, beta, mean and variance, by index: a batch normalisation folded into what it follows.
    Folded {
        folded: [usize; 5],
        epsilon: f32,
    },
    /// A matrix by its index, lying on its side.
    Transposed {
        transposed: usize,
    },
}

/// The output function of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `count` values `offset + step·k`, k an integer in −2²³ … 2²³ − 1 that depends on `seed`, `index` and position alone.
#[must_use]
pub fn tensor(seed: u64, index: u64, count: usize, offset: f32, step: f32) -> Vec<f32> {
    let mut state = mix(seed.wrapping_add((index + 1).wrapping_mul(STEP)));
    let value = |_| {
        state = state.wrapping_add(STEP);
        let k = (mix(state) >> 40) as i32 - (1 << 23);
        offset + step * k as f32
    };
    (0..count).map(value).collect()
}

/// A stream of random numbers from the same function.
#[derive(Clone, Copy, Debug)]
pub struct Draw(u64);

impl Draw {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_mul(STEP)))
    }

    /// Below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(STEP);
        (mix(self.0) % end as u64) as usize
    }
}

impl Recipes {
    fn values(&self, recipe: &Recipe) -> Vec<f32> {
        let (folded, epsilon) = match &recipe.source {
            Source::Generated { index, offset, step } => {
                return tensor(self.seed, *index, recipe.shape.iter().product(), *offset, *step);
            }
            Source::Folded { folded, epsilon } => (folded, epsilon),
            Source::Transposed { transposed } => {
                let (values, columns) = (self.values(&self.tensors[*transposed]), recipe.shape[0]);
                return (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect();
            }
        };
        let [weight, gamma, beta, mean, variance] = folded.map(|index| self.values(&self.tensors[index]));
        let factor: Vec<f32> =
            gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
        if recipe.shape.len() == 1 {
            return (0..factor.len()).map(|channel| beta[channel] - mean[channel] * factor[channel]).collect();
        }
        let per_channel = weight.len() / factor.len();
        weight
            .chunks(per_channel)
            .zip(&factor)
            .flat_map(|(row, factor)| row.iter().map(move |value| value * factor))
            .collect()
    }
}

/// Where the golden files lie.
#[must_use]
pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The narrow copies of networks and what is expected of them.
#[must_use]
pub fn networks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("networks")
}

/// Puts every export of `network` (`"vgg11"`, `"resnet18"`) into `folder` with the file of weights that they refer to.
///
/// # Panics
/// If the golden files are not what they should be, or `folder` cannot be written to.
pub fn refill(network: &str, folder: &Path) {
    refill_from(&golden().join("models"), network, folder);
}

/// As [`refill`], for the exports and recipes in `models`.
///
/// # Panics
/// As [`refill`].
pub fn refill_from(models: &Path, network: &str, folder: &Path) {
    let text = fs::read_to_string(models.join(format!("{network}.json"))).expect("the recipes are in the repository");
    let recipes: Recipes = serde_json::from_str(&text).expect("export.py writes what is read here");
    let mut data = vec![0; recipes.bytes];
    for recipe in &recipes.tensors {
        let values = recipes.values(recipe);
        let (places, _) = data[recipe.at..].as_chunks_mut();
        for (place, value) in places.iter_mut().zip(values) {
            *place = value.to_le_bytes();
        }
    }
    fs::write(folder.join(format!("{network}.bin")), data).expect("the folder can be written to");
    for entry in fs::read_dir(models).expect("the models are in the repository") {
        let path = entry.expect("the folder can be listed").path();
        let name =
            path.file_name().and_then(|name| name.to_str()).expect("the files of the repository have plain names");
        if name.starts_with(&format!("{network}-")) && name.ends_with(".onnx") {
            fs::copy(&path, folder.join(name)).expect("the folder can be written to");
        }
    }
}

/// Puts the model `network` into the folder of models `folder`: its export `variant`, with generated weights.
///
/// # Panics
/// As [`refill`].
pub fn model(network: &str, variant: &str, folder: &Path) {
    let folder = folder.join(network);
    fs::create_dir(&folder).expect("the folder can be written to");
    refill(network, &folder);
    let manifest = format!(
        "title = \"{network}, generated weights\"\n\
         file = \"{network}-{variant}.onnx\"\n\
         input = {{ width = 224, height = 224, resize = \"stretch\" }}\n\
         normalize = {{ mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }}\n"
    );
    fs::write(folder.join("model.toml"), manifest).expect("the folder can be written to");
}

/// `(dx, dy, phase, weight)` of three waves per channel; the weights of a channel add up to 255.
const WAVES: [[(i64, i64, i64, i64); 3]; 3] = [
    [(2, 1, 30, 120), (-1, 3, 90, 80), (5, 2, 0, 55)],
    [(1, 2, 200, 110), (3, -2, 10, 90), (2, 6, 70, 55)],
    [(-2, 2, 120, 130), (1, 1, 60, 70), (6, -3, 40, 55)],
];

/// The procedural picture: 3×size×size, 0…255. A wave is a parabola's arc over a phase of 256 steps.
#[must_use]
pub fn picture(size: usize) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(3 * size * size);
    for waves in WAVES {
        for y in 0..size as i64 {
            for x in 0..size as i64 {
                let wave = |(dx, dy, phase, weight): (i64, i64, i64, i64)| {
                    let t = (dx * x + dy * y + phase) & 255;
                    weight * (4 * t * (256 - t))
                };
                pixels.push((waves.into_iter().map(wave).sum::<i64>() >> 16) as u8);
            }
        }
    }
    pixels
}

/// The cat of `golden/chelsea-224.png`: 3×224×224, 0…255.
///
/// # Panics
/// If the picture is not what it should be.
#[must_use]
pub fn chelsea() -> Vec<u8> {
    let bytes = fs::read(golden().join("chelsea-224.png")).expect("the picture is in the repository");
    let picture = whyglass_imaging::decode(&bytes, &whyglass_imaging::Limits::default()).expect("it is a PNG");
    (0..3).flat_map(|channel| picture.rgb().iter().skip(channel).step_by(3).copied()).collect()
}

/// Pixels in 0…1: one float32 division each.
#[must_use]
pub fn unit(pixels: &[u8]) -> Vec<f32> {
    pixels.iter().map(|pixel| f32::from(*pixel) / 255.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are the Python side's.
    #[test]
    fn the_generator_makes_the_bits_of_the_python_one() {
        let values = tensor(20_260_131, 3, 4, 0.5, 1e-7);
        assert_eq!(values.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), BITS);
        let pixels = picture(224);
        let sum = pixels.iter().enumerate().map(|(index, pixel)| (index as u64 + 1) * u64::from(*pixel)).sum::<u64>();
        assert_eq!(sum, PICTURE);
    }

    const BITS: [u32; 4] = [0xbd8e_d5f0, 0x3f8b_e650, 0x3fa3_c8df, 0x3f57_703f];
    const PICTURE: u64 = 1_921_032_415_616;
}
