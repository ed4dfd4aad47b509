//! A run as its watchers see it: the next event after a position, and what happens when nobody is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ending::Cause;
use super::event::{EventKind, Keyframe, RunEvent};
use super::reading::{Next, Reader};
use super::run::{Occasion, Run, Signal};
use super::watcher::Position;

/// What a watcher gets of one run.
pub(super) enum Turn {
    Event(Arc<RunEvent>),
    Nothing(Option<Instant>),
    Ended,
}

impl Run {
    /// The next event after `position`, which moves there.
    pub(super) fn next(&self, position: &mut Position, interval: Duration) -> Turn {
        let inner = self.lock();
        if inner.state.is_final() && position.after >= inner.log.last() {
            return Turn::Ended;
        }
        let reader = Reader {
            after: position.after,
            interval,
            seen: &position.seen,
            event_bytes: self.limits.event_bytes,
            event_bytes_hard: self.limits.event_bytes_hard,
        };
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
        // Who of those that were given its name has come cannot be told; that one of them has will do.
        inner.sharing.awaited = inner.sharing.awaited.saturating_sub(1);
        inner.watchers.push(Arc::clone(signal));
    }

    /// When the last one leaves and no other is awaited, the linger time begins.
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
        if inner.sharing.awaited > 0 {
            return;
        }
        let (watches, linger) = (inner.watches, inner.sharing.linger);
        if linger.is_zero() {
            self.end(inner, Cause::Unwatched);
        } else {
            self.after(linger, Occasion::Linger, move |run| {
                let inner = run.lock();
                if inner.watches == watches {
                    run.end(inner, Cause::Unwatched);
                }
            });
        }
    }
}
