//! Cells within cells over the points of an embedding: a cell that looks small from a point stands for all points in it
//! (Barnes & Hut). In two or three dimensions.

/// Cells that hold at most this many points are not divided.
const FEW: usize = 8;
/// Points that coincide would divide cells for ever.
const DEEPEST: usize = 48;

struct Cell<const D: usize> {
    /// Mean of the points in it.
    centre: [f32; D],
    count: f32,
    /// Squared side.
    side: f32,
    /// Its points, as a range of the tree's own order.
    points: (usize, usize),
    /// The first cell that is not within this one.
    next: usize,
    divided: bool,
}

pub(super) struct Tree<const D: usize> {
    /// Each cell directly before those within it.
    cells: Vec<Cell<D>>,
    points: Vec<[f32; D]>,
}

impl<const D: usize> Tree<D> {
    pub(super) fn new(points: &[[f32; D]]) -> Self {
        let mut low = [f32::INFINITY; D];
        let mut high = [f32::NEG_INFINITY; D];
        for point in points {
            for axis in 0..D {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let side = (0..D).map(|axis| high[axis] - low[axis]).fold(f32::MIN_POSITIVE, f32::max);
        let mut tree = Self { cells: Vec::with_capacity(points.len()), points: points.to_vec() };
        tree.divide(0, points.len(), low, side, 0);
        tree
    }

    fn divide(&mut self, from: usize, to: usize, low: [f32; D], side: f32, depth: usize) {
        let here = &mut self.points[from..to];
        let count = here.len() as f32;
        let sum = |axis: usize| here.iter().map(|point| f64::from(point[axis])).sum::<f64>();
        let centre = std::array::from_fn(|axis| (sum(axis) / f64::from(count)) as f32);
        let divided = here.len() > FEW && depth < DEEPEST;
        let index = self.cells.len();
        self.cells.push(Cell { centre, count, side: side * side, points: (from, to), next: 0, divided });
        if divided {
            let half = side / 2.0;
            let middle = low.map(|low| low + half);
            let part =
                |point: &[f32; D]| (0..D).fold(0, |part, axis| part << 1 | usize::from(point[axis] > middle[axis]));
            here.sort_unstable_by_key(|point| part(point));
            let mut start = from;
            for wanted in 0..1 << D {
                let length = self.points[start..to].partition_point(|point| part(point) == wanted);
                if length > 0 {
                    let corner = |axis: usize| if wanted >> (D - 1 - axis) & 1 == 1 { middle[axis] } else { low[axis] };
                    self.divide(start, start + length, std::array::from_fn(corner), half, depth + 1);
                    start += length;
                }
            }
        }
        self.cells[index].next = self.cells.len();
    }

    /// The force on a point of the tree and its share of Z, itself left out.
    pub(super) fn force(&self, point: &[f32; D], theta: f32) -> ([f32; D], f32) {
        let (mut force, mut sum) = ([0.0; D], 0.0);
        let mut add = |from: &[f32; D], count: f32| {
            let away: [f32; D] = std::array::from_fn(|axis| point[axis] - from[axis]);
            let q = 1.0 / (1.0 + away.iter().map(|v| v * v).sum::<f32>());
            sum += count * q;
            (0..D).for_each(|axis| force[axis] += count * q * q * away[axis]);
        };
        let mut index = 0;
        while let Some(cell) = self.cells.get(index) {
            let distance: f32 = cell.centre.iter().zip(point).map(|(a, b)| (a - b) * (a - b)).sum();
            if cell.side < theta * theta * distance {
                add(&cell.centre, cell.count);
                index = cell.next;
            } else if cell.divided {
                index += 1;
            } else {
                self.points[cell.points.0..cell.points.1].iter().for_each(|other| add(other, 1.0));
                index = cell.next;
            }
        }
        // It met itself, with q = 1 and no force.
        (force, sum - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_coincide_do_not_divide_for_ever() {
        let tree = Tree::new(&[[1.0, 1.0, 1.0]; 100]);
        let (force, sum) = tree.force(&[1.0, 1.0, 1.0], 0.5);
        assert_eq!((force, sum), ([0.0; 3], 99.0));
    }

    #[test]
    fn a_far_cloud_pushes_as_its_centre_does() {
        let cloud = (0..50).map(|i| [100.0 + (i % 7) as f32 * 0.01, (i % 5) as f32 * 0.01]);
        let points: Vec<[f32; 2]> = cloud.chain([[0.0, 0.0]]).collect();
        let (force, sum) = Tree::new(&points).force(&[0.0, 0.0], 0.5);
        assert!((sum - 50.0 / 10_001.0).abs() < 1e-4, "{sum}");
        assert!(force[0] < 0.0 && force[1].abs() < 1e-6);
    }
}
