//! t-SNE as pure functions over points: principal components, exact neighbours, affinities, and the gradient loop. Knows no
//! model and no pictures; the technique in `tsne` feeds it.

mod affinities;
mod neighbours;
mod optimise;
mod pca;
mod repulsion;
mod tree;

pub use affinities::{Affinities, largest_perplexity};
pub use neighbours::{Neighbours, neighbours};
pub use optimise::{Settings, Snapshot, embed, initial};
pub use pca::principal_components;

/// `count` points of `width` numbers each, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    data: Vec<f32>,
    width: usize,
}

impl Points {
    /// # Panics
    /// Where `data` are not whole points.
    #[must_use]
    pub fn new(data: Vec<f32>, width: usize) -> Self {
        assert!(width > 0 && data.len().is_multiple_of(width), "{} numbers are no points of {width}", data.len());
        Self { data, width }
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.data.len() / self.width
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    #[must_use]
    pub fn point(&self, index: usize) -> &[f32] {
        &self.data[index * self.width..][..self.width]
    }

    /// The same points at length 1, so that their distances are those of their angles. The zero point stays.
    #[must_use]
    pub fn unit(mut self) -> Self {
        for point in self.data.chunks_exact_mut(self.width) {
            let length = point.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32;
            if length > 0.0 {
                point.iter_mut().for_each(|v| *v /= length);
            }
        }
        self
    }
}
