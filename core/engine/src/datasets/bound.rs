//! A dataset for one model: which class each picture has there, and its pictures as that model's input.

use std::sync::Arc;

use whyglass_imaging as imaging;

use super::{Dataset, classes};
use crate::config::Limits;
use crate::error::{Code, Error, Result};
use crate::json::ImagesDescriptor;
use crate::models::LoadedModel;
use crate::runs::picture;

/// A dataset as a technique gets it.
#[derive(Debug)]
pub(crate) struct Bound {
    pub dataset: Arc<Dataset>,
    model: Arc<LoadedModel>,
    limits: Limits,
    /// By class of the dataset.
    classes: Vec<i64>,
    /// [`ImagesDescriptor`] as JSON.
    pub descriptor: String,
}

impl Bound {
    /// # Errors
    /// UNMATCHED_CLASSES, BAD_CLASSES; the field is `dataset`.
    pub(crate) fn new(dataset: Arc<Dataset>, model: &Arc<LoadedModel>, limits: &Limits) -> Result<Self> {
        let classes = classes::matched(&dataset, model)?;
        let items = dataset.items.iter().map(|item| item.id.clone()).collect();
        let descriptor = ImagesDescriptor { classes: dataset.classes.clone(), items };
        let descriptor =
            serde_json::to_string(&descriptor).map_err(|error| Error::internal("DESCRIPTOR", error.to_string()))?;
        Ok(Self { dataset, model: Arc::clone(model), limits: limits.clone(), classes, descriptor })
    }

    pub(crate) fn count(&self) -> usize {
        self.dataset.items.len()
    }

    /// The model's class of picture `index`, −1 where it is not known.
    pub(crate) fn label(&self, index: usize) -> i64 {
        let class = self.dataset.items.get(index).and_then(|item| item.class);
        class.map_or(-1, |class| self.classes[class])
    }

    /// 3×H×W at the model's input size.
    ///
    /// # Errors
    /// UNREADABLE_IMAGE naming the item.
    pub(crate) fn pixels(&self, index: usize) -> Result<Vec<f32>> {
        let item = self.dataset.items.get(index).ok_or_else(|| {
            Error::new(Code::OutOfRange, "UNKNOWN_ITEM", format!("there is no picture {index} of {}", self.count()))
        })?;
        let encoded = self.dataset.encoded(item, &self.limits)?;
        let decoded = picture::decode(&encoded, &self.limits).map_err(|error| {
            let message = format!("the picture '{}' cannot be read: {}", item.id, error.message);
            Error::new(Code::DataLoss, "UNREADABLE_IMAGE", message)
        })?;
        Ok(imaging::fit(&decoded, self.model.fit()).0.data)
    }
}
