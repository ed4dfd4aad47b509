//! A sweep by a model that recomputes only what a window has changed, where it can do that.

use crate::occluder::Occluder;
use crate::occlusion::Step;
use crate::score::{Score, column};
use crate::windows::{Rect, Windows};
use whyglass_sdk::{Call, Error, Model, Result, Status, TensorView};

/// Hides nothing: its row is the score of the picture itself.
const NOTHING: Rect = Rect { top: 0, left: 0, bottom: 0, right: 0 };

/// As [`sweep`](crate::occlusion::sweep): evaluates the windows in `order` on `picture` and tells `on_step` of some at a
/// time. False, and nothing has been told, where the model computes each picture whole.
pub(crate) fn sweep(
    call: &Call<'_>,
    model: &dyn Model,
    picture: TensorView<'_>,
    (windows, order): (&Windows, &[usize]),
    occluder: &Occluder,
    (score, target): (Score, usize),
    mut on_step: impl FnMut(&Step<'_>) -> Result<()>,
) -> Result<bool> {
    if !model.has_occlude() {
        return Ok(false);
    }
    let rects = [NOTHING].into_iter().chain(order.iter().map(|window| windows.rect(*window)));
    let rects: Vec<whyglass_sdk::Rect> =
        rects.map(|Rect { top, left, bottom, right }| whyglass_sdk::Rect { top, left, bottom, right }).collect();
    let fill = TensorView::new(picture.shape(), occluder.pixels());
    let occlusion = whyglass_sdk::Occlusion { picture, fill, rects: &rects, fetch: score.node() };
    let mut base = None;
    let mut done = 0;
    let asked = model.occlude(call, &occlusion, &mut |first, rows| {
        let scores = column(rows, target)?;
        let skip = usize::from(base.is_none());
        if scores.is_empty() || first + skip != done + 1 || done + scores.len() - skip > order.len() {
            return Err(Error::internal("the model's rows do not follow each other"));
        }
        let base = *base.get_or_insert(scores[0]);
        let differences: Vec<f32> = scores[skip..].iter().map(|score| base - score).collect();
        let batch = &order[done..done + differences.len()];
        done += batch.len();
        if batch.is_empty() { Ok(()) } else { on_step(&Step { done, batch, differences: &differences }) }
    });
    match asked {
        Err(error) if error.status == Status::Unimplemented && base.is_none() => Ok(false),
        other => other.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Occlusion, OcclusionParams};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use whyglass_sdk::testing::{Chain, Recorder, conv_net, explain};
    use whyglass_sdk::{Tensor, json};

    /// Answers occlusions by running whole pictures, three at a time; or not at all.
    struct Offering {
        model: Chain,
        refuses: bool,
        asked: AtomicUsize,
    }

    impl Model for Offering {
        fn descriptor(&self) -> &json::ModelDescriptor {
            self.model.descriptor()
        }

        fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>> {
            self.model.run(call, feeds, fetches)
        }

        fn has_occlude(&self) -> bool {
            true
        }

        fn occlude(
            &self,
            call: &Call<'_>,
            occlusion: &whyglass_sdk::Occlusion<'_>,
            put: &mut dyn FnMut(usize, TensorView<'_>) -> Result<()>,
        ) -> Result<()> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.refuses {
                return Err(Error::unimplemented("not here"));
            }
            let [_, channels, height, width] = occlusion.picture.dims()?;
            for (number, rects) in occlusion.rects.chunks(3).enumerate() {
                let mut pictures = occlusion.picture.data().repeat(rects.len());
                for (picture, rect) in pictures.chunks_mut(channels * height * width).zip(rects) {
                    for row in (0..channels).flat_map(|c| (rect.top..rect.bottom).map(move |y| c * height + y)) {
                        let span = row * width + rect.left..row * width + rect.right;
                        picture[span.clone()].copy_from_slice(&occlusion.fill.data()[span]);
                    }
                }
                let shape = [rects.len() as i64, channels as i64, height as i64, width as i64];
                let feeds = [("input", TensorView::new(&shape, &pictures))];
                let rows = self.model.run(call, &feeds, &[occlusion.fetch])?.remove(0);
                put(number * 3, rows.view())?;
            }
            Ok(())
        }
    }

    fn map(model: &dyn Model, params: OcclusionParams) -> Tensor {
        let pixels = (0..3 * 144).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
        let recorder = Recorder::new();
        explain(&Occlusion, model, &Tensor::new(vec![1, 3, 12, 12], pixels), Some(1), 0, params, &recorder).unwrap();
        recorder.artifact("map").unwrap()
    }

    #[test]
    fn the_map_is_the_same_whether_a_model_offers_it_refuses_it_or_is_not_asked() {
        let params = || OcclusionParams { size: 5.0, stride: 3.0, ..Default::default() };
        let wanted = map(&conv_net(12, 12), params());
        for (refuses, incremental, asked) in [(false, true, 1), (true, true, 1), (false, false, 0)] {
            let model = Offering { model: conv_net(12, 12), refuses, asked: AtomicUsize::new(0) };
            assert_eq!(map(&model, OcclusionParams { incremental, ..params() }), wanted);
            assert_eq!(model.asked.load(Ordering::SeqCst), asked);
        }
    }
}
