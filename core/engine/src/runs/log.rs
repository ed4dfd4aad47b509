//! The event log of one run: recorded in order, bounded in bytes. Reading it is said in `reading`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::event::{EventKind, Keyframe, RunEvent, Tiles};

/// What an event costs besides its tensors.
const OVERHEAD: usize = 256;
/// More notices of one run than this are not kept for late watchers.
const NOTICES: usize = 64;

struct Entry {
    event: Arc<RunEvent>,
    bytes: usize,
}

/// The recorded events of one run.
pub(super) struct Log {
    run: Arc<str>,
    entries: VecDeque<Entry>,
    /// Old events that a late watcher is told all the same: `started`, notices, the last change of state.
    sticky: Vec<Arc<RunEvent>>,
    bytes: usize,
    limit: usize,
    last: u64,
    /// The sequence number of the last frame of each artifact that has fallen out.
    evicted: BTreeMap<Arc<str>, u64>,
}

impl Log {
    pub(super) fn new(run: &Arc<str>, limit: usize) -> Self {
        Self {
            run: Arc::clone(run),
            entries: VecDeque::new(),
            sticky: Vec::new(),
            bytes: 0,
            limit,
            last: 0,
            evicted: BTreeMap::new(),
        }
    }

    /// The sequence number of the last event; 0: none yet.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn run(&self) -> &Arc<str> {
        &self.run
    }

    /// The recorded events after `sequence` that have not fallen out.
    pub(super) fn recent(&self, sequence: u64) -> impl Iterator<Item = &Arc<RunEvent>> {
        let start = self.entries.partition_point(|entry| entry.event.sequence <= sequence);
        self.entries.range(start..).map(|entry| &entry.event)
    }

    /// Events that have fallen out and are told all the same.
    pub(super) fn sticky(&self) -> &[Arc<RunEvent>] {
        &self.sticky
    }

    /// The sequence number of the last frame of each artifact that has fallen out.
    pub(super) fn evicted(&self) -> &BTreeMap<Arc<str>, u64> {
        &self.evicted
    }

    pub(super) fn is_finished(&self) -> bool {
        self.entries.back().is_some_and(|entry| matches!(entry.event.kind, EventKind::Finished(_)))
    }

    /// Records an event with a higher sequence number than any before it.
    pub(super) fn push(&mut self, event: RunEvent) {
        debug_assert!(event.sequence > self.last);
        self.last = event.sequence;
        // A newer progress says everything that the one before it said.
        if let Some(tail) = self.entries.back()
            && matches!((&tail.event.kind, &event.kind), (EventKind::Progress(_), EventKind::Progress(_)))
        {
            self.bytes -= tail.bytes;
            self.entries.pop_back();
        }
        let bytes = size(&event.kind);
        self.bytes += bytes;
        self.entries.push_back(Entry { event: Arc::new(event), bytes });
        while self.bytes > self.limit && self.evict_oldest() {}
    }

    /// Forgets all frames; whoever comes later gets each artifact as it stands.
    pub(super) fn trim(&mut self) {
        while self.evict_oldest() {}
    }

    fn evict_oldest(&mut self) -> bool {
        if self.entries.front().is_none_or(|entry| matches!(entry.event.kind, EventKind::Finished(_))) {
            return false;
        }
        let Some(Entry { event, bytes }) = self.entries.pop_front() else { return false };
        self.bytes -= bytes;
        match &event.kind {
            EventKind::Keyframe(Keyframe { artifact, .. }) | EventKind::Tiles(Tiles { artifact, .. }) => {
                self.evicted.insert(Arc::clone(artifact), event.sequence);
            }
            EventKind::StateChanged(_) => {
                self.sticky.retain(|old| !matches!(old.kind, EventKind::StateChanged(_)));
                self.sticky.push(event);
            }
            EventKind::Started(_) => self.sticky.push(event),
            EventKind::Notice { .. } if self.sticky.len() < NOTICES => self.sticky.push(event),
            _ => {}
        }
        true
    }
}

/// What an event takes up, in bytes.
pub(super) fn size(kind: &EventKind) -> usize {
    OVERHEAD
        + match kind {
            EventKind::Keyframe(frame) => {
                frame.tensor.bytes() + frame.standard_error.as_ref().map_or(0, super::event::Tensor::bytes)
            }
            EventKind::Tiles(tiles) => tiles
                .tiles
                .iter()
                .map(|tile| tile.tensor.bytes() + tile.standard_error.as_ref().map_or(0, super::event::Tensor::bytes))
                .sum(),
            EventKind::Metrics(values) => values.keys().map(|name| name.len() + 64).sum(),
            EventKind::Notice { reason, message } => reason.len() + message.len(),
            EventKind::Progress(progress) => progress.stage.len(),
            EventKind::Finished(finished) => finished.manifest.len(),
            _ => 0,
        }
}
