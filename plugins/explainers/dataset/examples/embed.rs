//! Lays out the points of an `.npy` file (float32, n×d) as the technique does, for comparing with other implementations:
//! `embed POINTS.npy OUT.npy SEED [ITERATIONS [THREADS]]`. Prints the seconds that it took and the divergence.

use std::convert::Infallible;
use std::error::Error;
use std::time::Instant;

use whyglass_dataset::embedding::{Affinities, Points, Settings, Snapshot, embed, initial};
use whyglass_imaging::{read_npy, write_npy};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, seed, rest @ ..] = &arguments[..] else {
        return Err("embed POINTS.npy OUT.npy SEED [ITERATIONS [THREADS]]".into());
    };
    let number = |index: usize, default: usize| rest.get(index).map_or(Ok(default), |text| text.parse());
    let (iterations, threads) = (number(0, 1000)?, number(1, 2)?);
    let (shape, data) = read_npy(&std::fs::read(input)?)?;
    let points = Points::new(data, shape[1]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let began = Instant::now();
    let settings =
        Settings { iterations, early: iterations / 4, exaggeration: 12.0, learning_rate: 0.0, theta: 0.5, every: 20 };
    let mut divergence = 0.0;
    let mut first = None;
    let seed = seed.parse()?;
    let layout = pool.install(|| {
        let mut layout = initial::<2>(&points, seed);
        first = Some(began.elapsed());
        let affinities = Affinities::new(&points, 30.0);
        let each = |shot: Snapshot<'_, 2>| {
            divergence = shot.divergence;
            Ok::<_, Infallible>(())
        };
        embed(&affinities, &mut layout, &settings, each).map(|()| layout)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    std::fs::write(output, write_npy(&[layout.len(), 2], &layout.concat()))?;
    println!("{seconds:.4} {divergence:.6} {:.4}", first.unwrap_or_default().as_secs_f64());
    Ok(())
}
