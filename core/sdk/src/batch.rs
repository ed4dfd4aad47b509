//! How many pictures one call to the model gets: enough to keep it busy, few enough that a stop is felt at once.

use crate::json::ModelDescriptor;

/// Larger batches than this gain nothing on a CPU and are felt when a run is stopped.
const MOST: usize = 16;
/// What a model gets that has no opinion.
const USUAL: usize = 8;
/// What the gradient of a picture costs, in forward passes.
const GRADIENT: usize = 3;

/// Rows per call for `evaluations` of them: what the model prefers, evened out so that the last batch is about as full
/// as the others (each batch size is compiled once, so there is only one).
#[must_use]
pub fn rows(model: &ModelDescriptor, evaluations: usize) -> usize {
    even(preferred(model), evaluations)
}

/// As [`rows`], for as many gradients, on `threads`: as many for each of them, since a batch of gradients takes as long as
/// the thread that has the most.
#[must_use]
pub fn gradient_rows(model: &ModelDescriptor, gradients: usize, threads: usize) -> usize {
    let threads = threads.max(1);
    even(preferred(model).div_ceil(GRADIENT).next_multiple_of(threads), gradients)
        .next_multiple_of(threads)
        .min(gradients.max(1))
}

/// How many of `rows` gradients to ask for where `left` are left: two, if it is one. That one would be taken by all threads
/// together, for which a model has to be compiled again.
#[must_use]
pub fn last_gradient_rows(rows: usize, left: usize) -> usize {
    left.max(2).min(rows)
}

fn preferred(model: &ModelDescriptor) -> usize {
    match model.preferred_batch as usize {
        0 => USUAL,
        rows => rows.min(MOST),
    }
}

fn even(most: usize, evaluations: usize) -> usize {
    let batches = evaluations.div_ceil(most).max(1);
    evaluations.div_ceil(batches).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(preferred_batch: u32) -> ModelDescriptor {
        ModelDescriptor { preferred_batch, ..Default::default() }
    }

    #[test]
    fn batches_are_even_and_no_larger_than_what_the_model_prefers() {
        assert_eq!(rows(&model(8), 101), 8);
        assert_eq!(rows(&model(8), 10), 5, "two of five instead of eight and two");
        assert_eq!(rows(&model(0), 1000), 8);
        assert_eq!(rows(&model(4096), 4096), 16);
        assert_eq!(rows(&model(8), 3), 3);
        assert_eq!(rows(&model(8), 0), 1);
    }

    #[test]
    fn a_batch_of_gradients_takes_about_as_long_as_one_of_evaluations() {
        assert_eq!(gradient_rows(&model(8), 50, 1), 3);
        assert_eq!(gradient_rows(&model(1), 50, 1), 1);
        assert_eq!(gradient_rows(&model(8), 4, 1), 2);
    }

    #[test]
    fn no_gradient_is_left_alone() {
        assert_eq!([1, 2, 3, 4].map(|left| last_gradient_rows(4, left)), [2, 2, 3, 4]);
        assert_eq!(last_gradient_rows(1, 1), 1);
    }

    #[test]
    fn each_thread_has_as_many_gradients_of_a_batch() {
        assert_eq!(gradient_rows(&model(8), 50, 2), 4);
        assert_eq!(gradient_rows(&model(8), 50, 16), 16);
        assert_eq!(gradient_rows(&model(1), 50, 2), 2);
        assert_eq!(gradient_rows(&model(8), 3, 16), 3, "there are no more");
        assert_eq!(gradient_rows(&model(8), 0, 0), 1);
    }
}
