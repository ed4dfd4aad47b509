//! What pushes points apart: for each the sum of q²·(y_i − y_j) over all others, and Z, the sum of all q = 1 / (1 + |y_i −
//! y_j|²). Exactly, many pairs at once on wide registers; or by a tree of cells where the points are too many for that.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::tree::Tree;

/// Up to so many points all pairs are faster than the tree.
const EXACT: usize = 8_000;
/// Columns are padded to this many numbers: what the widest registers hold.
const LANES: usize = 16;
/// Points of one piece of work.
const PIECE: usize = 64;

/// So far away that it neither pushes nor counts.
const FAR: f32 = 1e18;

/// The forces on all points, and Z.
pub(super) fn repulsion<const D: usize>(points: &[[f32; D]], theta: f32, forces: &mut [[f32; D]]) -> f64 {
    if theta > 0.0 && points.len() > EXACT {
        let tree = Tree::new(points);
        let sums = forces.par_chunks_mut(PIECE).zip(points.par_chunks(PIECE)).map(|(forces, points)| {
            let mut z = 0.0;
            for (force, point) in forces.iter_mut().zip(points) {
                let (pushed, sum) = tree.force(point, theta);
                *force = pushed;
                z += f64::from(sum);
            }
            z
        });
        return sums.sum();
    }
    // Coordinate by coordinate, as wide registers want them.
    let padded = points.len().next_multiple_of(LANES);
    let columns: [Vec<f32>; D] = std::array::from_fn(|axis| {
        let mut column: Vec<f32> = points.iter().map(|point| point[axis]).collect();
        column.resize(padded, FAR);
        column
    });
    let arch = Arch::new();
    let pieces = forces.par_chunks_mut(PIECE).zip(points.par_chunks(PIECE));
    let sums = pieces.map(|(forces, points)| arch.dispatch(Piece { columns: &columns, points, forces }));
    // Pieces are added in their order, so that the threads make no difference.
    sums.collect::<Vec<f64>>().into_iter().sum()
}

/// The forces on some points, compiled for each kind of register.
struct Piece<'a, const D: usize> {
    columns: &'a [Vec<f32>; D],
    points: &'a [[f32; D]],
    forces: &'a mut [[f32; D]],
}

impl<const D: usize> WithSimd for Piece<'_, D> {
    type Output = f64;

    // Without closures: they would not be inlined into the function that has the registers.
    #[allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, axis by axis")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let mut columns: [&[S::f32s]; D] = [&[]; D];
        for axis in 0..D {
            columns[axis] = S::as_simd_f32s(&self.columns[axis]).0;
        }
        let mut z = 0.0;
        for (force, point) in self.forces.iter_mut().zip(self.points) {
            let mut here = [zero; D];
            for axis in 0..D {
                here[axis] = simd.splat_f32s(point[axis]);
            }
            let (mut sum, mut pushed, mut away) = (zero, [zero; D], [zero; D]);
            for group in 0..columns[0].len() {
                let mut distance = one;
                for axis in 0..D {
                    away[axis] = simd.sub_f32s(here[axis], columns[axis][group]);
                    distance = simd.mul_add_f32s(away[axis], away[axis], distance);
                }
                let q = simd.div_f32s(one, distance);
                sum = simd.add_f32s(sum, q);
                let square = simd.mul_f32s(q, q);
                for axis in 0..D {
                    pushed[axis] = simd.mul_add_f32s(square, away[axis], pushed[axis]);
                }
            }
            for axis in 0..D {
                force[axis] = simd.reduce_sum_f32s(pushed[axis]);
            }
            // The point itself has been counted among the others, with q = 1 and no force.
            z += f64::from(simd.reduce_sum_f32s(sum)) - 1.0;
        }
        z
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::rng::Rng;

    fn cloud(count: usize) -> Vec<[f32; 2]> {
        let mut rng = Rng::new(9, 0);
        (0..count).map(|_| [rng.normal_f32() * 20.0, rng.normal_f32() * 10.0]).collect()
    }

    fn plain(points: &[[f32; 2]]) -> (Vec<[f64; 2]>, f64) {
        let mut z = 0.0;
        let forces = points.iter().enumerate().map(|(i, a)| {
            let mut force = [0.0; 2];
            for b in points.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, b)| b) {
                let away = [0, 1].map(|axis| f64::from(a[axis]) - f64::from(b[axis]));
                let q = 1.0 / (1.0 + away[0] * away[0] + away[1] * away[1]);
                z += q;
                (0..2).for_each(|axis| force[axis] += q * q * away[axis]);
            }
            force
        });
        (forces.collect(), z)
    }

    fn compare(theta: f32, points: &[[f32; 2]], tolerance: f64) {
        let mut forces = vec![[0.0; 2]; points.len()];
        let z = repulsion(points, theta, &mut forces);
        let (wanted, wanted_z) = plain(points);
        assert!((z / wanted_z - 1.0).abs() < tolerance, "{z} against {wanted_z}");
        // Of the whole field: where forces nearly cancel, one of them says nothing.
        let square = |f: [f64; 2]| f[0] * f[0] + f[1] * f[1];
        let apart = |(a, b): (&[f32; 2], &[f64; 2])| square([f64::from(a[0]) - b[0], f64::from(a[1]) - b[1]]);
        let error: f64 = forces.iter().zip(&wanted).map(apart).sum();
        let relative = (error / wanted.iter().map(|f| square(*f)).sum::<f64>()).sqrt();
        assert!(relative < tolerance, "the forces are off by {relative}");
    }

    #[test]
    fn all_pairs_agree_with_plain_sums() {
        compare(0.0, &cloud(203), 1e-5);
        compare(0.5, &[[1.0, 2.0], [1.0, 2.0], [4.0, -2.0]], 1e-6);
    }

    #[test]
    fn the_tree_is_as_close_as_its_angle_promises() {
        compare(0.5, &cloud(EXACT + 100), 0.05);
    }
}
