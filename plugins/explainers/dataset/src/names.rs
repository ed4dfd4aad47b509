//! What classes are called.

use whyglass_sdk::json::ModelDescriptor;

/// The label of a class; its index where nothing names it.
pub(crate) fn label(model: &ModelDescriptor, class: usize) -> String {
    model.labels.get(class).filter(|label| !label.is_empty()).cloned().unwrap_or_else(|| class.to_string())
}
