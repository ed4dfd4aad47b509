//! Who runs now and who waits: a number of slots, a bounded queue, one thread per running run.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::run::Run;
use crate::error::{Code, Error, Result};

/// Runs a run to its end; the number says how many run at the time, this one included.
pub(crate) type Execute = Arc<dyn Fn(&Arc<Run>, usize) + Send + Sync>;

#[derive(Default)]
struct State {
    running: usize,
    queue: VecDeque<Arc<Run>>,
    /// How many runs of each technique run now.
    techniques: HashMap<String, u32>,
    closed: bool,
}

pub(crate) struct Scheduler {
    state: Mutex<State>,
    idle: Condvar,
    slots: usize,
    queue: usize,
}

impl Scheduler {
    pub(crate) fn new(slots: usize, queue: usize) -> Self {
        Self { state: Mutex::default(), idle: Condvar::new(), slots: slots.max(1), queue }
    }

    /// # Errors
    /// QUEUE_FULL, SHUTTING_DOWN.
    pub(crate) fn room_for(&self, count: usize) -> Result<()> {
        self.state.lock().room_for(count, self.slots, self.queue)
    }

    /// Takes the runs that `create` gives, `count` at most, or none: it is only asked where there is room. `execute` is called for
    /// each on a thread of its own, when its turn has come.
    pub(crate) fn admit(
        self: &Arc<Self>,
        count: usize,
        execute: &Execute,
        create: impl FnOnce() -> Vec<Arc<Run>>,
    ) -> Result<Vec<Arc<Run>>> {
        let mut state = self.state.lock();
        state.room_for(count, self.slots, self.queue)?;
        let runs = create();
        state.queue.extend(runs.iter().cloned());
        drop(state);
        self.pump(execute);
        for run in self.state.lock().queue.iter().filter(|waiting| runs.iter().any(|run| Arc::ptr_eq(run, waiting))) {
            run.note_queued();
        }
        Ok(runs)
    }

    /// Takes a run out of the queue.
    pub(crate) fn forget(&self, run: &Run) {
        let mut state = self.state.lock();
        state.queue.retain(|waiting| !std::ptr::eq(&raw const **waiting, run));
        if state.is_idle() {
            self.idle.notify_all();
        }
    }

    fn pump(self: &Arc<Self>, execute: &Execute) {
        loop {
            let mut state = self.state.lock();
            let Some(run) = (if state.running < self.slots { state.take() } else { None }) else { return };
            state.running += 1;
            *state.techniques.entry(run.spec.technique.id.clone()).or_default() += 1;
            let running = state.running;
            drop(state);
            let (this, its_run, its_execute) = (Arc::clone(self), Arc::clone(&run), Arc::clone(execute));
            let spawned = std::thread::Builder::new()
                .name(format!("run-{}", &run.name[..8.min(run.name.len())]))
                .stack_size(8 << 20)
                .spawn(move || {
                    its_execute(&its_run, running);
                    this.returned(&its_run);
                    drop(its_run);
                    this.pump(&its_execute);
                });
            if let Err(error) = spawned {
                self.returned(&run);
                let message = format!("no thread for the run: {error}");
                run.fail(Error::new(Code::ResourceExhausted, "NO_THREAD", message));
            }
        }
    }

    fn returned(&self, run: &Run) {
        let mut state = self.state.lock();
        state.running -= 1;
        if let Some(count) = state.techniques.get_mut(&run.spec.technique.id) {
            *count -= 1;
        }
        if state.is_idle() {
            self.idle.notify_all();
        }
    }

    /// Takes no more runs. False: it took none before either.
    pub(crate) fn close(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().closed, true)
    }

    /// Waits until nothing runs or waits. False: the time was over first.
    pub(crate) fn wait_idle(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state.lock();
        while !state.is_idle() {
            if self.idle.wait_until(&mut state, until).timed_out() {
                return state.is_idle();
            }
        }
        true
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.running == 0 && self.queue.is_empty()
    }

    fn room_for(&self, count: usize, slots: usize, queue: usize) -> Result<()> {
        if self.closed {
            return Err(Error::new(Code::Unavailable, "SHUTTING_DOWN", "the server is shutting down: try another"));
        }
        if self.running + self.queue.len() + count > slots + queue {
            let error = Error::new(
                Code::ResourceExhausted,
                "QUEUE_FULL",
                format!("{} runs are under way and {} wait: try again later", self.running, self.queue.len()),
            );
            return Err(Error { retry_after: Some(Duration::from_secs(1)), ..error });
        }
        Ok(())
    }

    /// The first run in the queue whose technique takes another call, so that no slot is taken by one that waits.
    fn take(&mut self) -> Option<Arc<Run>> {
        let index = self.queue.iter().position(|run| {
            let limit = run.spec.technique.descriptor.concurrency;
            let running = self.techniques.get(&run.spec.technique.id).copied().unwrap_or(0);
            limit == 0 || running < limit
        })?;
        self.queue.remove(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_not_even_created() {
        let scheduler = Arc::new(Scheduler::new(1, 2));
        let execute: Execute = Arc::new(|_, _| ());
        let refused = |count| scheduler.admit(count, &execute, || panic!("created")).map(|runs| runs.len());
        assert_eq!(refused(4).unwrap_err().reason, "QUEUE_FULL");
        assert_eq!(scheduler.admit(3, &execute, Vec::new).unwrap().len(), 0);
        assert!(scheduler.close() && !scheduler.close());
        assert_eq!(refused(1).unwrap_err().reason, "SHUTTING_DOWN");
    }
}
