//! How many pictures one call to the model gets: enough to keep it busy, few enough that a stop is felt at once.

use crate::json::ModelDescriptor;

/// Larger batches than this gain nothing on a CPU and are felt when a run is stopped.
const MOST: usize = 16;
/// What a model gets that has no opinion.
const USUAL: usize = 8;
/// What the gradient of a picture costs, in forward passes.
const GRADIENT: usize = 3;
/// Multiply–accumulates of a picture's forward pass up to which two gradients keep a thread for a quarter of a second at most, if it
/// does 1.2·10¹¹ of them in a second.
const QUICK_MACS: u64 = 5_000_000_000;

/// Rows per call for `evaluations` of them: what the model prefers, evened out so that the last batch is about as full
/// as the others (each batch size is compiled once, so there is only one).
#[must_use]
pub fn rows(model: &ModelDescriptor, evaluations: usize) -> usize {
    even(preferred(model), evaluations)
}

/// How many gradients one call asks for: as [`rows`], and as many for each thread, since a batch of gradients takes as long as the
/// thread that has the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientBatches {
    rows: usize,
    whole: usize,
}

impl GradientBatches {
    /// For so many `gradients` of `model`, on `threads`: for each as many as the model computes together (16 at most), or more, where
    /// they are quick, else fewer at a time.
    #[must_use]
    pub fn new(model: &ModelDescriptor, gradients: usize, threads: usize) -> Self {
        let (gradients, threads) = (gradients.max(1), threads.max(1));
        let are_quick = (1..=QUICK_MACS).contains(&model.macs);
        if are_quick && gradients > threads {
            let together = (model.gradients_together as usize).clamp(1, MOST).min(gradients.div_ceil(threads));
            let whole = threads * together;
            let rows = even(preferred(model).next_multiple_of(whole), gradients).next_multiple_of(whole);
            return Self { rows, whole };
        }
        let most = preferred(model).div_ceil(GRADIENT).next_multiple_of(threads);
        Self { rows: even(most, gradients).next_multiple_of(threads).min(gradients), whole: 1 }
    }

    /// Of a full batch: at least 1, and more than there are gradients if that keeps those together that the model computes so.
    #[must_use]
    pub fn rows(self) -> usize {
        self.rows
    }

    /// How many to ask for where `left` are left: a batch of another kind (a picture alone on its thread where others had company, or on
    /// all threads) would have to be compiled first, which takes longer than a few gradients that nobody uses.
    #[must_use]
    pub fn asked(self, left: usize) -> usize {
        left.max(2).next_multiple_of(self.whole).min(self.rows)
    }
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
        ModelDescriptor { preferred_batch, gradients_together: 2, ..Default::default() }
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

    /// Full batch, and what is asked for where so many are left, of a model that is quick and of one that is not.
    fn gradients(preferred_batch: u32, gradients: usize, threads: usize, left: usize) -> [[usize; 2]; 2] {
        [400_000_000, 0].map(|macs| {
            let model = ModelDescriptor { macs, ..model(preferred_batch) };
            let batches = GradientBatches::new(&model, gradients, threads);
            [batches.rows(), batches.asked(left)]
        })
    }

    #[test]
    fn each_thread_has_as_many_gradients_of_a_batch_two_at_least_if_they_are_quick() {
        assert_eq!(gradients(8, 50, 1, 2), [[8, 2], [3, 2]]);
        assert_eq!(gradients(8, 50, 2, 2), [[8, 4], [4, 2]]);
        assert_eq!(gradients(8, 50, 16, 2), [[32, 32], [16, 2]]);
        assert_eq!(gradients(1, 50, 2, 2), [[4, 4], [2, 2]]);
        let of = |macs| GradientBatches::new(&ModelDescriptor { macs, ..model(1) }, 50, 2).rows();
        assert_eq!([4_100_000_000, 15_500_000_000].map(of), [4, 2], "ResNet-50, VGG-16");
    }

    #[test]
    fn each_thread_has_as_many_gradients_as_the_model_computes_together_up_to_what_there_is_and_a_limit() {
        let rows = |gradients_together, gradients| {
            let model = ModelDescriptor { macs: 1, gradients_together, ..model(1) };
            GradientBatches::new(&model, gradients, 2).rows()
        };
        assert_eq!([0, 1, 3].map(|together| rows(together, 50)), [2, 2, 6], "one if it does not say");
        assert_eq!([rows(8, 10), rows(u32::MAX, 10), rows(u32::MAX, 50)], [10, 10, 32]);
    }

    #[test]
    fn no_quick_gradient_is_alone_on_its_thread_unless_all_are() {
        for threads in 1..=5 {
            for count in threads + 1..60 {
                let model = ModelDescriptor { macs: 1, ..model(8) };
                let batches = GradientBatches::new(&model, count, threads);
                for left in 1..=batches.rows().min(count) {
                    let asked = batches.asked(left);
                    assert!(
                        (left..=batches.rows()).contains(&asked) && asked.is_multiple_of(2 * threads),
                        "{count} {threads}"
                    );
                }
            }
        }
        assert_eq!(gradients(8, 3, 16, 1), [[3, 2]; 2], "one for each thread, and there are no more");
        assert_eq!(gradients(8, 0, 0, 1), [[1, 1]; 2]);
    }
}
