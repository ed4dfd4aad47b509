//! Many small grey pictures on one: where each goes, and how large it is.

use whyglass_imaging::filters::resize_area;

/// The longest side of a montage: what does not fit is shrunk.
const LONGEST: usize = 1024;
/// Cells are enlarged, by whole numbers, until the montage is about this wide.
const COMFORTABLE: usize = 448;
/// Between cells.
const GAP: usize = 1;
const BACKGROUND: f32 = 0.25;

/// The layout of `count` cells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Montage {
    count: usize,
    columns: usize,
    /// Of a map as it comes.
    map: (usize, usize),
    /// Of a map before it is enlarged: smaller where the montage would be too large.
    shrunk: (usize, usize),
    enlarge: usize,
}

impl Montage {
    /// `count` maps of `map` (height, width), in `columns` columns (0: about as many as rows).
    pub(crate) fn new(count: usize, map: (usize, usize), columns: usize) -> Self {
        let (height, width) = map;
        let count = count.max(1);
        let square = (count as f64 * height as f64 / width as f64).sqrt().ceil() as usize;
        let columns = if columns == 0 { square } else { columns }.clamp(1, count);
        let rows = count.div_ceil(columns);
        let room = |cells: usize| (LONGEST.saturating_sub((cells - 1) * GAP) / cells).max(1);
        let shrunk = (height.min(room(rows)), width.min(room(columns)));
        let largest = (room(rows) / shrunk.0).min(room(columns) / shrunk.1).max(1);
        let enlarge = COMFORTABLE.div_ceil(columns * shrunk.1).clamp(1, largest);
        Self { count, columns, map, shrunk, enlarge }
    }

    fn cell(&self) -> (usize, usize) {
        (self.shrunk.0 * self.enlarge, self.shrunk.1 * self.enlarge)
    }

    /// Rows of cells.
    pub(crate) fn rows(&self) -> usize {
        self.count.div_ceil(self.columns)
    }

    /// The maps of row `row`.
    pub(crate) fn of_row(&self, row: usize) -> std::ops::Range<usize> {
        row * self.columns..((row + 1) * self.columns).min(self.count)
    }

    /// Height and width in pixels.
    pub(crate) fn size(&self) -> (usize, usize) {
        let side = |cells: usize, cell: usize| cells * cell + (cells - 1) * GAP;
        (side(self.rows(), self.cell().0), side(self.columns, self.cell().1))
    }

    /// The first line of pixels of row `row`.
    pub(crate) fn top(&self, row: usize) -> usize {
        row * (self.cell().0 + GAP)
    }

    /// An empty montage: 3×height×width.
    pub(crate) fn empty(&self) -> Vec<f32> {
        let (height, width) = self.size();
        vec![BACKGROUND; 3 * height * width]
    }

    /// One row of cells as a picture, 3×cell height×width: `maps` are the row's, in 0…1.
    pub(crate) fn strip(&self, maps: &[Vec<f32>]) -> Vec<f32> {
        let (height, width) = self.cell();
        let total = self.size().1;
        let mut plane = vec![BACKGROUND; height * total];
        for (column, map) in maps.iter().enumerate() {
            let small = if self.shrunk == self.map { map.clone() } else { resize_area(map, self.map, self.shrunk) };
            for y in 0..height {
                let from = &small[y / self.enlarge * self.shrunk.1..][..self.shrunk.1];
                let to = &mut plane[y * total + column * (width + GAP)..][..width];
                to.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = from[x / self.enlarge]);
            }
        }
        plane.repeat(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_lie_beside_each_other_with_a_gap() {
        let montage = Montage { count: 3, columns: 2, map: (1, 2), shrunk: (1, 2), enlarge: 1 };
        assert_eq!(montage.size(), (3, 5));
        assert_eq!((montage.rows(), montage.of_row(1), montage.top(1)), (2, 2..3, 2));
        let b = BACKGROUND;
        assert_eq!(montage.strip(&[vec![0.0, 1.0], vec![0.5, 0.6]])[..5], [0.0, 1.0, b, 0.5, 0.6]);
        assert_eq!(montage.strip(&[vec![0.0, 1.0]])[5..10], [0.0, 1.0, b, b, b]);
        assert_eq!(montage.empty().len(), 45);
    }

    #[test]
    fn small_maps_are_enlarged_and_large_ones_shrunk() {
        let small = Montage::new(1280, (7, 7), 0);
        assert_eq!((small.columns, small.rows(), small.enlarge), (36, 36, 2));
        let single = Montage::new(1, (7, 7), 0);
        assert!((448..=1024).contains(&single.size().0), "{:?}", single.size());
        let large = Montage::new(96, (112, 112), 0);
        assert!(large.size().0 <= LONGEST && large.size().1 <= LONGEST && large.shrunk < (112, 112));
        assert_eq!(large.strip(&vec![vec![0.5; 112 * 112]; 10]).len(), 3 * large.cell().0 * large.size().1);
        let flat = Montage::new(1280, (1, 1), 0);
        assert!(flat.size().0 <= LONGEST);
    }

    #[test]
    fn a_cell_is_enlarged_by_repeating_its_values() {
        let montage = Montage { count: 1, columns: 1, map: (1, 2), shrunk: (1, 2), enlarge: 2 };
        assert_eq!(montage.strip(&[vec![0.0, 1.0]])[..8], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    }
}
