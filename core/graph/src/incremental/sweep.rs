//! Runs a [`Plan`] for many rectangles: base values once, then each rectangle through the stages, and the rest of the
//! network for several at a time.
//!
//! Each worker takes the next chunk of rectangles and brings it to its end on one thread; results are handed on in order
//! from the calling thread. Workers stay at most a few chunks ahead of what has been handed on, so that a consumer that
//! blocks stops them.

use super::interval::Interval;
use super::paste::{Canvas, Patch};
use super::plan::Plan;
use super::{Error, Rect, program};
use crate::builder::DerivedConstants;
use crate::slot::Slot;
use crate::{CompileOptions, Runtime, Tensor};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// How many rectangles the rest of the network takes at a time: few, so that the first are seen early.
const CHUNK: RangeInclusive<usize> = 4..=6;
/// The same where large matrices are read each time.
const HEAVY_CHUNK: RangeInclusive<usize> = 12..=16;
/// How many chunks per worker may be finished before they are handed on.
const AHEAD: usize = 2;

/// The compiled programs of a plan, made when they are first needed.
pub(crate) struct Sweeper<R: Runtime> {
    pub(crate) plan: Plan,
    stages: Vec<HashMap<[usize; 2], Slot<R::Program>>>,
}

/// What one sweep works on.
pub(crate) struct Job<'a, R: Runtime> {
    pub(crate) runtime: &'a R,
    pub(crate) derived: &'a DerivedConstants,
    pub(crate) rects: &'a [Rect],
    pub(crate) picture: &'a Tensor,
    pub(crate) fill: &'a Tensor,
    /// The values of [`Plan::base`], in its order, for the picture itself.
    pub(crate) base: Vec<Tensor>,
    /// The rest of the network, for `rows` rectangles: from [`Plan::feeds`] to what is wanted.
    pub(crate) rest: Arc<R::Program>,
    pub(crate) rows: usize,
    pub(crate) workers: usize,
}

/// How many of `rects` rectangles make a chunk, so that the workers end at about the same time and no row is wasted.
pub(crate) fn rows(plan: &Plan, rects: usize, workers: usize) -> usize {
    let makespan = |rows: usize| rects.div_ceil(rows).div_ceil(workers) * rows;
    let chunk = if plan.is_heavy() { HEAVY_CHUNK } else { CHUNK };
    chunk.rev().min_by_key(|rows| makespan(*rows)).unwrap_or(1).min(rects.div_ceil(workers)).max(1)
}

/// Chunks that are finished or being worked on.
struct Desk {
    chunks: usize,
    /// How far workers may be ahead of what has been handed on.
    ahead: usize,
    next: usize,
    handed_on: usize,
    ready: BTreeMap<usize, Result<Tensor, Error>>,
    stopped: bool,
}

impl Desk {
    fn is_done(&self) -> bool {
        self.stopped || self.next >= self.chunks
    }

    /// The next chunk to work on, if its turn has come.
    fn take(&mut self) -> Option<usize> {
        let free = !self.is_done() && self.next < self.handed_on + self.ahead;
        free.then(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

impl<R: Runtime> Sweeper<R> {
    pub(crate) fn new(plan: Plan) -> Self {
        let stages = plan.stages.iter().map(|planned| {
            let mut used = HashMap::new();
            for down in 0..planned.axes[0].classes.len() {
                for across in 0..planned.axes[1].classes.len() {
                    used.insert([down, across], Slot::default());
                }
            }
            used
        });
        Self { stages: stages.collect(), plan }
    }

    /// Hands on the rows of `job.rects` in order: the number of the first, and a tensor for some. `stop` is asked before
    /// each rectangle; after it has said yes, or `each` has broken off, nothing more is handed on.
    pub(crate) fn run(
        &self,
        job: &Job<'_, R>,
        stop: &(dyn Fn() -> bool + Sync),
        each: &mut dyn FnMut(usize, &Tensor) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let chunks = job.rects.len().div_ceil(job.rows);
        let (next, handed_on, ready) = (0, 0, BTreeMap::new());
        let ahead = AHEAD * job.workers;
        let desk = Mutex::new(Desk { chunks, ahead, next, handed_on, ready, stopped: false });
        let changed = Condvar::new();
        let work = |chunk: usize| {
            let first = chunk * job.rows;
            let rects = &job.rects[first..job.rects.len().min(first + job.rows)];
            let result = catch_unwind(AssertUnwindSafe(|| self.chunk(job, rects, stop)));
            let result = result.unwrap_or_else(|_| Err(Error::malformed("a worker panicked")));
            let mut desk = desk.lock();
            desk.stopped |= result.is_err() || stop();
            desk.ready.insert(chunk, result);
            changed.notify_all();
        };
        let assist = || {
            let mut waiting = desk.lock();
            while !waiting.is_done() {
                match waiting.take() {
                    Some(chunk) => MutexGuard::unlocked(&mut waiting, || work(chunk)),
                    None => changed.wait(&mut waiting),
                }
            }
        };
        // The rows of `chunk`, for which this thread works as well; `None` if nobody will make them any more.
        let finished = |chunk: usize| {
            let mut waiting = desk.lock();
            loop {
                if let Some(rows) = waiting.ready.remove(&chunk) {
                    return Some(rows);
                }
                match waiting.take() {
                    Some(own) => MutexGuard::unlocked(&mut waiting, || work(own)),
                    None if waiting.next <= chunk => return None,
                    None => changed.wait(&mut waiting),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..job.workers {
                scope.spawn(assist);
            }
            let mut hand_on_all = || {
                for chunk in 0..chunks {
                    let Some(rows) = finished(chunk) else { break };
                    let rows = rows?;
                    if stop() || each(chunk * job.rows, &rows).is_break() {
                        break;
                    }
                    desk.lock().handed_on = chunk + 1;
                    changed.notify_all();
                }
                Ok(())
            };
            let result = catch_unwind(AssertUnwindSafe(&mut hand_on_all));
            desk.lock().stopped = true;
            changed.notify_all();
            result.unwrap_or_else(|payload| resume_unwind(payload))
        })
    }

    /// The rows of some rectangles; of nothing, once `stop` says yes.
    fn chunk(&self, job: &Job<'_, R>, rects: &[Rect], stop: &(dyn Fn() -> bool + Sync)) -> Result<Tensor, Error> {
        let plan = &self.plan;
        let base = Base::new(plan, job);
        let mut canvases: Vec<Canvas> = Vec::new();
        for cells in &plan.feeds {
            let value = &plan.space.cells[*cells];
            let numbers = (value.channels * value.size[0] * value.size[1]) as usize;
            canvases.push(Canvas::new(base.get(*cells)?.tensor.dtype(), job.rows * numbers));
        }
        let lay = |canvas: &mut Canvas, row: usize, cells: usize, patch: &Patch, part: [Interval; 2]| {
            canvas.lay(row, plan.space.cells[cells].size.map(Interval::whole), patch, part)
        };
        for row in 0..job.rows {
            // Rows left over in the last chunk are the picture itself.
            let rect = rects.get(row).copied().unwrap_or(Rect { top: 0, left: 0, bottom: 0, right: 0 });
            let patches = match self.place(rect) {
                Some(place) => {
                    if stop() {
                        return Ok(Tensor::filled(&[0], 0.0));
                    }
                    Some((place, self.stages(job, &base, place)?))
                }
                None => None,
            };
            for (canvas, cells) in canvases.iter_mut().zip(&plan.feeds) {
                lay(canvas, row, *cells, base.get(*cells)?, plan.space.cells[*cells].size.map(Interval::whole))?;
                if let Some((place, patches)) = &patches
                    && let Some(patch) = &patches[*cells]
                {
                    lay(canvas, row, *cells, patch, self.changed(*place, *cells))?;
                }
            }
        }
        let inputs = canvases.into_iter().zip(&plan.feeds).map(|(canvas, cells)| {
            let value = &plan.space.cells[*cells];
            canvas.finish(vec![job.rows as i64, value.channels, value.size[0], value.size[1]])
        });
        let answer = self.execute(job, &job.rest, &inputs.collect::<Vec<_>>(), 1)?.remove(0);
        if answer.shape().first() != Some(&(job.rows as i64)) {
            return Err(Error::malformed("the engine returned a batch of another size"));
        }
        Ok(answer.rows(0, rects.len() as i64))
    }

    /// Brings one place of the occluder through the stages: the patches of all cells that are left for later.
    fn stages(&self, job: &Job<'_, R>, base: &Base<'_>, place: [usize; 2]) -> Result<Vec<Option<Patch>>, Error> {
        let plan = &self.plan;
        let mut patches: Vec<Option<Patch>> = vec![None; plan.space.cells.len()];
        patches[0] = Some(Patch { tensor: job.fill.clone(), at: [0, 0] });
        for (number, planned) in plan.stages.iter().enumerate() {
            let layouts = [0, 1].map(|axis| &planned.axes[axis].layouts[place[axis]]);
            let class = [0, 1].map(|axis| planned.axes[axis].class[place[axis]]);
            let mut inputs = Vec::with_capacity(planned.stage.inputs.len());
            for (input, cells) in planned.stage.inputs.iter().enumerate() {
                let window = layouts.map(|layout| layout.inputs[input]);
                let channels = plan.space.cells[*cells].channels;
                let shape = vec![1, channels, window[0].len(), window[1].len()];
                let original = base.get(*cells)?;
                let mut canvas = Canvas::new(original.tensor.dtype(), shape.iter().product::<i64>() as usize);
                canvas.lay(0, window, original, window)?;
                if let Some(patch) = &patches[*cells] {
                    canvas.lay(0, window, patch, self.changed(place, *cells))?;
                }
                inputs.push(canvas.finish(shape));
            }
            let program = self.program(job, number, class)?;
            let outputs = self.execute(job, &program, &inputs, planned.stage.outputs.len())?;
            for (tensor, cells) in outputs.into_iter().zip(&planned.stage.outputs) {
                let maker = plan.space.cells[*cells].maker.map_or(0, |maker| maker - planned.stage.nodes.start);
                let at = layouts.map(|layout| layout.nodes[maker].lo);
                patches[*cells] = Some(Patch { tensor, at });
            }
        }
        Ok(patches)
    }

    fn program(&self, job: &Job<'_, R>, stage: usize, class: [usize; 2]) -> Result<Arc<R::Program>, Error> {
        self.stages[stage][&class].get(|| {
            let planned = &self.plan.stages[stage];
            let layouts = [0, 1].map(|axis| &planned.axes[axis].classes[class[axis]]);
            let graph = program::graph(&self.plan, planned, layouts, job.derived)?;
            let compiled = job.runtime.compile(&graph, CompileOptions { optimise: true, threads: 1 });
            compiled.map_err(|error| Error::runtime("compiling a window of the model", error))
        })
    }

    fn execute(
        &self,
        job: &Job<'_, R>,
        program: &R::Program,
        inputs: &[Tensor],
        wanted: usize,
    ) -> Result<Vec<Tensor>, Error> {
        let outputs = job.runtime.execute(program, inputs);
        let outputs = outputs.map_err(|error| Error::runtime("running a window of the model", error))?;
        if outputs.len() != wanted {
            return Err(Error::malformed(format!("the engine returned {} tensors of {wanted}", outputs.len())));
        }
        Ok(outputs)
    }

    /// Which of the plan's places `rect` is; `None`: it hides nothing.
    fn place(&self, rect: Rect) -> Option<[usize; 2]> {
        let rows = Interval::new(rect.top as i64, rect.bottom as i64);
        let columns = Interval::new(rect.left as i64, rect.right as i64);
        Some([self.plan.places[0].binary_search(&rows).ok()?, self.plan.places[1].binary_search(&columns).ok()?])
    }

    fn changed(&self, place: [usize; 2], cells: usize) -> [Interval; 2] {
        [0, 1].map(|axis| self.plan.changed[axis][place[axis]][cells])
    }
}

/// What the picture itself gives.
struct Base<'a> {
    patches: HashMap<usize, Patch>,
    plan: &'a Plan,
}

impl<'a> Base<'a> {
    fn new<R: Runtime>(plan: &'a Plan, job: &Job<'_, R>) -> Self {
        let picture = (0, Patch { tensor: job.picture.clone(), at: [0, 0] });
        let others = plan.base().into_iter().zip(&job.base);
        let others = others.map(|(cells, tensor)| (cells, Patch { tensor: tensor.clone(), at: [0, 0] }));
        Self { patches: others.chain([picture]).collect(), plan }
    }

    fn get(&self, cells: usize) -> Result<&Patch, Error> {
        self.patches.get(&cells).ok_or_else(|| {
            let name = &self.plan.graph.value(self.plan.space.cells[cells].id).name;
            Error::malformed(format!("the base value of {name:?} is missing"))
        })
    }
}
