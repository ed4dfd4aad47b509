//! Lays out the points of an `.npy` file as linfa-tsne does, for the comparison of ADR 5:
//! `linfa POINTS.npy OUT.npy SEED [ITERATIONS]`. Prints the seconds that it took.

use std::error::Error;
use std::time::Instant;

use linfa::traits::Transformer;
use linfa_tsne::TSneParams;
use ndarray::Array2;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;
use whyglass_imaging::{read_npy, write_npy};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, seed, rest @ ..] = &arguments[..] else {
        return Err("linfa POINTS.npy OUT.npy SEED [ITERATIONS]".into());
    };
    let iterations = rest.first().map_or(Ok(1000), |text| text.parse())?;
    let (shape, data) = read_npy(&std::fs::read(input)?)?;
    let points = Array2::from_shape_vec((shape[0], shape[1]), data.into_iter().map(f64::from).collect())?;
    let began = Instant::now();
    let layout = TSneParams::embedding_size_with_rng(2, Xoshiro256Plus::seed_from_u64(seed.parse()?))
        .perplexity(30.0)
        .approx_threshold(0.5)
        .max_iter(iterations)
        .preliminary_iter(iterations / 4)
        .transform(points)?;
    let seconds = began.elapsed().as_secs_f64();
    let flat: Vec<f32> = layout.iter().map(|v| *v as f32).collect();
    std::fs::write(output, write_npy(&[shape[0], 2], &flat))?;
    println!("{seconds:.4}");
    Ok(())
}
