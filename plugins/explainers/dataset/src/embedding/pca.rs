//! Principal components by subspace iteration: a few passes over the points, whatever their width.

use ndarray::{Array2, ArrayView2, Axis};
use whyglass_sdk::rng::Rng;

use super::Points;

/// More directions than are asked for, so that the last ones are good too.
const SPARE: usize = 10;
/// Passes; features of networks have spectra that fall fast.
const PASSES: usize = 6;

/// The points in the coordinates of their `components` strongest directions, the strongest first, centred. Signs are such
/// that the largest coordinate of each direction is positive.
#[must_use]
pub fn principal_components(points: &Points, components: usize) -> Points {
    let (count, width) = (points.count(), points.width());
    let kept = components.min(width).min(count).max(1);
    let view = ArrayView2::from_shape((count, width), points.data()).expect("points are whole");
    let mean = view.mean_axis(Axis(0)).expect("there are points");
    let centred = &view - &mean;
    let rank = (kept + SPARE).min(width).min(count);
    let mut rng = Rng::new(0, 0);
    let mut basis = Array2::from_shape_simple_fn((width, rank), || rng.normal_f32());
    for _ in 0..PASSES {
        orthonormalise(&mut basis);
        let image = centred.dot(&basis);
        basis = centred.t().dot(&image);
    }
    orthonormalise(&mut basis);
    let image = centred.dot(&basis);
    // The strongest directions within the subspace.
    let gram = image.t().dot(&image).mapv(f64::from);
    let (values, vectors) = eigen(gram);
    let mut order: Vec<usize> = (0..rank).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let mut turned = Array2::zeros((rank, kept));
    for (to, &from) in order.iter().take(kept).enumerate() {
        turned.column_mut(to).assign(&vectors.column(from).mapv(|v| v as f32));
    }
    let mut result = image.dot(&turned);
    for mut column in result.columns_mut() {
        let largest = column.iter().fold(0.0_f32, |largest, v| if v.abs() > largest.abs() { *v } else { largest });
        if largest < 0.0 {
            column.mapv_inplace(|v| -v);
        }
    }
    Points::new(result.as_standard_layout().iter().copied().collect(), kept)
}

/// Gram–Schmidt, twice for float32's sake. A column that depends on those before it becomes zero.
fn orthonormalise(basis: &mut Array2<f32>) {
    for column in 0..basis.ncols() {
        let (before, mut rest) = basis.view_mut().split_at(Axis(1), column);
        let mut this = rest.column_mut(0);
        let full = norm(this.view());
        for _ in 0..2 {
            let along = before.t().dot(&this);
            let lost = before.dot(&along);
            this -= &lost;
        }
        let length = norm(this.view());
        this.mapv_inplace(|v| if length > 1e-6 * full { (f64::from(v) / length) as f32 } else { 0.0 });
    }
}

fn norm(column: ndarray::ArrayView1<'_, f32>) -> f64 {
    column.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

/// Eigenvalues and eigenvectors (in columns) of a small symmetric matrix, by Jacobi's rotations.
fn eigen(mut a: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut vectors = Array2::eye(n);
    let total: f64 = a.iter().map(|v| v * v).sum();
    for _ in 0..60 {
        let off: f64 = a.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, v)| v * v).sum();
        if off <= 1e-22 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cos = 1.0 / t.hypot(1.0);
                let sin = t * cos;
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    (a[[k, p]], a[[k, q]]) = (cos * x - sin * y, sin * x + cos * y);
                }
                for k in 0..n {
                    let (x, y) = (a[[p, k]], a[[q, k]]);
                    (a[[p, k]], a[[q, k]]) = (cos * x - sin * y, sin * x + cos * y);
                }
                for k in 0..n {
                    let (x, y) = (vectors[[k, p]], vectors[[k, q]]);
                    (vectors[[k, p]], vectors[[k, q]]) = (cos * x - sin * y, sin * x + cos * y);
                }
            }
        }
    }
    ((0..n).map(|i| a[[i, i]]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_space_is_one_component() {
        let direction = [2.0, -1.0, 2.0];
        let at = [-4.0, -1.0, 0.0, 2.0, 3.0];
        let data = at.iter().flat_map(|t| direction.map(|d| 5.0 + t * d)).collect();
        let line = principal_components(&Points::new(data, 3), 2);
        let expected: Vec<f32> = at.iter().map(|t| t * 3.0).collect();
        let sign = -1.0; // the largest, −12, becomes positive
        for (index, wanted) in expected.iter().enumerate() {
            assert!((line.point(index)[0] - sign * wanted).abs() < 1e-4, "{line:?}");
            assert!(line.point(index)[1].abs() < 1e-4);
        }
    }

    #[test]
    fn distances_survive_where_all_components_are_kept() {
        let mut rng = Rng::new(5, 0);
        let points = Points::new((0..40 * 6).map(|_| rng.normal_f32()).collect(), 6);
        let turned = principal_components(&points, 6);
        let distance = |points: &Points, a: usize, b: usize| -> f32 {
            points.point(a).iter().zip(points.point(b)).map(|(x, y)| (x - y).powi(2)).sum()
        };
        for (a, b) in [(0, 1), (3, 39), (7, 20)] {
            assert!((distance(&points, a, b) / distance(&turned, a, b) - 1.0).abs() < 1e-4);
        }
        let strength = |column: usize| (0..40).map(|index| turned.point(index)[column].powi(2)).sum::<f32>();
        assert!((1..6).all(|column| strength(column - 1) >= strength(column)));
    }
}
