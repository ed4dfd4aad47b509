//! How many pictures one call to the model gets: enough to keep it busy, few enough that a stop is felt at once.

use crate::json::ModelDescriptor;

/// Larger batches than this gain nothing on a CPU and are felt when a run is stopped.
const MOST: usize = 16;
/// What a model gets that has no opinion.
const USUAL: usize = 8;
/// Pictures of which back ends compute the gradients together.
const TOGETHER: usize = 2;
/// Multiply–accumulates of a picture's forward pass up to which two gradients are done in a fifth of a second: the three
/// times that a gradient takes, at 10¹¹ of them a second.
const QUICK_MACS: u64 = 5_000_000_000;

/// Rows per call for `evaluations` of them: what the model prefers, evened out so that the last batch is about as full
/// as the others (each batch size is compiled once, so there is only one).
#[must_use]
pub fn rows(model: &ModelDescriptor, evaluations: usize) -> usize {
    even(preferred(model), evaluations)
}

/// As [`rows`], for as many gradients, on `threads`: as many for each of them, since a batch of gradients takes as long as
/// the thread that has the most; and an even number, since back ends take two together, unless two take long.
#[must_use]
pub fn gradient_rows(model: &ModelDescriptor, gradients: usize, threads: usize) -> usize {
    let threads = threads.max(1);
    let rows = preferred(model).next_multiple_of(threads);
    let are_quick = (1..=QUICK_MACS).contains(&model.macs);
    let whole = if are_quick { threads * TOGETHER } else { whole(rows, threads) };
    even(rows.next_multiple_of(whole), gradients).next_multiple_of(whole).min(gradients.max(1))
}

/// How many of `rows` gradients to ask for on `threads` where `left` are left: as many as leave no picture alone on its thread
/// that has company in other batches. A batch of another kind would have to be compiled, which takes longer.
#[must_use]
pub fn last_gradient_rows(rows: usize, left: usize, threads: usize) -> usize {
    left.next_multiple_of(whole(rows, threads.max(1))).min(rows)
}

/// Of what a batch of gradients is a multiple, if it has so many `rows`.
fn whole(rows: usize, threads: usize) -> usize {
    if rows > threads { threads * TOGETHER } else { threads }
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
    fn gradients_go_in_twos_unless_they_take_long() {
        assert_eq!(gradient_rows(&model(8), 50, 1), 8);
        assert_eq!(gradient_rows(&model(8), 9, 1), 6, "of which the last has three");
        let of = |macs| gradient_rows(&ModelDescriptor { macs, ..model(1) }, 50, 2);
        assert_eq!([0, 4_100_000_000, 15_500_000_000].map(of), [2, 4, 2], "not known, ResNet-50, VGG-16");
    }

    #[test]
    fn no_gradient_is_left_alone() {
        assert_eq!([1, 2, 3, 4].map(|left| last_gradient_rows(4, left, 1)), [2, 2, 4, 4]);
        assert_eq!([1, 2, 3, 4].map(|left| last_gradient_rows(4, left, 2)), [4; 4]);
        assert_eq!([1, 4, 5, 9].map(|left| last_gradient_rows(16, left, 4)), [8, 8, 8, 16]);
        assert_eq!([1, 2].map(|left| last_gradient_rows(2, left, 2)), [2, 2]);
        assert_eq!(last_gradient_rows(3, 1, 16), 3, "there are no more");
        assert_eq!(last_gradient_rows(1, 1, 0), 1);
    }

    #[test]
    fn each_thread_has_as_many_gradients_of_a_batch() {
        assert_eq!(gradient_rows(&model(8), 50, 2), 8);
        assert_eq!(gradient_rows(&model(3), 50, 2), 4);
        assert_eq!(gradient_rows(&model(8), 50, 16), 16);
        assert_eq!(gradient_rows(&model(1), 50, 2), 2);
        assert_eq!(gradient_rows(&model(8), 3, 16), 3, "there are no more");
        assert_eq!(gradient_rows(&model(8), 0, 0), 1);
    }
}
