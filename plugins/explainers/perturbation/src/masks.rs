//! Which segments are shown in which sample of LIME, and how much each sample counts.

use whyglass_sdk::rng::Rng;

/// Rows of segments that are shown or hidden. The first shows all; then come pairs, each the opposite of the other, so
/// that what is odd about one is evened out by the other; an odd one may be left over at the end.
#[derive(Clone, Debug)]
pub(crate) struct Masks {
    segments: usize,
    shown: Vec<bool>,
}

impl Masks {
    /// `samples` rows; row 1 + 2k and its opposite come from stream k of `seed`.
    pub(crate) fn draw(segments: usize, samples: usize, seed: u64) -> Self {
        let mut shown = vec![true; segments];
        for pair in 0..(samples - 1).div_ceil(2) {
            let mut rng = Rng::new(seed, pair as u64);
            let row: Vec<bool> = (0..segments).map(|_| rng.next_u32() >> 31 == 1).collect();
            shown.extend_from_slice(&row);
            shown.extend(row.iter().map(|shown| !shown));
        }
        shown.truncate(samples * segments);
        Self { segments, shown }
    }

    #[cfg(test)]
    pub(crate) fn from_rows(segments: usize, shown: Vec<bool>) -> Self {
        Self { segments, shown }
    }

    pub(crate) fn segments(&self) -> usize {
        self.segments
    }

    pub(crate) fn len(&self) -> usize {
        self.shown.len() / self.segments
    }

    pub(crate) fn row(&self, index: usize) -> &[bool] {
        &self.shown[index * self.segments..(index + 1) * self.segments]
    }

    /// The first `samples` rows.
    pub(crate) fn rows(&self, samples: usize) -> impl Iterator<Item = &[bool]> {
        self.shown.chunks_exact(self.segments).take(samples)
    }

    /// π = exp(−d² / 2w²) of a row, d its cosine distance from the row that shows all: 1 − √(share that is shown).
    pub(crate) fn proximity(row: &[bool], kernel_width: f64) -> f64 {
        let shown = row.iter().filter(|shown| **shown).count();
        let distance = 1.0 - (shown as f64 / row.len() as f64).sqrt();
        (-distance * distance / (2.0 * kernel_width * kernel_width)).exp()
    }
}

/// The rows of a number of samples that belong together: the first alone, then pairs.
pub(crate) fn pairs(samples: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    std::iter::once(0..1.min(samples)).chain((1..samples).step_by(2).map(move |first| first..(first + 2).min(samples)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_shows_all_and_the_others_come_in_opposites() {
        let masks = Masks::draw(49, 8, 3);
        assert_eq!(masks.len(), 8);
        assert!(masks.row(0).iter().all(|shown| *shown));
        for pair in [1, 3, 5] {
            assert!(masks.row(pair).iter().zip(masks.row(pair + 1)).all(|(a, b)| a != b));
        }
        assert_ne!(masks.row(1), masks.row(3));
        assert_eq!(Masks::draw(49, 4, 3).row(3), masks.row(3), "more samples begin with the same");
        assert_eq!(pairs(4).collect::<Vec<_>>(), [0..1, 1..3, 3..4]);
        assert!(pairs(1).eq(std::iter::once(0..1)));
    }

    #[test]
    fn half_of_the_segments_are_shown() {
        let masks = Masks::draw(100, 201, 1);
        let shown = masks.rows(201).skip(1).flatten().filter(|shown| **shown).count();
        assert_eq!(shown, 100 * 100, "opposites make it exact");
        let first: usize = masks.rows(201).skip(1).filter(|row| row[0]).count();
        assert_eq!(first, 100);
    }

    #[test]
    fn proximity_falls_with_the_cosine_distance() {
        let of = |shown: usize| {
            let row: Vec<bool> = (0..4).map(|segment| segment < shown).collect();
            Masks::proximity(&row, 0.25)
        };
        assert_eq!(of(4), 1.0);
        assert!((of(1) - (-0.25_f64 / 0.125).exp()).abs() < 1e-12);
        assert!((of(0) - (-8.0_f64).exp()).abs() < 1e-12);
    }
}
