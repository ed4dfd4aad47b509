//! Following runs: a watcher is a set of cursors into the runs' logs. It owns no queue, so a slow one costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_listener::{EventListener, Listener as _};

use super::event::{EventKind, RunEvent};
use super::reading::Seen;
use super::run::{Run, Signal};
use super::store::Store;
use super::watching::Turn;

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

/// A cursor in one run.
pub(super) struct Position {
    pub after: u64,
    pub seen: BTreeMap<Arc<str>, Seen>,
    /// Frames that were left out since the last progress.
    pub skipped: u64,
}

impl Position {
    pub(super) fn saw(&mut self, artifact: &Arc<str>, sequence: u64, through: u64) {
        self.seen.insert(Arc::clone(artifact), Seen { at: Instant::now(), sequence, through });
    }
}

struct Followed {
    run: Arc<Run>,
    position: Position,
    ended: bool,
}

/// The group that a watcher follows, and the number under which the newest of its runs that it knows came to it.
struct Group {
    name: String,
    newest: u64,
    cursors: BTreeMap<String, u64>,
}

/// Follows runs. When the last watcher of a run is dropped, its linger time begins, unless somebody has been given its name
/// and has not come to watch yet.
pub struct Watcher {
    store: Arc<Store>,
    signal: Arc<Signal>,
    options: WatchOptions,
    runs: Vec<Followed>,
    /// Who is asked first, so that a busy run does not hide the others.
    turn: usize,
    group: Option<Group>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}

impl Watcher {
    pub(crate) fn new(store: &Arc<Store>, runs: Vec<(Arc<Run>, u64)>, options: WatchOptions) -> Self {
        let mut watcher =
            Self { store: Arc::clone(store), signal: Arc::default(), options, runs: Vec::new(), turn: 0, group: None };
        runs.into_iter().for_each(|(run, after)| watcher.follow(run, after));
        watcher
    }

    pub(crate) fn of_group(
        store: &Arc<Store>,
        name: &str,
        cursors: BTreeMap<String, u64>,
        options: WatchOptions,
    ) -> Self {
        let mut watcher = Self::new(store, Vec::new(), options);
        store.join_group(name, &watcher.signal);
        watcher.group = Some(Group { name: name.to_owned(), newest: 0, cursors });
        watcher.meet();
        watcher
    }

    fn follow(&mut self, run: Arc<Run>, after: u64) {
        run.watched_by(&self.signal);
        let position = Position { after, seen: BTreeMap::new(), skipped: 0 };
        self.runs.push(Followed { run, position, ended: false });
    }

    /// Takes in the runs of the group that are new.
    fn meet(&mut self) {
        let Some(group) = &mut self.group else { return };
        let fresh = self.store.group_after(&group.name, group.newest);
        let mut met = Vec::new();
        for (number, run) in fresh {
            group.newest = number;
            let after = group.cursors.remove(&*run.name).unwrap_or(0);
            met.push((run, after));
        }
        met.into_iter().for_each(|(run, after)| self.follow(run, after));
    }

    /// The next event, without waiting. Call [`Watcher::listen`] *before* polling, and wait on it only after `Pending`:
    /// then nothing is missed in between.
    pub fn poll(&mut self) -> Poll {
        self.meet();
        let mut wake: Option<Instant> = None;
        for offset in 0..self.runs.len() {
            let index = (self.turn + offset) % self.runs.len();
            let followed = &mut self.runs[index];
            if followed.ended {
                continue;
            }
            match followed.run.next(&mut followed.position, self.options.min_frame_interval) {
                Turn::Event(event) => {
                    if matches!(event.kind, EventKind::Finished(_)) {
                        followed.ended = true;
                        self.forget_ended();
                    }
                    self.turn = index + 1;
                    return Poll::Event(event);
                }
                Turn::Nothing(at) => wake = [wake, at].into_iter().flatten().min(),
                Turn::Ended => {
                    followed.ended = true;
                }
            }
        }
        self.forget_ended();
        let waits = self.group.is_some() && !self.store.is_closed();
        if self.runs.is_empty() && !waits { Poll::Ended } else { Poll::Pending(wake) }
    }

    /// A group may see any number of runs, so those that are over are let go.
    fn forget_ended(&mut self) {
        let signal = &self.signal;
        self.runs.retain(|followed| {
            if followed.ended {
                followed.run.unwatched_by(signal);
            }
            !followed.ended
        });
    }

    /// Is notified by whatever happens next; await it, or block with `wait`/`wait_timeout`.
    #[must_use]
    pub fn listen(&self) -> EventListener {
        self.signal.listen()
    }

    /// Blocks until there is an event. `None`: the watch has ended.
    pub fn wait(&mut self) -> Option<Arc<RunEvent>> {
        loop {
            let listener = self.listen();
            match self.poll() {
                Poll::Event(event) => return Some(event),
                Poll::Ended => return None,
                Poll::Pending(None) => listener.wait(),
                Poll::Pending(Some(at)) => {
                    listener.wait_deadline(at);
                }
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            self.store.leave_group(&group.name, &self.signal);
        }
        for followed in &self.runs {
            followed.run.unwatched_by(&self.signal);
        }
    }
}
