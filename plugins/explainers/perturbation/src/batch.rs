//! How many pictures one call to the model gets.

use whyglass_sdk::json::ModelDescriptor;

/// Larger batches than this gain nothing on a CPU and are felt when a run is stopped.
const MOST: usize = 16;
/// What a model gets that has no opinion.
const USUAL: usize = 8;

/// Rows per call for `evaluations` of them: what the model prefers, evened out so that the last batch is about as full
/// as the others (each batch size is compiled once, so there is only one).
pub(crate) fn rows(model: &ModelDescriptor, evaluations: usize) -> usize {
    let preferred = match model.preferred_batch as usize {
        0 => USUAL,
        rows => rows.min(MOST),
    };
    let batches = evaluations.div_ceil(preferred).max(1);
    evaluations.div_ceil(batches).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_even_and_no_larger_than_what_the_model_prefers() {
        let model = |preferred_batch| ModelDescriptor { preferred_batch, ..Default::default() };
        assert_eq!(rows(&model(8), 101), 8);
        assert_eq!(rows(&model(8), 10), 5, "two of five instead of eight and two");
        assert_eq!(rows(&model(0), 1000), 8);
        assert_eq!(rows(&model(4096), 4096), 16);
        assert_eq!(rows(&model(8), 3), 3);
        assert_eq!(rows(&model(8), 0), 1);
    }
}
