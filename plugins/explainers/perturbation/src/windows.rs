//! Where the windows of a sweep lie, and in which order they are looked at. Pure geometry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In which order the windows of a sweep are evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Row by row.
    #[default]
    Sweep,
    /// Every 2ⁿ-th window first, then those between: the whole picture is covered early and sharpens. The result is
    /// the same, and so is the work.
    CoarseToFine,
}

/// A half-open rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) bottom: usize,
    pub(crate) right: usize,
}

impl Rect {
    pub(crate) fn height(&self) -> usize {
        self.bottom - self.top
    }

    pub(crate) fn width(&self) -> usize {
        self.right - self.left
    }

    /// The smallest rectangle that holds both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            top: self.top.min(other.top),
            left: self.left.min(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// The grid of windows over a picture.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
}

impl Windows {
    /// Windows of `size`×`size` pixels every `stride` pixels over `height`×`width`, up to and with the first that
    /// reaches the border. With `clip` that one is moved inside, else it is cut at the border.
    ///
    /// Expects `1 ≤ stride ≤ size ≤ min(height, width)`: then every pixel is covered.
    pub(crate) fn new(height: usize, width: usize, size: usize, stride: usize, clip: bool) -> Self {
        Self { rows: spans(height, size, stride, clip), columns: spans(width, size, stride, clip) }
    }

    /// Rows and columns of the grid.
    pub(crate) fn grid(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Window `index`, counted row by row.
    pub(crate) fn rect(&self, index: usize) -> Rect {
        let (top, bottom) = self.rows[index / self.columns.len()];
        let (left, right) = self.columns[index % self.columns.len()];
        Rect { top, left, bottom, right }
    }

    /// All windows in the order that they are to be evaluated in.
    pub(crate) fn order(&self, order: Order) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.len()).collect();
        if order == Order::CoarseToFine {
            // A stable sort: row by row within a level.
            indices.sort_by_key(|index| {
                let (row, column) = (index / self.columns.len(), index % self.columns.len());
                std::cmp::Reverse(level(row).min(level(column)))
            });
        }
        indices
    }
}

/// The largest n ≤ 3 such that 2ⁿ divides `position`.
fn level(position: usize) -> u32 {
    position.trailing_zeros().min(3)
}

fn spans(length: usize, size: usize, stride: usize, clip: bool) -> Vec<(usize, usize)> {
    debug_assert!(1 <= stride && stride <= size && size <= length, "checked by the caller");
    (0..=(length - size).div_ceil(stride))
        .map(|n| if clip { (n * stride).min(length - size) } else { n * stride })
        .map(|start| (start, (start + size).min(length)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_45_at_22_has_ten_places_on_224_pixels() {
        let clipped = spans(224, 45, 22, true);
        assert_eq!(clipped.len(), 10);
        assert_eq!((clipped[0], clipped[8], clipped[9]), ((0, 45), (176, 221), (179, 224)));
        let cut = spans(224, 45, 22, false);
        assert_eq!(cut.len(), 10);
        assert_eq!(cut[9], (198, 224));
    }

    #[test]
    fn one_window_may_be_the_whole_picture() {
        assert_eq!(spans(8, 8, 3, true), [(0, 8)]);
        assert_eq!(spans(8, 8, 8, false), [(0, 8)]);
    }

    proptest::proptest! {
        #[test]
        fn every_pixel_is_covered_and_no_window_leaves_the_picture(
            length in 1usize..60, size in 1usize..60, stride in 1usize..60, clip: bool
        ) {
            let size = size.min(length);
            let stride = stride.min(size);
            let spans = spans(length, size, stride, clip);
            for pixel in 0..length {
                proptest::prop_assert!(spans.iter().any(|(start, end)| (*start..*end).contains(&pixel)));
            }
            for (start, end) in spans {
                proptest::prop_assert!(start < end && end <= length);
                proptest::prop_assert!(!clip || end - start == size);
            }
        }
    }

    #[test]
    fn coarse_to_fine_visits_each_window_once_and_every_eighth_first() {
        let windows = Windows::new(40, 40, 4, 2, true);
        let order = windows.order(Order::CoarseToFine);
        let (rows, columns) = windows.grid();
        let coarse: Vec<usize> =
            (0..rows).step_by(8).flat_map(|r| (0..columns).step_by(8).map(move |c| r * columns + c)).collect();
        assert_eq!(order[..coarse.len()], coarse[..]);
        let mut all = order;
        all.sort_unstable();
        assert_eq!(all, (0..windows.len()).collect::<Vec<_>>());
    }
}
