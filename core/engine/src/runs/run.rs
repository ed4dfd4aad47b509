//! One run: its state, its log and its artifacts behind one lock, and the only places that change them. It knows no
//! thread and no plugin; `execute` drives it, `sink` is what a plugin sees of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde_json::{Map, Value};

use super::accumulate::Artifacts;
use super::check::CheckedSpec;
use super::event::{
    ArtifactReference, ArtifactState, EventKind, Finished, Keyframe, Outcome, Progress, RunEvent, RunState, Started,
};
use super::log::{Log, Next, Reader};
use super::spec::ImageSource;
use super::watcher::Position;
use super::{RunInfo, clock::Clock, manifest, picture};
use crate::config::Limits;
use crate::error::{Code, Error, Result};

/// Wakes one watcher.
pub(crate) type Signal = event_listener::Event;

/// Why a run ends before its technique does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Stop,
    Deadline,
    /// Paused for longer than is allowed.
    Paused,
    /// The last watcher left, and the linger time is over.
    Unwatched,
    Shutdown,
}

impl Cause {
    fn state(self) -> RunState {
        if self == Self::Unwatched { RunState::Cancelled } else { RunState::Stopped }
    }

    fn outcome(self) -> Outcome {
        let (code, reason, message) = match self {
            Self::Stop => (Code::Ok, "STOPPED", "stopped on request; the result is the best so far"),
            Self::Deadline => (Code::Ok, "DEADLINE", "its time was over; the result is the best so far"),
            Self::Paused => (Code::Ok, "PAUSED_TOO_LONG", "it was paused for too long; the result is the best so far"),
            Self::Unwatched => (Code::Cancelled, "UNWATCHED", "nobody was left to watch"),
            Self::Shutdown => (Code::Ok, "SHUTDOWN", "the server is shutting down; the result is the best so far"),
        };
        Outcome { code, reason: reason.to_owned(), field: String::new(), message: message.to_owned() }
    }
}

/// What a watcher gets of one run.
pub(super) enum Turn {
    Event(Arc<RunEvent>),
    Nothing(Option<Instant>),
    Ended,
}

/// Called when a run has finished, outside of its lock.
pub(crate) type OnFinished = Box<dyn Fn(&Arc<Run>) + Send + Sync>;

pub(crate) struct Run {
    pub(super) this: std::sync::Weak<Run>,
    pub name: Arc<str>,
    /// In the order of creation.
    pub number: u64,
    pub group: String,
    pub request: String,
    pub spec: CheckedSpec,
    pub linger: Duration,
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
    pub(super) inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub state: RunState,
    pub cause: Option<Cause>,
    pub log: Log,
    pub artifacts: Artifacts,
    pub progress: Progress,
    pub metrics: std::collections::BTreeMap<String, f64>,
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
    pub last_event: Instant,
    /// Grows with each pause and each change of watchers, so that an old timer knows that it is old.
    pub pauses: u64,
    pub watches: u64,
    pub watchers: Vec<Arc<Signal>>,
    /// 3×H×W; dropped at the end.
    pub pixels: Option<Arc<Vec<f32>>>,
}

/// What a new run is made of.
pub(crate) struct NewRun {
    pub name: Arc<str>,
    pub number: u64,
    pub group: String,
    pub request: String,
    pub spec: CheckedSpec,
    pub linger: Duration,
    pub limits: Limits,
    pub clock: Clock,
    pub on_finished: OnFinished,
}

impl Run {
    pub(crate) fn new(new: NewRun) -> Arc<Self> {
        let NewRun { name, number, group, request, mut spec, linger, limits, clock, on_finished } = new;
        let pixels = spec.pixels.take();
        let inner = Inner {
            state: RunState::Queued,
            cause: None,
            log: Log::new(&name, limits.log_bytes),
            artifacts: Artifacts::new(spec.technique.descriptor.artifacts.clone(), limits.artifact_bytes),
            progress: Progress::default(),
            metrics: std::collections::BTreeMap::new(),
            notices: Vec::new(),
            violation: None,
            params: spec.params.clone(),
            params_changed: false,
            started: None,
            running_since: None,
            threads: 1,
            finished: None,
            expire_time: None,
            last_event: Instant::now(),
            pauses: 0,
            watches: 0,
            watchers: Vec::new(),
            pixels,
        };
        let run = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            name,
            number,
            group,
            request,
            spec,
            linger,
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
            inner: Mutex::new(inner),
        });
        run.after(run.limits.heartbeat, Self::heartbeat);
        run
    }

    /// Calls `job` after `time`, if the run is still there.
    pub(crate) fn after(&self, time: Duration, job: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let this = self.this.clone();
        self.clock.after(time, move || {
            if let Some(run) = this.upgrade() {
                job(&run);
            }
        });
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
        inner.last_event = Instant::now();
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

    /// Its turn has come. The picture, or `None` where it was ended in the queue.
    pub(super) fn begin(&self, threads: u32) -> Option<Arc<Vec<f32>>> {
        let mut inner = self.lock();
        if inner.state != RunState::Queued {
            return None;
        }
        inner.state = RunState::Running;
        inner.running_since = Some(Instant::now());
        inner.threads = threads;
        let pixels = inner.pixels.clone();
        drop(inner);
        self.after(self.spec.max_duration, |run| run.cancel(Cause::Deadline));
        pixels
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

    /// Asks the run to end. The first cause counts.
    pub(crate) fn cancel(&self, cause: Cause) {
        let mut inner = self.lock();
        if inner.state.is_final() || inner.cause.is_some() {
            return;
        }
        inner.cause = Some(cause);
        self.cancelled.store(true, Ordering::Release);
        self.paused.store(false, Ordering::Release);
        self.unpaused.notify_all();
        if inner.state == RunState::Queued {
            drop(inner);
            self.finish(cause.state(), cause.outcome(), false);
            return;
        }
        drop(inner);
        self.after(self.limits.unresponsive, |run| run.give_up());
    }

    /// The technique was asked to end and has not: the run is finished without it.
    fn give_up(&self) {
        let inner = self.lock();
        let (Some(cause), false) = (inner.cause, inner.state.is_final()) else { return };
        drop(inner);
        let technique = &self.spec.technique;
        let mut outcome = cause.outcome();
        outcome.reason = "PLUGIN_UNRESPONSIVE".to_owned();
        outcome.message =
            format!("the technique '{}' did not end when it was asked to; {}", technique.id, outcome.message);
        // A model that computes for long is not the technique's fault.
        let strike = self.in_model.load(Ordering::Acquire) == 0;
        if self.finish(cause.state(), outcome, false) && strike {
            technique.strike();
        }
    }

    /// The technique has returned: OK, or what went wrong.
    pub(super) fn conclude(&self, returned: Result<()>) {
        let inner = self.lock();
        let (cause, violation) = (inner.cause, inner.violation.clone());
        let not_finite = inner.artifacts.not_finite().map(str::to_owned);
        let empty = inner.artifacts.states().next().is_none();
        drop(inner);
        let id = &self.spec.technique.id;
        let told = self.cancel_seen.load(Ordering::Acquire);
        let outcome = match (violation, returned, cause) {
            (_, Err(error), _) if error.reason == "PANIC" => Err(error),
            (Some(violation), ..) => Err(violation),
            // It may have come to its end although it was asked to stop; then it is whole.
            (None, Ok(()), Some(cause)) if told => return self.finish_by(cause),
            (None, Err(error), Some(cause)) if error.code == Code::Cancelled => return self.finish_by(cause),
            (None, Err(error), None) if error.code == Code::Cancelled => {
                Err(Error::internal("PLUGIN_ERROR", format!("the technique '{id}' cancelled itself")))
            }
            (None, Err(error), _) => Err(error),
            (None, Ok(()), _) if empty => {
                Err(Error::internal("NO_RESULT", format!("the technique '{id}' ended without a result")))
            }
            (None, Ok(()), _) => match not_finite {
                Some(artifact) => Err(Error::internal(
                    "NOT_FINITE",
                    format!("the technique '{id}' ended with numbers in '{artifact}' that are not finite"),
                )),
                None => Ok(()),
            },
        };
        match outcome {
            Ok(()) => {
                let outcome =
                    Outcome { code: Code::Ok, reason: String::new(), field: String::new(), message: String::new() };
                self.finish(RunState::Succeeded, outcome, true);
            }
            Err(error) => self.fail(error),
        }
    }

    fn finish_by(&self, cause: Cause) {
        self.finish(cause.state(), cause.outcome(), false);
    }

    pub(crate) fn fail(&self, error: Error) {
        let Error { code, reason, field, message, .. } = error;
        self.finish(RunState::Failed, Outcome { code, reason, field, message }, false);
    }

    /// The one end of a run: a final keyframe per artifact, then `finished`. False: it had ended before.
    fn finish(&self, state: RunState, status: Outcome, complete: bool) -> bool {
        let mut inner = self.lock();
        if inner.state.is_final() {
            return false;
        }
        let ids: Vec<Arc<str>> = inner.artifacts.states().map(|artifact| Arc::clone(&artifact.id)).collect();
        for id in ids {
            let sequence = inner.log.last() + 1;
            let elapsed = self.elapsed();
            inner.artifacts.finish(&id, sequence, elapsed);
            if let Some((_, _, keyframe)) = inner.artifacts.as_keyframe(&id) {
                self.push(&mut inner, EventKind::Keyframe(keyframe));
            }
        }
        inner.state = state;
        let manifest = manifest::of(self, &inner, state, &status, complete);
        let artifacts = inner
            .artifacts
            .states()
            .map(|artifact| ArtifactReference {
                id: Arc::clone(&artifact.id),
                kind: artifact.kind,
                shape: artifact.tensor.shape.clone(),
                size_bytes: artifact.tensor.bytes() as u64,
            })
            .collect();
        let finished = Arc::new(Finished { state, status, complete, manifest, artifacts });
        inner.finished = Some(Arc::clone(&finished));
        inner.expire_time = Some(SystemTime::now() + self.limits.result_age);
        inner.pixels = None;
        self.push(&mut inner, EventKind::Finished(finished));
        drop(inner);
        if let Some(this) = self.this.upgrade() {
            (self.on_finished)(&this);
        }
        true
    }

    /// Says that it lives, where nothing else has for a while.
    fn heartbeat(self: &Arc<Self>) {
        let mut inner = self.lock();
        if inner.state.is_final() {
            return;
        }
        let silent = inner.last_event.elapsed();
        let wait = if silent >= self.limits.heartbeat {
            self.push(&mut inner, EventKind::Heartbeat);
            self.limits.heartbeat
        } else {
            self.limits.heartbeat - silent
        };
        drop(inner);
        self.after(wait, Self::heartbeat);
    }

    /// The next event after `position`, which moves there.
    pub(super) fn next(&self, position: &mut Position, interval: Duration) -> Turn {
        let inner = self.lock();
        if inner.state.is_final() && position.after >= inner.log.last() {
            return Turn::Ended;
        }
        let reader =
            Reader { after: position.after, interval, seen: &position.seen, event_bytes: self.limits.event_bytes };
        let (mut event, through, skipped) = match inner.log.next(&reader, &inner.artifacts) {
            Next::Nothing(wake) => {
                if wake.is_none() {
                    // All has been given, perhaps under lower numbers: no need to look at it again.
                    position.after = inner.log.last();
                }
                return Turn::Nothing(wake);
            }
            Next::Event(event) => (Arc::clone(&event), event.sequence, 0),
            Next::Merged { event, through, skipped } => (Arc::new(event), through, skipped),
        };
        drop(inner);
        position.after = event.sequence;
        position.skipped += skipped;
        match &event.kind {
            EventKind::Keyframe(Keyframe { artifact, .. }) => position.saw(artifact, event.sequence, through),
            EventKind::Tiles(tiles) => {
                let last = position.seen.get(&tiles.artifact).map(|seen| seen.sequence);
                position.saw(&tiles.artifact, event.sequence, through);
                // What this watcher was given last, under the number that it knows.
                if let Some(last) = last.filter(|last| *last != tiles.base_sequence)
                    && let EventKind::Tiles(tiles) = &mut Arc::make_mut(&mut event).kind
                {
                    tiles.base_sequence = last;
                }
            }
            EventKind::Progress(_) if position.skipped > 0 => {
                if let EventKind::Progress(progress) = &mut Arc::make_mut(&mut event).kind {
                    progress.frames_skipped = position.skipped;
                }
            }
            _ => {}
        }
        Turn::Event(event)
    }

    pub(super) fn watched_by(&self, signal: &Arc<Signal>) {
        let mut inner = self.lock();
        inner.watches += 1;
        inner.watchers.push(Arc::clone(signal));
    }

    /// When the last one leaves, the linger time begins.
    pub(super) fn unwatched_by(&self, signal: &Arc<Signal>) {
        let mut inner = self.lock();
        inner.watches += 1;
        inner.watchers.retain(|other| !Arc::ptr_eq(other, signal));
        if !inner.watchers.is_empty() {
            return;
        }
        if inner.state.is_final() {
            // Whoever comes now needs the result, not the way to it.
            inner.log.trim();
            return;
        }
        let watches = inner.watches;
        drop(inner);
        if self.linger.is_zero() {
            self.cancel(Cause::Unwatched);
        } else {
            self.after(self.linger, move |run| {
                if run.lock().watches == watches {
                    run.cancel(Cause::Unwatched);
                }
            });
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.lock().state.is_final()
    }

    /// Memory that is kept for late watchers and readers.
    pub(crate) fn bytes(&self) -> usize {
        let inner = self.lock();
        let image = match &self.spec.image {
            ImageSource::Encoded(bytes) => bytes.len(),
            ImageSource::Pixels { data, .. } => size_of_val(&data[..]),
        };
        inner.log.bytes() + inner.artifacts.bytes() + image + 4096
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
            group: self.group.clone(),
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
