//! One run: its state, its log and its artifacts behind one lock, and the only places that change them. It knows no
//! thread and no plugin; `execute` drives it, `sink` is what a plugin sees of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde_json::{Map, Value};

use super::accumulate::Artifacts;
use super::check::CheckedSpec;
use super::ending::Cause;
use super::event::{ArtifactState, EventKind, Finished, Progress, RunEvent, RunState, Started};
use super::images::Subject;
use super::log::Log;
use super::sharing::Sharing;
use super::spec::{CreateOptions, ImageSource};
use super::timer::Appointment;
use super::{RunInfo, clock::Clock, picture};
use crate::config::Limits;
use crate::error::{Code, Error, Result};

/// Wakes one watcher.
pub(crate) type Signal = event_listener::Event;

/// Called when a run has finished, outside of its lock.
pub(crate) type OnFinished = Box<dyn Fn(&Arc<Run>) + Send + Sync>;

/// What a run has an appointment for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Occasion {
    /// The request's time is over.
    Deadline,
    /// The run has run for as long as it may.
    Duration,
    /// It is paused for too long.
    Pause,
    /// Nobody has watched for long.
    Linger,
    /// Its technique has not ended when it was asked to.
    Unresponsive,
}

pub(crate) struct Run {
    pub(super) this: std::sync::Weak<Run>,
    pub name: Arc<str>,
    /// In the order of creation.
    pub number: u64,
    pub spec: CheckedSpec,
    pub limits: Limits,
    pub clock: Clock,
    pub create_time: SystemTime,
    pub on_finished: OnFinished,
    pub(super) cancelled: AtomicBool,
    /// The technique has been told of it.
    pub(super) cancel_seen: AtomicBool,
    pub(super) paused: AtomicBool,
    pub(super) unpaused: Condvar,
    pub(super) evaluations: AtomicU64,
    pub(super) model_nanos: AtomicU64,
    pub(super) in_model: AtomicU32,
    /// Called off when it finishes.
    pub(super) appointments: Mutex<BTreeMap<Occasion, Appointment>>,
    pub(super) inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub state: RunState,
    pub cause: Option<Cause>,
    pub log: Log,
    pub artifacts: Artifacts,
    pub progress: Progress,
    pub metrics: BTreeMap<String, f64>,
    pub notices: Vec<(String, String)>,
    /// The first event that the rules forbid.
    pub violation: Option<Error>,
    /// Resolved, live changes included.
    pub params: Map<String, Value>,
    /// They have changed since the technique last asked.
    pub params_changed: bool,
    pub started: Option<Arc<Started>>,
    pub running_since: Option<Instant>,
    pub threads: u32,
    pub finished: Option<Arc<Finished>>,
    pub expire_time: Option<SystemTime>,
    /// Grows with each pause and each change of watchers, so that an old timer knows that it is old.
    pub pauses: u64,
    pub watches: u64,
    pub watchers: Vec<Arc<Signal>>,
    pub sharing: Sharing,
    /// Dropped at the end.
    pub subject: Option<Subject>,
    /// Pictures of the dataset that could not be read, and why.
    pub unreadable: BTreeMap<String, String>,
}

/// What a new run is made of.
pub(crate) struct NewRun<'a> {
    pub name: Arc<str>,
    pub number: u64,
    pub spec: CheckedSpec,
    /// Of the first who asks for it.
    pub options: &'a CreateOptions,
    pub limits: Limits,
    pub clock: Clock,
    pub on_finished: OnFinished,
}

impl Run {
    pub(crate) fn new(new: NewRun<'_>) -> Arc<Self> {
        let NewRun { name, number, mut spec, options, limits, clock, on_finished } = new;
        let subject = spec.subject.take();
        let inner = Inner {
            state: RunState::Queued,
            cause: None,
            log: Log::new(&name, limits.log_bytes),
            artifacts: Artifacts::new(spec.technique.descriptor.artifacts.clone(), limits.artifact_bytes),
            progress: Progress::default(),
            metrics: BTreeMap::new(),
            notices: Vec::new(),
            violation: None,
            params: spec.params.clone(),
            params_changed: false,
            started: None,
            running_since: None,
            threads: 1,
            finished: None,
            expire_time: None,
            pauses: 0,
            watches: 0,
            watchers: Vec::new(),
            sharing: Sharing::of(options),
            subject,
            unreadable: BTreeMap::new(),
        };
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            name,
            number,
            spec,
            limits,
            clock,
            create_time: SystemTime::now(),
            on_finished,
            cancelled: AtomicBool::new(false),
            cancel_seen: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            unpaused: Condvar::new(),
            evaluations: AtomicU64::new(0),
            model_nanos: AtomicU64::new(0),
            in_model: AtomicU32::new(0),
            appointments: Mutex::default(),
            inner: Mutex::new(inner),
        })
    }

    /// Calls `job` after `time`, if the run is not over by then; it takes the place of an earlier job of that occasion. Called
    /// with the lock held and the run not over, so that the latest job is that of the latest change, and none is left behind.
    pub(super) fn after(&self, time: Duration, on: Occasion, job: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let this = self.this.clone();
        let appointment = self.clock.after(time, move || {
            if let Some(run) = this.upgrade() {
                job(&run);
            }
        });
        drop(appointment.and_then(|appointment| self.appointments.lock().insert(on, appointment)));
    }

    /// The request's time is over after `left`.
    pub(crate) fn end_after(&self, left: Duration) {
        let inner = self.lock();
        if !inner.state.is_final() {
            self.after(left, Occasion::Deadline, |run| run.cancel(Cause::Deadline));
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.create_time.elapsed().unwrap_or_default()
    }

    /// Records an event and wakes who watches.
    pub(super) fn push(&self, inner: &mut Inner, kind: EventKind) {
        let event =
            RunEvent { run: Arc::clone(&self.name), sequence: inner.log.last() + 1, elapsed: self.elapsed(), kind };
        inner.log.push(event);
        for signal in &inner.watchers {
            signal.notify(usize::MAX);
        }
    }

    /// It has to wait for a slot. Says nothing if it does not any more.
    pub(crate) fn note_queued(&self) {
        let mut inner = self.lock();
        if inner.state == RunState::Queued && inner.log.last() == 0 {
            self.push(&mut inner, EventKind::StateChanged(RunState::Queued));
        }
    }

    /// Its turn has come. What it is about, or `None` where it was ended in the queue.
    pub(super) fn begin(&self, threads: u32) -> Option<Subject> {
        let mut inner = self.lock();
        if inner.state != RunState::Queued {
            return None;
        }
        inner.state = RunState::Running;
        inner.running_since = Some(Instant::now());
        inner.threads = threads;
        let subject = inner.subject.clone();
        self.after(self.spec.max_duration, Occasion::Duration, |run| run.cancel(Cause::Deadline));
        subject
    }

    /// Everything is resolved; the technique begins.
    pub(super) fn start(&self, started: Started, notices: &[(String, String)]) {
        let mut inner = self.lock();
        if inner.state.is_final() {
            return;
        }
        let started = Arc::new(started);
        inner.started = Some(Arc::clone(&started));
        self.push(&mut inner, EventKind::Started(started));
        // A pause that came before is told only now: `started` is first.
        if inner.state == RunState::Paused {
            self.push(&mut inner, EventKind::StateChanged(RunState::Paused));
        }
        for (reason, message) in notices {
            self.notice(&mut inner, reason.clone(), message.clone());
        }
    }

    pub(super) fn notice(&self, inner: &mut Inner, reason: String, message: String) {
        if inner.notices.len() < 64 {
            inner.notices.push((reason.clone(), message.clone()));
            self.push(inner, EventKind::Notice { reason, message });
        }
    }

    /// Memory that is kept for late watchers and readers.
    pub(crate) fn bytes(&self) -> usize {
        let inner = self.lock();
        let image = match &self.spec.image {
            ImageSource::Encoded(bytes) => bytes.len(),
            ImageSource::Pixels { data, .. } => size_of_val(&data[..]),
            ImageSource::DatasetItem { .. } | ImageSource::Dataset(_) => 0,
        };
        inner.log.bytes() + inner.artifacts.bytes() + image + 4096
    }

    /// Its time as a result begins again.
    pub(super) fn keep_anew(&self) {
        self.lock().expire_time = Some(SystemTime::now() + self.limits.result_age);
    }

    pub(crate) fn trim(&self) {
        self.lock().log.trim();
    }

    /// # Errors
    /// CURSOR_AHEAD: `sequence` has not happened.
    pub(crate) fn check_cursor(&self, sequence: u64) -> Result<()> {
        let last = self.lock().log.last();
        if sequence <= last {
            return Ok(());
        }
        let message = format!("run '{}' has come to sequence number {last}, not {sequence}", self.name);
        Err(Error::new(Code::OutOfRange, "CURSOR_AHEAD", message).at("after_sequence"))
    }

    /// # Errors
    /// UNKNOWN_ARTIFACT.
    pub(crate) fn artifact(&self, id: &str) -> Result<ArtifactState> {
        let inner = self.lock();
        inner.artifacts.state(id).cloned().ok_or_else(|| {
            let known = inner.artifacts.states().map(|state| &*state.id);
            let known = known.collect::<Vec<_>>().join(", ");
            let message = format!("run '{}' has no artifact '{id}' so far; it has: {known}", self.name);
            Error::not_found("artifact", "UNKNOWN_ARTIFACT", message)
        })
    }

    /// The picture that is explained, upright; one that came as pixels has the model's input size.
    pub(crate) fn picture(&self) -> Result<whyglass_imaging::Picture> {
        picture::original(&self.spec.image, &self.spec.model, &self.limits)
    }

    pub(crate) fn info(&self) -> RunInfo {
        let inner = self.lock();
        let mut progress = inner.progress.clone();
        progress.model_evaluations = self.evaluations.load(Ordering::Relaxed);
        RunInfo {
            name: self.name.to_string(),
            state: inner.state,
            model: self.spec.model.name().to_owned(),
            technique: self.spec.technique.id.clone(),
            groups: inner.sharing.groups().map(str::to_owned).collect(),
            params: inner.params.clone(),
            last_sequence: inner.log.last(),
            progress,
            create_time: self.create_time,
            expire_time: inner.expire_time,
            started: inner.started.clone(),
            finished: inner.finished.clone(),
        }
    }
}
