//! The engine's one timer as runs see it: a run outlives the engine only while its plugin does not return, and then
//! nothing has to happen on time any more.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::timer::Timer;

#[derive(Clone)]
pub(crate) struct Clock(Weak<Timer>);

impl Clock {
    pub(crate) fn of(timer: &Arc<Timer>) -> Self {
        Self(Arc::downgrade(timer))
    }

    /// Runs `job` after `time` on the timer's thread, if the engine is still there.
    pub(crate) fn after(&self, time: Duration, job: impl FnOnce() + Send + 'static) {
        // A time that no clock can tell never comes.
        if let (Some(timer), Some(at)) = (self.0.upgrade(), Instant::now().checked_add(time)) {
            timer.at(at, job);
        }
    }
}
