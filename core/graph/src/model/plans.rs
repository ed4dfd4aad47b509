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
/// What batches of one and two show tells what larger ones would.
const SMALL: i64 = 2;

/// What batches of one and two have shown.
pub(super) type Shown = (Observation, Observation);

pub(super) struct Plans<R> {
    runtime: Arc<R>,
    source: Graph,
    size: (i64, i64),
    one: Arc<Graph>,
    /// At the model's size, where the batch is free.
    shown: Option<Shown>,
    /// At other sizes, by height and width.
    shown_elsewhere: Cache<(i64, i64), Shown>,
    kept: Cache<Size, Graph>,
}

impl<R: Runtime> Plans<R> {
    /// `source` has the pixels as its only input; `size` is height and width of the model's input.
    pub(super) fn new(runtime: Arc<R>, source: Graph, size: (i64, i64), one: Graph, shown: Option<Shown>) -> Self {
        let (shown_elsewhere, kept) = (Cache::new(KEPT), Cache::new(KEPT));
        Self { runtime, source, size, one: Arc::new(one), shown, shown_elsewhere, kept }
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
            let observation = match &self.shown {
                Some((one, two)) if at_home => extrapolate(one, two, rows),
                Some(_) if rows > SMALL => {
                    let shown = self.shown_elsewhere.get((height, width), || {
                        Ok::<_, Error>((self.observe((1, height, width))?, self.observe((SMALL, height, width))?))
                    })?;
                    extrapolate(&shown.0, &shown.1, rows)
                }
                _ => None,
            };
            let observation = observation.map_or_else(|| self.observe(size), Ok)?;
            Ok(apply(&self.source, &observation))
        })
    }

    fn observe(&self, (rows, height, width): Size) -> Result<Observation, Error> {
        observe(&self.source, &Tensor::filled(&[rows, 3, height, width], 0.0), &[], &*self.runtime)
    }
}
