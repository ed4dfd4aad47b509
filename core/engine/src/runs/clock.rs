//! The engine's one timer as runs see it: a run outlives the engine only while its plugin does not return, and then
//! nothing has to happen on time any more.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::timer::{Appointment, Timer};

#[derive(Clone)]
pub(crate) struct Clock(Weak<Timer>);

impl Clock {
    pub(crate) fn of(timer: &Arc<Timer>) -> Self {
        Self(Arc::downgrade(timer))
    }

    /// Runs `job` after `time` on the timer's thread, if the engine and the appointment are still there. `None`: it never
    /// comes, since no clock can tell that time or the engine has gone.
    pub(crate) fn after(&self, time: Duration, job: impl FnOnce() + Send + 'static) -> Option<Appointment> {
        Some(self.0.upgrade()?.at(Instant::now().checked_add(time)?, job))
    }
}
