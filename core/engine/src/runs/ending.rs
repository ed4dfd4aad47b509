//! The end of a run: asked for, given up on, or come to by itself; and the one place that says `finished`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use parking_lot::MutexGuard;

use super::event::{ArtifactReference, EventKind, Finished, Outcome, RunState};
use super::manifest;
use super::run::{Inner, Occasion, Run};
use crate::error::{Code, Error, Result};

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

impl Run {
    /// Asks the run to end. The first cause counts.
    pub(crate) fn cancel(&self, cause: Cause) {
        self.end(self.lock(), cause);
    }

    /// As [`Run::cancel`], of a run as it is seen now: nobody can come in between.
    pub(super) fn end(&self, mut inner: MutexGuard<'_, Inner>, cause: Cause) {
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
        self.after(self.limits.unresponsive, Occasion::Unresponsive, |run| run.give_up());
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
        inner.subject = None;
        self.push(&mut inner, EventKind::Finished(finished));
        drop(inner);
        let over = std::mem::take(&mut *self.appointments.lock());
        drop(over);
        if let Some(this) = self.this.upgrade() {
            (self.on_finished)(&this);
        }
        true
    }
}
