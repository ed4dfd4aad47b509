//! The gradient loop: exaggerated attraction first, then as it is; momentum and gains as van der Maaten has them, the
//! learning rate N / exaggeration (Belkina et al. 2019). Tells of the points under way.

use rayon::prelude::*;
use whyglass_sdk::rng::Rng;

use super::repulsion::repulsion;
use super::{Affinities, Points, principal_components};

/// How to descend.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub iterations: usize,
    /// Of them with exaggerated attraction.
    pub early: usize,
    pub exaggeration: f32,
    /// 0: N / exaggeration, in each phase.
    pub learning_rate: f32,
    /// 0: all pairs.
    pub theta: f32,
    /// Snapshots are this many iterations apart.
    pub every: usize,
}

/// The points after some iterations.
#[derive(Debug)]
pub struct Snapshot<'a, const D: usize> {
    pub iteration: usize,
    pub points: &'a [[f32; D]],
    /// KL(P ‖ Q), without exaggeration, in nats.
    pub divergence: f64,
}

/// Standard deviation of the first coordinate at the start: small, so that clusters can pass through each other.
const SPREAD: f64 = 1e-4;
/// No point moves further than this in an iteration.
const LONGEST_STEP: f32 = 5.0;
const SMALLEST_GAIN: f32 = 0.01;
/// Rows of one piece of work.
const PIECE: usize = 64;

/// The first principal components, small, with a little noise so that no two points coincide.
#[must_use]
pub fn initial<const D: usize>(points: &Points, seed: u64) -> Vec<[f32; D]> {
    let strongest = principal_components(points, D);
    let count = strongest.count() as f64;
    let variance = (0..strongest.count()).map(|i| f64::from(strongest.point(i)[0]).powi(2)).sum::<f64>() / count;
    let scale = if variance > 0.0 { SPREAD / variance.sqrt() } else { 0.0 };
    let mut rng = Rng::new(seed, 0);
    let point = |index: usize| {
        let coordinates = strongest.point(index);
        std::array::from_fn(|axis| {
            let value = coordinates.get(axis).map_or(0.0, |&v| f64::from(v) * scale);
            (value + 0.01 * SPREAD * rng.normal_f64()) as f32
        })
    };
    (0..strongest.count()).map(point).collect()
}

/// Descends from `points`, showing `each` snapshot; the last one is shown too. Ends early where `each` says so.
///
/// # Errors
/// What `each` says.
pub fn embed<const D: usize, E>(
    affinities: &Affinities,
    points: &mut [[f32; D]],
    settings: &Settings,
    mut each: impl FnMut(Snapshot<'_, D>) -> Result<(), E>,
) -> Result<(), E> {
    let count = points.len();
    let mut forces = vec![[0.0; D]; count];
    let mut steps = vec![[0.0_f32; D]; count];
    let mut gains = vec![[1.0_f32; D]; count];
    for iteration in 0..settings.iterations {
        let early = iteration < settings.early;
        if iteration == settings.early {
            // The second phase starts at rest, with the gains of the first.
            steps.fill([0.0; D]);
        }
        let exaggeration = if early { settings.exaggeration } else { 1.0 };
        let rate = match settings.learning_rate {
            0.0 => (count as f32 / exaggeration).max(1.0),
            given => given,
        };
        let momentum = if early { 0.5 } else { 0.8 };
        let z = repulsion(points, settings.theta, &mut forces);
        if iteration > 0 && iteration % settings.every.max(1) == 0 {
            each(Snapshot { iteration, points, divergence: divergence(affinities, points, z) })?;
        }
        attract(affinities, points, exaggeration, z, &mut forces);
        for ((point, force), (step, gain)) in points.iter_mut().zip(&forces).zip(steps.iter_mut().zip(&mut gains)) {
            for axis in 0..D {
                let onward = (force[axis] > 0.0) != (step[axis] > 0.0);
                gain[axis] = if onward { gain[axis] + 0.2 } else { gain[axis] * 0.8 }.max(SMALLEST_GAIN);
                step[axis] = momentum * step[axis] - rate * gain[axis] * force[axis];
            }
            let length = step.iter().map(|v| v * v).sum::<f32>().sqrt();
            if length > LONGEST_STEP {
                step.iter_mut().for_each(|v| *v *= LONGEST_STEP / length);
            }
            (0..D).for_each(|axis| point[axis] += step[axis]);
        }
        centre(points);
    }
    let z = repulsion(points, settings.theta, &mut forces);
    each(Snapshot { iteration: settings.iterations, points, divergence: divergence(affinities, points, z) })
}

/// Makes the gradient of the repelling forces: attraction, less repulsion over Z.
fn attract<const D: usize>(p: &Affinities, points: &[[f32; D]], exaggeration: f32, z: f64, forces: &mut [[f32; D]]) {
    let inverse = (1.0 / z) as f32;
    forces.par_chunks_mut(PIECE).enumerate().for_each(|(piece, forces)| {
        for (offset, force) in forces.iter_mut().enumerate() {
            let index = piece * PIECE + offset;
            let point = points[index];
            let (columns, values) = p.row(index);
            let mut pulled = [0.0_f32; D];
            for (&other, &value) in columns.iter().zip(values) {
                let other = points[other as usize];
                let away: [f32; D] = std::array::from_fn(|axis| point[axis] - other[axis]);
                let q = value / (1.0 + away.iter().map(|v| v * v).sum::<f32>());
                (0..D).for_each(|axis| pulled[axis] += q * away[axis]);
            }
            (0..D).for_each(|axis| force[axis] = exaggeration * pulled[axis] - force[axis] * inverse);
        }
    });
}

/// Σ p log(p / q) with q = (1 + |y_i − y_j|²)⁻¹ / Z.
fn divergence<const D: usize>(p: &Affinities, points: &[[f32; D]], z: f64) -> f64 {
    let rows = (0..points.len()).into_par_iter().map(|index| {
        let (columns, values) = p.row(index);
        let terms = columns.iter().zip(values).filter(|(_, value)| **value > 0.0).map(|(&other, &value)| {
            let other = points[other as usize];
            let distance: f64 = (0..D).map(|axis| f64::from(points[index][axis] - other[axis]).powi(2)).sum();
            let value = f64::from(value);
            value * (value * (1.0 + distance) * z).ln()
        });
        terms.sum::<f64>()
    });
    rows.collect::<Vec<f64>>().into_iter().sum()
}

fn centre<const D: usize>(points: &mut [[f32; D]]) {
    let count = points.len().max(1) as f64;
    for axis in 0..D {
        let mean = (points.iter().map(|point| f64::from(point[axis])).sum::<f64>() / count) as f32;
        points.iter_mut().for_each(|point| point[axis] -= mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Three clusters far apart in five dimensions.
    fn clusters() -> Points {
        let mut rng = Rng::new(4, 0);
        let point = |index: usize| -> Vec<f32> {
            (0..5).map(|axis| if axis == index % 3 { 20.0 } else { 0.0 } + rng.normal_f32()).collect()
        };
        Points::new((0..150).flat_map(point).collect(), 5)
    }

    const SETTINGS: Settings =
        Settings { iterations: 500, early: 150, exaggeration: 12.0, learning_rate: 0.0, theta: 0.5, every: 50 };

    fn run<const D: usize>(points: &Points) -> (Vec<[f32; D]>, Vec<(usize, f64)>) {
        let affinities = Affinities::new(points, 10.0);
        let mut embedding = initial::<D>(points, 7);
        let mut seen = Vec::new();
        let each = |shot: Snapshot<'_, D>| {
            seen.push((shot.iteration, shot.divergence));
            Ok::<_, Infallible>(())
        };
        embed(&affinities, &mut embedding, &SETTINGS, each).unwrap();
        (embedding, seen)
    }

    #[test]
    fn clusters_stay_together_in_two_and_in_three_dimensions() {
        fn nearest_are_kin<const D: usize>() {
            let (embedding, _) = run::<D>(&clusters());
            for i in 0..150 {
                let distance =
                    |j: &usize| (0..D).map(|axis| (embedding[i][axis] - embedding[*j][axis]).powi(2)).sum::<f32>();
                let nearest = (0..150).filter(|j| *j != i).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
                assert_eq!(nearest % 3, i % 3, "in {D} dimensions");
            }
        }
        nearest_are_kin::<2>();
        nearest_are_kin::<3>();
    }

    #[test]
    fn the_divergence_falls_and_every_snapshot_is_shown() {
        let (_, seen) = run::<2>(&clusters());
        assert_eq!(seen.iter().map(|(at, _)| *at).collect::<Vec<_>>(), (1..=10).map(|i| i * 50).collect::<Vec<_>>());
        assert!(seen[9].1 < seen[0].1 && seen[9].1 > 0.0, "{seen:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_points_whatever_the_threads() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run::<2>(&clusters()).0)
        };
        assert_eq!(on(1), on(2));
    }
}
