//! Many pictures that differ from one in a rectangle, with only what changes recomputed.

use super::GraphModel;
use crate::incremental::plan::Plan;
use crate::incremental::sweep::{self, Job, Sweeper};
use crate::incremental::{Occlusion, Rect};
use crate::{Error, Runtime, Tensor, ValueId};
use std::ops::ControlFlow;

/// What decides over a plan: the value that is wanted, the picture's size, and the places of the rectangles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SweepKey {
    fetch: ValueId,
    size: (i64, i64),
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
}

impl SweepKey {
    fn new(fetch: ValueId, size: (i64, i64), rects: &[Rect]) -> Self {
        let distinct = |of: &dyn Fn(&Rect) -> (usize, usize)| {
            let mut all: Vec<_> = rects.iter().filter(|rect| !rect.is_empty()).map(of).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        Self {
            fetch,
            size,
            rows: distinct(&|rect| (rect.top, rect.bottom)),
            columns: distinct(&|rect| (rect.left, rect.right)),
        }
    }
}

impl<R: Runtime> GraphModel<R> {
    /// How many plans with their programs are kept.
    pub const SWEEPS: usize = 4;

    /// One row of `occlusion.fetch` for each rectangle, as [`run`](Self::run) would give for the picture with it filled,
    /// up to rounding. Rows come to `each` in order, some at a time, with the number of the first, on this thread, while
    /// up to `workers` threads work on; 0: one per core.
    ///
    /// `stop` is asked often, from any thread; once it says yes, or `each` breaks off, this returns.
    ///
    /// # Errors
    /// [`Error::NotIncremental`] where nothing would be gained, before anything is computed; else as [`run`](Self::run).
    pub fn occlude(
        &self,
        occlusion: &Occlusion<'_>,
        workers: usize,
        stop: &(dyn Fn() -> bool + Sync),
        each: &mut dyn FnMut(usize, &Tensor) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let workers = if workers == 0 { cores() } else { workers };
        let fetch = self.names.resolve(occlusion.fetch)?;
        let (height, width) = self.checked(occlusion)?;
        let plan = self.plans.get((1, height, width))?;
        let sweeper = self.sweeps.get(SweepKey::new(fetch, (height, width), occlusion.rects), || {
            Plan::new(&plan, self.landmarks.input, fetch, occlusion.rects).map(Sweeper::new)
        })?;
        if stop() {
            return Ok(());
        }
        let of = |cells: &usize| sweeper.plan.cells(*cells);
        let mut wanted: Vec<ValueId> = sweeper.plan.base().iter().map(of).collect();
        wanted.push(fetch);
        let picture = [("input", self.landmarks.input, occlusion.picture.clone())].to_vec();
        let mut base = self.run_once(&picture, &wanted, (1, height, width), workers)?;
        let answer = base.pop().expect("as many values as were wanted");
        let untouched = occlusion.rects.iter().take_while(|rect| rect.is_empty()).count();
        for first in 0..untouched {
            if stop() || each(first, &answer).is_break() {
                return Ok(());
            }
        }
        let rects = &occlusion.rects[untouched..];
        let rows = sweep::rows(&sweeper.plan, rects.len(), workers);
        let feeds: Vec<ValueId> = sweeper.plan.feeds().iter().map(of).collect();
        let rest = self.rest((rows as i64, height, width), &feeds, fetch)?;
        let job = Job {
            runtime: &*self.runtime,
            derived: &self.derived,
            rects,
            picture: occlusion.picture,
            fill: occlusion.fill,
            base,
            rest,
            rows,
            workers,
        };
        sweeper.run(&job, stop, &mut |first, tensor| each(untouched + first, tensor))
    }

    /// How `rects` of a picture of `size` (height, width) would be recomputed, line by line.
    ///
    /// # Errors
    /// As [`occlude`](Self::occlude).
    pub fn occlusion_plan(&self, size: (usize, usize), rects: &[Rect], fetch: &str) -> Result<Vec<String>, Error> {
        Ok(self.occlusion_of(size, rects, fetch)?.lines())
    }

    /// How many times fewer multiplications the plan for `rects` takes than running everything for each of them.
    ///
    /// # Errors
    /// As [`occlude`](Self::occlude).
    pub fn occlusion_saving(&self, size: (usize, usize), rects: &[Rect], fetch: &str) -> Result<f64, Error> {
        Ok(self.occlusion_of(size, rects, fetch)?.saving())
    }

    fn occlusion_of(&self, size: (usize, usize), rects: &[Rect], fetch: &str) -> Result<Plan, Error> {
        let plan = self.plans.get((1, size.0 as i64, size.1 as i64))?;
        Plan::new(&plan, self.landmarks.input, self.names.resolve(fetch)?, rects)
    }

    /// The picture's size, if everything fits it.
    fn checked(&self, occlusion: &Occlusion<'_>) -> Result<(i64, i64), Error> {
        let &[1, 3, height, width] = occlusion.picture.shape() else {
            return Err(Error::invalid_request(format!(
                "one picture is wanted, 1×3×H×W, and {:?} is given",
                occlusion.picture.shape()
            )));
        };
        let fed = vec![("input", self.landmarks.input, occlusion.picture.clone())];
        self.size_of(&fed)?;
        if occlusion.fill.shape() != occlusion.picture.shape() {
            return Err(super::query::mismatch("the fill", occlusion.picture.shape().to_vec(), occlusion.fill));
        }
        for (name, tensor) in [("the picture", occlusion.picture), ("the fill", occlusion.fill)] {
            super::query::require_f32(name, tensor)?;
        }
        let outside = |rect: &&Rect| rect.bottom as i64 > height || rect.right as i64 > width;
        if let Some(rect) = occlusion.rects.iter().find(outside) {
            return Err(Error::invalid_request(format!("{rect:?} leaves the picture of {height}×{width}")));
        }
        if !self.capabilities.free_batch {
            return Err(Error::NotIncremental { why: "its batch is not free".into() });
        }
        Ok((height, width))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
