//! A loaded model behind the plugin interface: tensors across, and a batch's rows spread over workers.
//!
//! Several threads on one batch scale badly on small networks (depthwise layers are bound by memory, and each operator
//! waits for the slowest thread). Parts of the batch on one thread each do not wait for each other.

use crate::descriptor;
use crate::error::from_graph;
use std::ops::ControlFlow;
use whyglass_graph as graph;
use whyglass_graph::{GraphModel, Runtime};
use whyglass_sdk::{
    Call, Cotangent, Error, Gradients, INPUT, Model, Occlusion, Rect, Result, Rule, Tensor, TensorView, Vjp, json,
};

/// What a back end says of itself in the description of its models.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Its id.
    pub backend: &'a str,
    /// Where the model runs: `"cpu"`.
    pub device: &'a str,
}

/// A model of a back end whose runtime is `R`.
pub struct BackendModel<R: Runtime> {
    model: GraphModel<R>,
    descriptor: json::ModelDescriptor,
}

impl<R: Runtime> BackendModel<R> {
    /// Describes `model` and puts it behind the interface.
    #[must_use]
    pub fn new(model: GraphModel<R>, identity: Identity<'_>) -> Self {
        let descriptor = descriptor::describe(&model, identity);
        Self { model, descriptor }
    }

    /// How many workers can share a batch: one where the pictures do not lie one after the other in each of `values`.
    fn workers<'a>(&self, call: &Call<'_>, values: impl Iterator<Item = &'a str>) -> Result<usize> {
        let values: Vec<&str> = values.collect();
        let apart = call.threads() > 1 && self.model.rows_come_first(&values).map_err(from_graph)?;
        Ok(if apart { call.threads() } else { 1 })
    }
}

impl<R: Runtime> Model for BackendModel<R> {
    fn descriptor(&self) -> &json::ModelDescriptor {
        &self.descriptor
    }

    fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        call.check()?;
        let workers = self.workers(call, feeds.iter().map(|(name, _)| *name).chain(fetches.iter().copied()))?;
        let parts = parts(feeds, &[], workers);
        let threads = if parts.len() > 1 { 1 } else { call.threads() };
        let results = spread(&parts, |part| self.model.run(&part.feeds(feeds), fetches, threads))?;
        join(results)
    }

    fn occlude(
        &self,
        call: &Call<'_>,
        occlusion: &Occlusion<'_>,
        put: &mut dyn FnMut(usize, TensorView<'_>) -> Result<()>,
    ) -> Result<()> {
        call.check()?;
        let tensor = |view: TensorView<'_>| graph::Tensor::from_f32(view.shape().to_vec(), view.data().to_vec());
        let rects = rects(occlusion);
        let (picture, fill) = (tensor(occlusion.picture), tensor(occlusion.fill));
        let asked = graph::Occlusion { picture: &picture, fill: &fill, rects: &rects, fetch: occlusion.fetch };
        let mut failure = None;
        let mut each = |first: usize, rows: &graph::Tensor| {
            let values = rows.as_f32().ok_or_else(|| Error::internal("the engine returned no float32"));
            match values.and_then(|values| put(first, TensorView::new(rows.shape(), values))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let result = self.model.occlude(&asked, call.threads(), &|| call.is_cancelled(), &mut each);
        match failure {
            Some(failure) => Err(failure),
            None => result.map_err(from_graph).and_then(|()| call.check()),
        }
    }

    fn occlusion_plan(&self, call: &Call<'_>, occlusion: &Occlusion<'_>) -> Result<Vec<String>> {
        call.check()?;
        let [_, _, height, width] = *occlusion.picture.shape() else {
            return Err(Error::invalid_argument("picture", "a picture is 1×3×H×W"));
        };
        let size = (height as usize, width as usize);
        self.model.occlusion_plan(size, &rects(occlusion), occlusion.fetch).map_err(from_graph)
    }

    fn has_occlude(&self) -> bool {
        self.model.capabilities().free_batch
    }

    fn vjp(&self, call: &Call<'_>, vjp: &Vjp<'_>) -> Result<Gradients> {
        call.check()?;
        let given = vjp.feeds.iter().map(|(name, _)| *name).chain(vjp.cotangents.iter().map(|(name, _)| *name));
        let workers = self.workers(call, given.chain(vjp.wrt.iter().chain(vjp.fetches).copied()))?;
        let parts = parts(vjp.feeds, vjp.cotangents, workers);
        let threads = if parts.len() > 1 { 1 } else { call.threads() };
        let rule = match vjp.rule {
            Rule::Standard => graph::Rule::Standard,
            Rule::Guided => graph::Rule::Guided,
            Rule::Deconvnet => graph::Rule::Deconvnet,
        };
        let results = spread(&parts, |part| {
            let (feeds, cotangents) = (part.feeds(vjp.feeds), part.cotangents(vjp.cotangents));
            let query = graph::Vjp { feeds: &feeds, cotangents: &cotangents, wrt: vjp.wrt, fetches: vjp.fetches, rule };
            let gradients = self.model.vjp(&query, threads)?;
            Ok(gradients.wrt.into_iter().chain(gradients.fetches).collect())
        })?;
        let mut wrt = join(results)?;
        let fetches = wrt.split_off(vjp.wrt.len());
        Ok(Gradients { wrt, fetches })
    }
}

fn rects(occlusion: &Occlusion<'_>) -> Vec<graph::Rect> {
    let rects = occlusion.rects.iter();
    rects.map(|&Rect { top, left, bottom, right }| graph::Rect { top, left, bottom, right }).collect()
}

/// Some rows of a batch: `count` from `start` on, of `rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    start: usize,
    count: usize,
    rows: usize,
}

impl Part {
    fn feeds<'a>(&self, feeds: &[(&'a str, TensorView<'_>)]) -> Vec<(&'a str, graph::Tensor)> {
        feeds.iter().map(|(name, view)| (*name, self.tensor(view))).collect()
    }

    fn cotangents<'a>(&self, cotangents: &[(&'a str, Cotangent<'_>)]) -> Vec<(&'a str, graph::Cotangent)> {
        let each = cotangents.iter().map(|(name, cotangent)| match cotangent {
            Cotangent::Tensor(view) => (*name, graph::Cotangent::Tensor(self.tensor(view))),
            Cotangent::Itself => (*name, graph::Cotangent::Itself),
        });
        each.collect()
    }

    fn tensor(&self, view: &TensorView<'_>) -> graph::Tensor {
        let mut shape = view.shape().to_vec();
        let mut data = view.data();
        if self.count < self.rows {
            let row = data.len() / self.rows;
            data = &data[self.start * row..(self.start + self.count) * row];
            shape[0] = shape[0] / self.rows as i64 * self.count as i64;
        }
        graph::Tensor::from_f32(shape, data.to_vec())
    }
}

/// Cuts the batch into one part per thread, as even as can be. One part where there is no picture to count the rows
/// by, or something that does not divide into them: then the graph crate says what is wrong with it.
fn parts(feeds: &[(&str, TensorView<'_>)], cotangents: &[(&str, Cotangent<'_>)], threads: usize) -> Vec<Part> {
    let first = |view: &TensorView<'_>| view.shape().first().map_or(0, |rows| *rows as usize);
    let rows = feeds.iter().find(|(name, _)| *name == INPUT).map_or(1, |(_, picture)| first(picture));
    let given = cotangents.iter().filter_map(|(_, cotangent)| match cotangent {
        Cotangent::Tensor(view) => Some(view),
        Cotangent::Itself => None,
    });
    let divisible = feeds.iter().map(|(_, view)| view).chain(given).all(|view| {
        let first = first(view);
        first > 0 && rows > 0 && first.is_multiple_of(rows)
    });
    if !divisible {
        return vec![Part { start: 0, count: 1, rows: 1 }];
    }
    let workers = threads.clamp(1, rows);
    let mut start = 0;
    let cut = (0..workers).map(|worker| {
        let count = (rows - start).div_ceil(workers - worker);
        start += count;
        Part { start: start - count, count, rows }
    });
    cut.collect()
}

/// Evaluates the parts at once, the last one on this thread.
fn spread<T: Send>(parts: &[Part], evaluate: impl Fn(&Part) -> Result<T, graph::Error> + Sync) -> Result<Vec<T>> {
    let Some((last, others)) = parts.split_last() else { return Ok(Vec::new()) };
    std::thread::scope(|scope| {
        let evaluate = &evaluate;
        let others: Vec<_> = others.iter().map(|part| scope.spawn(move || evaluate(part))).collect();
        let last = evaluate(last);
        let panicked = |_| Error::internal("a worker panicked");
        let mut results = Vec::with_capacity(parts.len());
        for other in others {
            results.push(other.join().map_err(panicked)?.map_err(from_graph)?);
        }
        results.push(last.map_err(from_graph)?);
        Ok(results)
    })
}

/// The results of the parts, one list per part, as one list of whole batches.
fn join(parts: Vec<Vec<graph::Tensor>>) -> Result<Vec<Tensor>> {
    let count = parts.first().map_or(0, Vec::len);
    let tensors = (0..count).map(|index| {
        let mut shape = parts[0][index].shape().to_vec();
        if let Some(rows) = shape.first_mut() {
            *rows = parts.iter().map(|part| part[index].shape()[0]).sum();
        }
        let mut data = Vec::with_capacity(parts.iter().map(|part| part[index].len()).sum());
        for part in &parts {
            let values = part[index].as_f32().ok_or_else(|| Error::internal("the engine returned no float32"))?;
            data.extend_from_slice(values);
        }
        Tensor::try_new(shape, data)
    });
    tensors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(parts: &[Part]) -> Vec<(usize, usize)> {
        parts.iter().map(|part| (part.start, part.count)).collect()
    }

    #[test]
    fn a_batch_is_cut_evenly_and_without_gaps() {
        let data = [0.0; 30];
        let picture = [("input", TensorView::new(&[5, 3, 1, 2], &data))];
        assert_eq!(sizes(&parts(&picture, &[], 2)), [(0, 3), (3, 2)]);
        assert_eq!(sizes(&parts(&picture, &[], 1)), [(0, 5)]);
        assert_eq!(sizes(&parts(&picture, &[], 9)), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]);
    }

    #[test]
    fn what_does_not_divide_into_rows_stays_whole() {
        let data = [0.0; 12];
        let picture = [("input", TensorView::new(&[2, 3, 1, 2], &data))];
        let cotangent = [("logits", Cotangent::Tensor(TensorView::new(&[3, 4], &data)))];
        assert_eq!(parts(&picture, &cotangent, 2), [Part { start: 0, count: 1, rows: 1 }]);
        let inner = [("relu", TensorView::new(&[4, 3], &data))];
        assert_eq!(parts(&inner, &[], 2).len(), 1);
    }

    #[test]
    fn a_part_takes_its_rows_and_a_join_puts_them_back() {
        let data: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let view = TensorView::new(&[4, 3], &data);
        let split = [Part { start: 0, count: 3, rows: 4 }, Part { start: 3, count: 1, rows: 4 }];
        let tensors: Vec<Vec<graph::Tensor>> = split.iter().map(|part| vec![part.tensor(&view)]).collect();
        assert_eq!(tensors[1][0].shape(), [1, 3]);
        assert_eq!(join(tensors).unwrap(), [Tensor::new(vec![4, 3], data)]);
    }
}
