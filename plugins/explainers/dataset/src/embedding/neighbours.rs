//! The nearest neighbours of every point, exactly: distances of whole blocks at once, as a product of matrices.

use ndarray::{ArrayView2, Axis, Slice};
use rayon::prelude::*;

use super::Points;

/// For each point the same number of others, nearest first.
#[derive(Clone, Debug)]
pub struct Neighbours {
    pub each: usize,
    pub index: Vec<u32>,
    /// Squared.
    pub distance: Vec<f32>,
}

/// Rows of one block of distances.
const BLOCK: usize = 128;

/// The `each` nearest others of every point, at most all of them.
#[must_use]
pub fn neighbours(points: &Points, each: usize) -> Neighbours {
    let count = points.count();
    let each = each.min(count.saturating_sub(1));
    let all = ArrayView2::from_shape((count, points.width()), points.data()).expect("points are whole");
    let half: Vec<f32> = (0..count).map(|i| points.point(i).iter().map(|v| v * v).sum::<f32>() / 2.0).collect();
    let blocks: Vec<usize> = (0..count).step_by(BLOCK).collect();
    let found: Vec<Vec<(f32, u32)>> = blocks
        .par_iter()
        .flat_map_iter(|&start| {
            let end = (start + BLOCK).min(count);
            let products = all.slice_axis(Axis(0), Slice::from(start..end)).dot(&all.t());
            let half = &half;
            (start..end).map(move |point| {
                let row = products.row(point - start);
                // Half the squared distance, less what is the same for the whole row.
                let mut near: Vec<(f32, u32)> = (0..count)
                    .filter(|&other| other != point)
                    .map(|other| (half[other] - row[other], other as u32))
                    .collect();
                if each < near.len() {
                    near.select_nth_unstable_by(each, |a, b| a.0.total_cmp(&b.0));
                    near.truncate(each);
                    // Else every point would keep room for all others: memory that grows with the square of their number.
                    near.shrink_to_fit();
                }
                // Once more for those that stay, without the cancellation of large numbers.
                for (distance, other) in &mut near {
                    *distance = squared(points.point(point), points.point(*other as usize));
                }
                near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                near
            })
        })
        .collect();
    let (distance, index) = found.into_iter().flatten().unzip();
    Neighbours { each, index, distance }
}

fn squared(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::rng::Rng;

    #[test]
    fn they_are_those_that_looking_at_all_finds() {
        let mut rng = Rng::new(3, 0);
        let points = Points::new((0..300 * 4).map(|_| 100.0 + rng.normal_f32()).collect(), 4);
        let found = neighbours(&points, 5);
        for point in [0, 17, 128, 299] {
            let mut all: Vec<(f32, u32)> = (0..300)
                .filter(|&other| other != point)
                .map(|other| (squared(points.point(point), points.point(other)), other as u32))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            let wanted: Vec<u32> = all[..5].iter().map(|(_, other)| *other).collect();
            assert_eq!(found.index[point * 5..][..5], wanted);
        }
        assert_eq!(neighbours(&points, 1000).each, 299);
    }
}
