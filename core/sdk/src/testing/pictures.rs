//! Pictures held in memory, with their labels.

use crate::{Call, Error, Images, Result, Tensor, json};

/// A set of pictures in memory.
#[derive(Clone, Debug, Default)]
pub struct Pictures(Vec<(Tensor, Option<usize>)>);

impl Pictures {
    /// A set of one, without a label.
    #[must_use]
    pub fn single(image: Tensor) -> Self {
        Self(vec![(image, None)])
    }

    /// A labelled set: each picture 1×3×H×W.
    #[must_use]
    pub fn labelled(items: impl IntoIterator<Item = (Tensor, usize)>) -> Self {
        Self(items.into_iter().map(|(image, label)| (image, Some(label))).collect())
    }
}

impl Images for Pictures {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn get(&self, call: &Call<'_>, index: usize) -> Result<Tensor> {
        call.check()?;
        let item = self.0.get(index).map(|(image, _)| image.clone());
        item.ok_or_else(|| Error::out_of_range("image", format!("there is no picture {index} of {}", self.0.len())))
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.0.get(index)?.1
    }

    fn descriptor(&self) -> Result<json::ImagesDescriptor> {
        let items = (0..self.0.len()).map(|index| format!("picture-{index}")).collect();
        Ok(json::ImagesDescriptor { items, ..Default::default() })
    }
}
