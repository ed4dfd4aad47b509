//! A run as its technique sees it: where events go, and where stops and pauses are felt.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::event::{EventKind, Progress, RunState};
use super::run::{Inner, Run};
use crate::call::{Sink, is_upper_snake};
use crate::emission::{Emission, violation};
use crate::error::{Code, Error, Result};

/// The longest stage name or notice.
const TEXT: usize = 4096;
/// Metrics of one run are kept for its manifest up to this number of names.
const METRICS: usize = 64;

fn cancelled() -> Error {
    Error::new(Code::Cancelled, "CANCELLED", "the run is to end")
}

impl Sink for Run {
    fn emit(&self, emission: Result<Emission<'_>>) -> Result<()> {
        if self.checkpoint() {
            return Err(cancelled());
        }
        let mut inner = self.lock();
        if inner.state.is_final() {
            return Err(cancelled());
        }
        if let Some(violation) = &inner.violation {
            return Err(violation.clone());
        }
        let recorded = emission.and_then(|emission| self.record(&mut inner, emission));
        if let Err(error) = &recorded {
            inner.violation = Some(error.clone());
        }
        recorded
    }

    fn is_cancelled(&self) -> bool {
        let cancelled = self.cancelled.load(Ordering::Relaxed);
        if cancelled {
            self.cancel_seen.store(true, Ordering::Release);
        }
        cancelled
    }

    fn checkpoint(&self) -> bool {
        if self.paused.load(Ordering::Acquire) {
            let mut inner = self.lock();
            while inner.state == RunState::Paused && !self.cancelled.load(Ordering::Acquire) {
                self.unpaused.wait(&mut inner);
            }
        }
        self.is_cancelled()
    }

    fn live_params(&self) -> Option<String> {
        let mut inner = self.lock();
        if !std::mem::take(&mut inner.params_changed) {
            return None;
        }
        serde_json::to_string(&inner.params).ok()
    }

    fn model_entered(&self) {
        self.in_model.fetch_add(1, Ordering::AcqRel);
    }

    fn model_returned(&self, rows: u64, took: Duration) {
        self.in_model.fetch_sub(1, Ordering::AcqRel);
        self.evaluations.fetch_add(rows, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.model_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn unreadable(&self, item: &str, why: &str) {
        let mut inner = self.lock();
        if !inner.state.is_final() && inner.unreadable.insert(item.to_owned(), why.to_owned()).is_none() {
            self.notice(&mut inner, "UNREADABLE_IMAGE".to_owned(), short(why));
        }
    }

    fn name(&self) -> &str {
        &self.spec.technique.plugin
    }
}

impl Run {
    fn record(&self, inner: &mut Inner, emission: Emission<'_>) -> Result<()> {
        let (sequence, elapsed) = (inner.log.last() + 1, self.elapsed());
        let kind = match emission {
            Emission::Progress { done, total, stage } => self.progress(inner, done, total, stage),
            Emission::Keyframe(frame) => inner.artifacts.keyframe(&frame, sequence, elapsed)?,
            Emission::Tile { frame, y, x } => inner.artifacts.tile(&frame, (y, x), sequence, elapsed)?,
            Emission::Metrics(values) => {
                for (name, value) in &values {
                    if inner.metrics.len() < METRICS || inner.metrics.contains_key(name) {
                        inner.metrics.insert(name.clone(), *value);
                    }
                }
                EventKind::Metrics(values)
            }
            Emission::Notice(notice) => {
                if !is_upper_snake(&notice.reason) {
                    return Err(violation(format!("a notice's reason {:?} is not UPPER_SNAKE", short(&notice.reason))));
                }
                self.notice(inner, notice.reason, short(&notice.message));
                return Ok(());
            }
            // Of a newer ABI: it means nothing here.
            Emission::Unknown => return Ok(()),
        };
        self.push(inner, kind);
        Ok(())
    }

    fn progress(&self, inner: &mut Inner, done: u64, total: u64, stage: String) -> EventKind {
        let running = inner.running_since.map_or(Duration::ZERO, |since| since.elapsed());
        let remaining = (done > 0 && total >= done)
            .then(|| Duration::try_from_secs_f64(running.as_secs_f64() * (total - done) as f64 / done as f64).ok())
            .flatten();
        inner.progress = Progress {
            done,
            total,
            model_evaluations: self.evaluations.load(Ordering::Relaxed),
            stage: short(&stage),
            remaining,
            frames_skipped: 0,
        };
        EventKind::Progress(inner.progress.clone())
    }
}

fn short(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT)].to_owned()
}
