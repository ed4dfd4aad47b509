//! What the services share: the engine, the bounds of calls, and whether the server is on its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic::Status;
use whyglass_engine::Engine;

use super::limits::Blocking;
use super::status::shutting_down;
use super::stream::Sending;
use crate::config::Timing;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) engine: Arc<Engine>,
    pub(super) blocking: Blocking,
    pub(super) timing: Timing,
    draining: Arc<AtomicBool>,
}

impl State {
    pub(super) fn new(engine: Arc<Engine>, timing: Timing) -> Self {
        Self { engine, blocking: Blocking::new(), timing, draining: Arc::default() }
    }

    /// From now on nothing new is begun.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// # Errors
    /// UNAVAILABLE once the server is on its way out.
    pub(super) fn may_begin(&self) -> Result<(), Status> {
        if self.draining.load(Ordering::Acquire) { Err(shutting_down()) } else { Ok(()) }
    }

    pub(super) fn sending(&self, endless: bool) -> Sending {
        Sending { event_bytes: self.engine.limits().event_bytes_hard, heartbeat: self.timing.heartbeat, endless }
    }
}
