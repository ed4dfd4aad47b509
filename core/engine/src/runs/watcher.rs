//! Following runs: a watcher is a set of cursors into the runs' logs. It owns no queue, so a slow one costs nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_listener::EventListener;

use super::event::RunEvent;

/// Where a watcher stands in a run: it has seen everything up to and with `after_sequence`.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub run: String,
    pub after_sequence: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct WatchOptions {
    /// At most one frame per artifact in this time; what comes between is merged. `finished` is never held back.
    pub min_frame_interval: Duration,
}

/// What [`Watcher::poll`] found.
#[derive(Clone, Debug)]
pub enum Poll {
    Event(Arc<RunEvent>),
    /// Nothing now. Where a time is given, poll again then even if nothing was heard: a frame is being held back.
    Pending(Option<Instant>),
    /// `finished` of every run has been delivered, or the engine has shut down.
    Ended,
}

/// Follows runs. When the last watcher of a run is dropped, its linger time begins.
#[derive(Debug)]
pub struct Watcher {
    _private: (),
}

impl Watcher {
    /// The next event, without waiting. Call [`Watcher::listen`] *before* polling, and wait on it only after `Pending`:
    /// then nothing is missed in between.
    pub fn poll(&mut self) -> Poll {
        Poll::Ended
    }
    /// Is notified by whatever happens next; await it, or block with `wait`/`wait_timeout`.
    #[must_use]
    pub fn listen(&self) -> EventListener {
        event_listener::Event::new().listen()
    }
    /// Blocks until there is an event. `None`: the watch has ended.
    pub fn wait(&mut self) -> Option<Arc<RunEvent>> {
        None
    }
}
