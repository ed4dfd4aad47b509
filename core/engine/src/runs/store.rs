//! All runs of an engine: by name, by group, by request, and by what was asked for: a run asked for again is the same run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::RunName;
use super::check::CheckedSpec;
use super::index::Index;
use super::kept::{Entry, Kept};
use super::run::{Run, Signal};
use super::spec::CreateOptions;
use crate::error::{Error, Result};

#[derive(Default)]
struct Runs {
    /// In the order of their creation.
    by_number: BTreeMap<u64, Arc<Run>>,
    numbers: HashMap<Arc<str>, u64>,
    /// Of each group, by the number under which they came to it.
    groups: HashMap<String, BTreeMap<u64, Arc<Run>>>,
    /// Numbers are of creation and of coming to a group alike.
    newest: u64,
    index: Index,
    finished: Kept,
}

/// What a request is answered with.
pub(crate) struct Answer {
    /// In the order of its specs, no two the same.
    pub runs: Vec<Arc<Run>>,
    /// Those among them that were made for it.
    pub made: Vec<Arc<Run>>,
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
    /// For each part a run that there is already, or the one that `make` makes of it and its number. Numbers are given in one
    /// go with the runs that bear them, so that whoever has seen a number has seen every run before it.
    pub(crate) fn ask(
        self: &Arc<Self>,
        parts: Vec<(RunName, CheckedSpec)>,
        options: &CreateOptions,
        make: impl Fn(RunName, CheckedSpec, u64) -> Arc<Run>,
    ) -> Answer {
        let mut runs = self.runs.lock();
        let mut answer = Answer { runs: Vec::with_capacity(parts.len()), made: Vec::new() };
        for (name, spec) in parts {
            let run = self.again(&mut runs, &spec, options, &answer.runs).unwrap_or_else(|| {
                let run = runs.create(|number| make(name, spec, number));
                answer.made.push(Arc::clone(&run));
                run
            });
            runs.enter(&run, &options.group);
            answer.runs.push(run);
        }
        drop(runs);
        self.notify_group(&options.group);
        answer
    }

    /// The run that `spec` asks for again, if that is not among those that the request has been given `already`. A result
    /// is kept anew: whoever has been given its name has as much time as the first.
    fn again(
        self: &Arc<Self>,
        runs: &mut Runs,
        spec: &CheckedSpec,
        options: &CreateOptions,
        already: &[Arc<Run>],
    ) -> Option<Arc<Run>> {
        let (run, place) = runs.index.find(spec.key.as_ref()?)?;
        if already.iter().any(|other| Arc::ptr_eq(other, &run)) || !run.join(spec, options) {
            return None;
        }
        if let Some(place) = place {
            runs.finished.remove(place);
            run.keep_anew();
            self.keep_last(runs, &run);
        }
        Some(run)
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

    /// The runs that came to `group` after the number, each with its own.
    pub(crate) fn group_after(&self, group: &str, number: u64) -> Vec<(u64, Arc<Run>)> {
        let runs = self.runs.lock();
        let of_group = runs.groups.get(group).into_iter().flat_map(|runs| runs.range(number + 1..));
        of_group.map(|(number, run)| (*number, Arc::clone(run))).collect()
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
        let mut runs = self.runs.lock();
        self.keep_last(&mut runs, run);
        let mut gone = Vec::new();
        while let Some(first) = runs.finished.excess(&run.limits) {
            gone.extend(runs.remove(first));
        }
        drop(runs);
        self.let_go(gone);
    }

    fn keep_last(self: &Arc<Self>, runs: &mut Runs, run: &Arc<Run>) {
        let store = Arc::downgrade(self);
        // If it comes at once it waits for the lock.
        let expired = move |place| {
            if let Some(store) = store.upgrade() {
                store.drop_finished(place);
            }
        };
        let (place, bytes) = runs.finished.add(run, expired);
        if run.serves() {
            runs.index.keep(run, place, bytes);
        } else {
            runs.index.forget(run);
        }
    }

    fn drop_finished(&self, place: u64) {
        let gone = self.runs.lock().remove(place);
        self.let_go(gone);
    }

    /// What runs leave behind, outside the lock: their tensors, and the promises of their requests.
    fn let_go(&self, gone: impl IntoIterator<Item = Entry>) {
        // With the first of a request's runs its promise is over.
        for Entry { run, .. } in gone {
            run.requests().iter().for_each(|request| self.forget_request(request));
        }
    }
}

impl Runs {
    fn create(&mut self, make: impl FnOnce(u64) -> Arc<Run>) -> Arc<Run> {
        self.newest += 1;
        let run = make(self.newest);
        self.numbers.insert(Arc::clone(&run.name), run.number);
        self.by_number.insert(run.number, Arc::clone(&run));
        self.index.enter(&run);
        run
    }

    /// The run is seen by the group's watchers, unless it is already.
    fn enter(&mut self, run: &Arc<Run>, group: &str) {
        if !group.is_empty() && run.enter(group, self.newest + 1) {
            self.newest += 1;
            self.groups.entry(group.to_owned()).or_default().insert(self.newest, Arc::clone(run));
        }
    }

    /// Forgets the run that finished in this place.
    fn remove(&mut self, place: u64) -> Option<Entry> {
        let entry = self.finished.remove(place)?;
        let run = &entry.run;
        self.by_number.remove(&run.number);
        self.numbers.remove(&run.name);
        self.index.forget(run);
        for (group, number) in run.memberships() {
            if let Some(runs) = self.groups.get_mut(&group) {
                runs.remove(&number);
                if runs.is_empty() {
                    self.groups.remove(&group);
                }
            }
        }
        Some(entry)
    }
}
