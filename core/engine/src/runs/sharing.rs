//! A run that has been asked for again: whether it may be handed out, and what each of those who have asked for it adds to
//! how long it lives and where it is seen. What is done to such a run is done to it for all of them.

use std::time::Duration;

use super::check::CheckedSpec;
use super::event::RunState;
use super::run::Run;
use super::spec::CreateOptions;

/// So often one run is handed out; then another is made, so that what hangs on it is bounded.
const TIMES: u32 = 256;

/// What those who have asked for a run have made of it.
#[derive(Default)]
pub(super) struct Sharing {
    times: u32,
    /// So many of them have not been seen to watch it yet: until they are, it goes on without a watcher.
    pub awaited: u32,
    /// The longest that one of them has it outlive its last watcher.
    pub linger: Duration,
    /// Their requests, where these have an id.
    requests: Vec<String>,
    /// Their groups, each with the number under which the run came to it, in that order.
    groups: Vec<(String, u64)>,
    /// It ends when a call does.
    deadline: bool,
    /// A parameter was changed under way, so that its key does not tell its result.
    pub altered: bool,
}

impl Sharing {
    /// Of the first to ask.
    pub(super) fn of(options: &CreateOptions) -> Self {
        let mut sharing = Self { deadline: options.deadline.is_some(), awaited: 1, ..Self::default() };
        sharing.take_in(options);
        sharing
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    fn take_in(&mut self, options: &CreateOptions) {
        self.times += 1;
        self.linger = self.linger.max(options.linger);
        if !options.request_id.is_empty() {
            self.requests.push(options.request_id.clone());
        }
    }
}

impl Run {
    /// Hands the run out to one more who asks for `spec`, which has its key. False: it is not to be had. A result serves
    /// everybody; a run under way only those who would have let it run for as long, and none while it is paused.
    pub(super) fn join(&self, spec: &CheckedSpec, options: &CreateOptions) -> bool {
        let mut inner = self.lock();
        let sharing = &inner.sharing;
        let may = match inner.state {
            RunState::Succeeded => true,
            RunState::Queued | RunState::Running => {
                let limits = (self.spec.max_duration, sharing.deadline);
                inner.cause.is_none() && limits == (spec.max_duration, false) && options.deadline.is_none()
            }
            _ => false,
        };
        if !may || sharing.altered || sharing.times >= TIMES {
            return false;
        }
        // A group that has it already watches it as one.
        let expected = sharing.awaited > 0 || !inner.watchers.is_empty();
        if !(expected && sharing.groups().any(|group| group == options.group)) {
            inner.sharing.awaited += 1;
        }
        inner.sharing.take_in(options);
        // Where the last watcher has left, its time to linger is over.
        inner.watches += 1;
        true
    }

    /// Whether its result may be handed out.
    pub(super) fn serves(&self) -> bool {
        let inner = self.lock();
        inner.state == RunState::Succeeded && !inner.sharing.altered
    }

    /// The run is one of `group`'s from now on, under this number. False: it was already.
    pub(super) fn enter(&self, group: &str, number: u64) -> bool {
        let mut inner = self.lock();
        let new = inner.sharing.groups().all(|other| other != group);
        if new {
            inner.sharing.groups.push((group.to_owned(), number));
        }
        new
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.lock().sharing.groups().any(|other| other == group)
    }

    /// With the number under which it came to each.
    pub(super) fn memberships(&self) -> Vec<(String, u64)> {
        self.lock().sharing.groups.clone()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.lock().sharing.requests.clone()
    }
}
