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
/// What batches of one and two show tells, for most networks, what larger ones would.
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
    /// What small batches have shown at other sizes.
    seen: Cache<Size, Observation>,
    kept: Cache<Size, Graph>,
}

impl<R: Runtime> Plans<R> {
    /// `source` has the pixels as its only input; `size` is height and width of the model's input.
    pub(super) fn new(runtime: Arc<R>, source: Graph, size: (i64, i64), one: Graph, shown: Option<Shown>) -> Self {
        Self { runtime, source, size, one: Arc::new(one), shown, seen: Cache::new(KEPT), kept: Cache::new(KEPT) }
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
        if (height, width) == self.size && rows == 1 {
            return Ok(Arc::clone(&self.one));
        }
        self.kept.get(size, || {
            Ok(match self.extrapolated(size) {
                Some(observation) => apply(&self.source, &observation),
                None if rows <= SMALL => apply(&self.source, &*self.seen(size)?),
                None => apply(&self.source, &self.observe(size)?),
            })
        })
    }

    /// Running a big batch unoptimised only to see its shapes takes time and memory, and two small ones tell as much, if they do so
    /// at the model's size.
    fn extrapolated(&self, (rows, height, width): Size) -> Option<Observation> {
        let (one, two) = self.shown.as_ref()?;
        let at_home = extrapolate(one, two, rows)?;
        if (height, width) == self.size {
            return Some(at_home);
        }
        if rows <= SMALL {
            return None;
        }
        let (one, two) = (self.seen((1, height, width)).ok()?, self.seen((SMALL, height, width)).ok()?);
        extrapolate(&one, &two, rows)
    }

    fn seen(&self, size: Size) -> Result<Arc<Observation>, Error> {
        self.seen.get(size, || self.observe(size))
    }

    fn observe(&self, (rows, height, width): Size) -> Result<Observation, Error> {
        observe(&self.source, &Tensor::filled(&[rows, 3, height, width], 0.0), &[], &*self.runtime)
    }
}
