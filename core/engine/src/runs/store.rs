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

/// What is kept of runs that have finished, in the order in which they did.
#[derive(Default)]
struct Finished {
    kept: BTreeMap<u64, Kept>,
    /// Those whose logs have not been trimmed.
    whole: BTreeSet<u64>,
    /// How many have finished: the next one's place in that order.
    count: u64,
    /// Of all, and never less than it is: logs are trimmed by the last watcher, too.
    bytes: usize,
}

struct Kept {
    run: Arc<Run>,
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

    /// Takes in that `run` has finished, and keeps finished runs for a while and within the limits: first logs are trimmed, then
    /// runs are dropped, the one first that finished first.
    pub(crate) fn keep(self: &Arc<Self>, run: &Arc<Run>) {
        let limits = &run.limits;
        let mut runs = self.runs.lock();
        let place = runs.finished.count;
        runs.finished.count += 1;
        let store = Arc::downgrade(self);
        // If it comes at once it waits for the lock.
        let expiry = run.clock.after(limits.result_age, move || {
            if let Some(store) = store.upgrade() {
                store.drop_finished(place);
            }
        });
        let bytes = run.bytes();
        runs.finished.kept.insert(place, Kept { run: Arc::clone(run), bytes, _expiry: expiry });
        runs.finished.whole.insert(place);
        runs.finished.bytes += bytes;
        while runs.finished.bytes > limits.result_bytes && runs.finished.trim_first() {}
        let mut gone = Vec::new();
        while runs.finished.bytes > limits.result_bytes || runs.finished.kept.len() > limits.results {
            let Some(first) = runs.finished.kept.first_key_value().map(|(place, _)| *place) else { break };
            gone.extend(runs.remove(first));
        }
        drop(runs);
        self.let_go(gone);
    }

    fn drop_finished(&self, place: u64) {
        let gone = self.runs.lock().remove(place);
        self.let_go(gone);
    }

    /// What runs leave behind, outside the lock: their tensors, and the promise of their requests.
    fn let_go(&self, gone: impl IntoIterator<Item = Kept>) {
        // The runs of a request have one age; with the first of them its promise is over.
        for Kept { run, .. } in gone {
            if !run.request.is_empty() {
                self.forget_request(&run.request);
            }
        }
    }
}

impl Runs {
    /// Forgets the run that finished in this place.
    fn remove(&mut self, place: u64) -> Option<Kept> {
        let kept = self.finished.kept.remove(&place)?;
        self.finished.whole.remove(&place);
        self.finished.bytes -= kept.bytes;
        self.by_number.remove(&kept.run.number);
        self.numbers.remove(&kept.run.name);
        Some(kept)
    }
}

impl Finished {
    /// Trims the first log that is still whole. False: none is.
    fn trim_first(&mut self) -> bool {
        let Some(place) = self.whole.pop_first() else { return false };
        if let Some(kept) = self.kept.get_mut(&place) {
            kept.run.trim();
            self.bytes -= kept.bytes;
            kept.bytes = kept.run.bytes();
            self.bytes += kept.bytes;
        }
        true
    }
}
