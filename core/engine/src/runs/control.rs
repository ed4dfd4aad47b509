//! What people do to a run under way: stop, pause, resume, change live parameters.

use std::sync::atomic::Ordering;

use serde_json::{Map, Value};

use super::ending::Cause;
use super::event::{EventKind, RunState};
use super::run::{Inner, Occasion, Run};
use super::spec::Action;
use crate::error::{Error, Result};
use crate::params;

impl Run {
    /// Stopping a run that has ended already is fine; anything else is not.
    ///
    /// # Errors
    /// RUN_FINISHED, RUN_NOT_STARTED, UNKNOWN_PARAMETER, INVALID_PARAMETER, PARAMETER_NOT_LIVE.
    pub(crate) fn control(&self, action: Action) -> Result<()> {
        match action {
            Action::Stop => {
                self.cancel(Cause::Stop);
                Ok(())
            }
            Action::Pause => self.pause(),
            Action::Resume => self.resume(),
            Action::SetParams(changes) => self.set_params(&changes),
        }
    }

    fn pause(&self) -> Result<()> {
        let mut inner = self.lock();
        self.under_way(&inner)?;
        if inner.state == RunState::Paused {
            return Ok(());
        }
        self.change(&mut inner, RunState::Paused);
        self.paused.store(true, Ordering::Release);
        inner.pauses += 1;
        let pauses = inner.pauses;
        self.after(self.limits.pause, Occasion::Pause, move |run| {
            let inner = run.lock();
            let still = inner.state == RunState::Paused && inner.pauses == pauses;
            drop(inner);
            if still {
                run.cancel(Cause::Paused);
            }
        });
        Ok(())
    }

    fn resume(&self) -> Result<()> {
        let mut inner = self.lock();
        self.under_way(&inner)?;
        if inner.state == RunState::Paused {
            self.change(&mut inner, RunState::Running);
            self.paused.store(false, Ordering::Release);
            self.unpaused.notify_all();
        }
        Ok(())
    }

    /// Changes the state, and says so unless `started` has not been said yet.
    fn change(&self, inner: &mut Inner, state: RunState) {
        inner.state = state;
        if inner.started.is_some() {
            self.push(inner, EventKind::StateChanged(state));
        }
    }

    fn set_params(&self, changes: &Map<String, Value>) -> Result<()> {
        let technique = &self.spec.technique;
        let mut inner = self.lock();
        if inner.state.is_final() {
            return Err(self.over());
        }
        let mut wanted = inner.params.clone();
        wanted.extend(changes.iter().map(|(name, value)| (name.clone(), value.clone())));
        let wanted = technique.complete(&wanted).map_err(|error| error.within("params"))?;
        for name in changes.keys() {
            if !params::is_annotated(&technique.descriptor.params, name, "x-live", &Value::Bool(true)) {
                let message = format!("'{name}' cannot change while '{}' runs: start another run", technique.id);
                return Err(Error::invalid(format!("params.{name}"), "PARAMETER_NOT_LIVE", message));
            }
        }
        inner.params = wanted;
        inner.params_changed = true;
        inner.sharing.altered = true;
        Ok(())
    }

    fn under_way(&self, inner: &Inner) -> Result<()> {
        match inner.state {
            RunState::Running | RunState::Paused => Ok(()),
            RunState::Queued => {
                let message = format!("run '{}' waits for a slot: it can be stopped, not paused", self.name);
                Err(Error::precondition("RUN_NOT_STARTED", message))
            }
            _ => Err(self.over()),
        }
    }

    fn over(&self) -> Error {
        Error::precondition("RUN_FINISHED", format!("run '{}' has finished: start another", self.name))
    }
}
