//! The graph of a model, specialised to each shape that is asked for.

use super::cache::Cache;
use crate::specialise::{Observation, apply, extrapolate, observe};
use crate::{Error, Graph, Runtime, Tensor};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Pictures, height, width.
pub(super) type Size = (i64, i64, i64);

/// How many specialised graphs are kept. They are small: weights are shared.
const KEPT: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

pub(super) struct Plans<R> {
    runtime: Arc<R>,
    source: Graph,
    size: (i64, i64),
    one: Arc<Graph>,
    /// What batches of one and two have shown, where the batch is free.
    shown: Option<(Observation, Observation)>,
    kept: Cache<Size, Graph>,
}

impl<R: Runtime> Plans<R> {
    /// `source` has the pixels as its only input; `size` is height and width of the model's input.
    pub(super) fn new(
        runtime: Arc<R>,
        source: Graph,
        size: (i64, i64),
        one: Graph,
        shown: Option<(Observation, Observation)>,
    ) -> Self {
        Self { runtime, source, size, one: Arc::new(one), shown, kept: Cache::new(KEPT) }
    }

    pub(super) fn size(&self) -> (i64, i64) {
        self.size
    }

    /// The graph for one picture at the model's size.
    pub(super) fn one(&self) -> &Graph {
        &self.one
    }

    /// The graph for `size`.
    pub(super) fn get(&self, size: Size) -> Result<Arc<Graph>, Error> {
        let (rows, height, width) = size;
        let at_home = (height, width) == self.size;
        if at_home && rows == 1 {
            return Ok(Arc::clone(&self.one));
        }
        self.kept.get(size, || {
            // Running a big batch unoptimised only to see its shapes is slow, and two small ones tell as much.
            if let Some((one, two)) = self.shown.as_ref().filter(|_| at_home)
                && let Some(observation) = extrapolate(one, two, rows)
            {
                return Ok(apply(&self.source, &observation));
            }
            let input = Tensor::filled(&[rows, 3, height, width], 0.0);
            let observation = observe(&self.source, &input, &[], &*self.runtime)?;
            Ok(apply(&self.source, &observation))
        })
    }
}
