//! All runs of an engine: by name, by group, by request; and how long finished ones are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::RunName;
use super::run::{Run, Signal};
use super::timer::Appointment;
use crate::error::{Error, Result};

#[derive(Default)]
struct Runs {
    /// In the order of their creation.
    by_number: BTreeMap<u64, Arc<Run>>,
    numbers: HashMap<Arc<str>, u64>,
    newest: u64,
    finished: Finished,
}

/// What is kept of runs that have finished, by their numbers.
#[derive(Default)]
struct Finished {
    kept: BTreeMap<u64, Kept>,
    /// Those whose logs have not been trimmed.
    whole: BTreeSet<u64>,
    /// Of all, and never less than it is: logs are trimmed by the last watcher, too.
    bytes: usize,
}

struct Kept {
    bytes: usize,
    _expiry: Option<Appointment>,
}

/// The runs that one request has created; locked while it creates them.
pub(crate) type Request = Arc<Mutex<Option<Vec<RunName>>>>;

#[derive(Default)]
pub(crate) struct Store {
    runs: Mutex<Runs>,
    groups: Mutex<HashMap<String, Vec<Arc<Signal>>>>,
    requests: Mutex<HashMap<String, Request>>,
    closed: AtomicBool,
}

impl Store {
    /// Takes in what `make` makes of each part and its number. Numbers are given in one go with the runs that bear them,
    /// so that whoever has seen a number has seen every run before it.
    pub(crate) fn add<T>(&self, parts: Vec<T>, make: impl Fn(T, u64) -> Arc<Run>) -> Vec<Arc<Run>> {
        let mut runs = self.runs.lock();
        let mut added = Vec::with_capacity(parts.len());
        for part in parts {
            runs.newest += 1;
            let run = make(part, runs.newest);
            runs.numbers.insert(Arc::clone(&run.name), run.number);
            runs.by_number.insert(run.number, Arc::clone(&run));
            added.push(run);
        }
        drop(runs);
        added.iter().for_each(|run| self.notify_group(&run.group));
        added
    }

    /// # Errors
    /// UNKNOWN_RUN.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Run>> {
        let runs = self.runs.lock();
        let run = runs.numbers.get(name).and_then(|number| runs.by_number.get(number));
        run.cloned().ok_or_else(|| {
            let message = format!("there is no run '{name}': it has expired, or belongs to another server");
            Error::not_found("run", "UNKNOWN_RUN", message)
        })
    }

    /// In the order of their creation.
    pub(crate) fn all(&self) -> Vec<Arc<Run>> {
        self.runs.lock().by_number.values().cloned().collect()
    }

    /// The runs of `group` created after the run `number`.
    pub(crate) fn group_after(&self, group: &str, number: u64) -> Vec<Arc<Run>> {
        let runs = self.runs.lock();
        runs.by_number.range(number + 1..).map(|(_, run)| run).filter(|run| run.group == group).cloned().collect()
    }

    pub(crate) fn join_group(&self, group: &str, signal: &Arc<Signal>) {
        self.groups.lock().entry(group.to_owned()).or_default().push(Arc::clone(signal));
    }

    pub(crate) fn leave_group(&self, group: &str, signal: &Arc<Signal>) {
        let mut groups = self.groups.lock();
        if let Some(watchers) = groups.get_mut(group) {
            watchers.retain(|other| !Arc::ptr_eq(other, signal));
            if watchers.is_empty() {
                groups.remove(group);
            }
        }
    }

    fn notify_group(&self, group: &str) {
        if let Some(watchers) = self.groups.lock().get(group) {
            for signal in watchers {
                signal.notify(usize::MAX);
            }
        }
    }

    /// No run will be added any more: watchers of groups end.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for signal in self.groups.lock().values().flatten() {
            signal.notify(usize::MAX);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// What the request `id` has created. Whoever locks it first creates.
    pub(crate) fn request(&self, id: &str) -> Request {
        Arc::clone(self.requests.lock().entry(id.to_owned()).or_default())
    }

    /// A request that has created nothing may be made again.
    pub(crate) fn forget_request(&self, id: &str) {
        self.requests.lock().remove(id);
    }

    /// Drops the finished run `number` and what only it kept alive.
    pub(crate) fn remove(&self, number: u64) {
        let gone = self.runs.lock().remove(number);
        self.let_go(gone);
    }

    /// Takes in that `run` has finished and is kept until `expiry`, and keeps finished runs within the limits: first logs are
    /// trimmed, then runs are dropped, the oldest first.
    pub(crate) fn keep(&self, run: &Run, expiry: Option<Appointment>) {
        let limits = &run.limits;
        let mut runs = self.runs.lock();
        let bytes = run.bytes();
        runs.finished.kept.insert(run.number, Kept { bytes, _expiry: expiry });
        runs.finished.whole.insert(run.number);
        runs.finished.bytes += bytes;
        while runs.finished.bytes > limits.result_bytes && runs.trim_oldest() {}
        let mut gone = Vec::new();
        while runs.finished.bytes > limits.result_bytes || runs.finished.kept.len() > limits.results {
            let Some((oldest, _)) = runs.finished.kept.first_key_value() else { break };
            let oldest = *oldest;
            gone.push(runs.remove(oldest));
        }
        drop(runs);
        gone.into_iter().for_each(|gone| self.let_go(gone));
    }

    /// What a run leaves behind, outside the lock: its tensors, and the promise of its request.
    fn let_go(&self, gone: Option<(Arc<Run>, Option<Kept>)>) {
        let Some((run, _)) = gone else { return };
        // The runs of a request have one age; with the first of them its promise is over.
        if !run.request.is_empty() {
            self.forget_request(&run.request);
        }
    }
}

impl Runs {
    fn remove(&mut self, number: u64) -> Option<(Arc<Run>, Option<Kept>)> {
        let run = self.by_number.remove(&number)?;
        self.numbers.remove(&run.name);
        let kept = self.finished.kept.remove(&number);
        self.finished.whole.remove(&number);
        self.finished.bytes -= kept.as_ref().map_or(0, |kept| kept.bytes);
        Some((run, kept))
    }

    /// Trims the log of the oldest finished run that still has one. False: none has.
    fn trim_oldest(&mut self) -> bool {
        let Some(number) = self.finished.whole.pop_first() else { return false };
        if let (Some(run), Some(kept)) = (self.by_number.get(&number), self.finished.kept.get_mut(&number)) {
            run.trim();
            self.finished.bytes -= kept.bytes;
            kept.bytes = run.bytes();
            self.finished.bytes += kept.bytes;
        }
        true
    }
}
