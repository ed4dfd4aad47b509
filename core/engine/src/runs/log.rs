//! The event log of one run: bounded in bytes, read through cursors. What falls out of it is not lost for a map: whoever
//! is behind gets the artifact as it stands instead of the parts that made it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accumulate::Artifacts;
use super::event::{EventKind, Keyframe, RunEvent, Tiles};

/// What an event costs besides its tensors.
const OVERHEAD: usize = 256;
/// More pending frames of one artifact than this are merged.
const PENDING: usize = 32;
/// More notices of one run than this are not kept for late watchers.
const NOTICES: usize = 64;

struct Entry {
    event: Arc<RunEvent>,
    bytes: usize,
}

/// The recorded events of one run.
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// Old events that a late watcher is told all the same: `started`, notices, the last change of state.
    sticky: Vec<Arc<RunEvent>>,
    bytes: usize,
    limit: usize,
    last: u64,
    /// The sequence number of the last frame of each artifact that has fallen out.
    evicted: BTreeMap<Arc<str>, u64>,
}

/// Where a reader stands.
pub(super) struct Reader<'a> {
    pub after: u64,
    /// At most one frame per artifact in this time.
    pub interval: Duration,
    /// When it was last given a frame of each artifact.
    pub shown: &'a BTreeMap<Arc<str>, Instant>,
    /// Bytes from which pending tiles become a keyframe.
    pub event_bytes: usize,
}

/// What a reader gets next.
pub(super) enum Next {
    Event(Arc<RunEvent>),
    /// One event instead of several; how many frames it leaves out.
    Merged(RunEvent, u64),
    /// Nothing, at least until the time given.
    Nothing(Option<Instant>),
}

/// The frames of one artifact that a reader has not seen.
#[derive(Default)]
struct Pending<'a> {
    events: Vec<&'a Arc<RunEvent>>,
    bytes: usize,
    only_tiles: bool,
}

impl Log {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), sticky: Vec::new(), bytes: 0, limit, last: 0, evicted: BTreeMap::new() }
    }

    /// The sequence number of the last event; 0: none yet.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records an event with a higher sequence number than any before it.
    pub(super) fn push(&mut self, event: RunEvent) {
        debug_assert!(event.sequence > self.last);
        self.last = event.sequence;
        // A newer heartbeat or progress says everything that the one before it said.
        if let Some(tail) = self.entries.back()
            && matches!(
                (&tail.event.kind, &event.kind),
                (EventKind::Heartbeat, EventKind::Heartbeat) | (EventKind::Progress(_), EventKind::Progress(_))
            )
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

    /// The next event for a reader. `artifacts` is their state after the last event.
    pub(super) fn next(&self, reader: &Reader<'_>, artifacts: &Artifacts) -> Next {
        let start = self.entries.partition_point(|entry| entry.event.sequence <= reader.after);
        let recent = || self.entries.iter().skip(start).map(|entry| &entry.event);
        let old = self.sticky.iter().filter(|event| event.sequence > reader.after);

        let mut frames: BTreeMap<&Arc<str>, Pending<'_>> = BTreeMap::new();
        let mut newest_progress = 0;
        for event in recent() {
            match &event.kind {
                EventKind::Keyframe(Keyframe { artifact, .. }) | EventKind::Tiles(Tiles { artifact, .. }) => {
                    let pending =
                        frames.entry(artifact).or_insert_with(|| Pending { only_tiles: true, ..Pending::default() });
                    pending.events.push(event);
                    pending.bytes += size(&event.kind);
                    pending.only_tiles &= matches!(event.kind, EventKind::Tiles(_));
                }
                EventKind::Progress(_) => newest_progress = event.sequence,
                _ => {}
            }
        }
        let superseded = |event: &RunEvent| match event.kind {
            EventKind::Progress(_) => event.sequence < newest_progress,
            EventKind::Heartbeat => event.sequence < self.last,
            _ => false,
        };
        let is_frame = |event: &RunEvent| matches!(event.kind, EventKind::Keyframe(_) | EventKind::Tiles(_));
        let plain =
            old.chain(recent()).filter(|event| !is_frame(event) && !superseded(event)).min_by_key(|e| e.sequence);
        let finished = self.entries.back().is_some_and(|entry| matches!(entry.event.kind, EventKind::Finished(_)));

        // The candidate of each artifact; the lowest sequence number of all comes first, so that one number is enough to
        // resume from.
        let mut first: Option<(u64, Candidate<'_>)> = plain.map(|event| (event.sequence, Candidate::AsIs(event)));
        let behind = self.evicted.iter().filter(|(_, sequence)| **sequence > reader.after).map(|(id, _)| id);
        let names: std::collections::BTreeSet<&Arc<str>> = behind.clone().chain(frames.keys().copied()).collect();
        let behind: std::collections::BTreeSet<&Arc<str>> = behind.collect();
        for name in names {
            let pending = frames.get(name);
            let candidate = if behind.contains(name) {
                let skipped = pending.map_or(0, |pending| pending.events.len() as u64);
                Candidate::Whole(name, skipped)
            } else if let Some(pending) = pending {
                self.choose(name, pending, reader, artifacts)
            } else {
                continue;
            };
            let Some(sequence) = candidate.sequence(artifacts) else { continue };
            if first.as_ref().is_none_or(|(lowest, _)| sequence < *lowest) {
                let wake = reader.shown.get(name).map(|shown| *shown + reader.interval);
                let held = wake.filter(|wake| !finished && !reader.interval.is_zero() && *wake > Instant::now());
                first = Some((sequence, held.map_or(candidate, Candidate::Held)));
            }
        }
        match first {
            None => Next::Nothing(None),
            Some((_, candidate)) => self.give(candidate, artifacts),
        }
    }

    fn choose<'a>(
        &self,
        name: &'a Arc<str>,
        pending: &Pending<'a>,
        reader: &Reader<'_>,
        artifacts: &Artifacts,
    ) -> Candidate<'a> {
        let count = pending.events.len();
        if count == 1
            || (reader.interval.is_zero()
                && count <= PENDING
                && !(pending.only_tiles && pending.bytes > reader.event_bytes))
        {
            return Candidate::AsIs(pending.events[0]);
        }
        let whole = artifacts.state(name).map_or(0, |state| state.tensor.bytes());
        if pending.only_tiles && pending.bytes <= whole.min(reader.event_bytes) {
            return Candidate::Tiles(pending.events.clone());
        }
        Candidate::Whole(name, count as u64 - 1)
    }

    fn give(&self, candidate: Candidate<'_>, artifacts: &Artifacts) -> Next {
        match candidate {
            Candidate::AsIs(event) => Next::Event(Arc::clone(event)),
            Candidate::Held(wake) => Next::Nothing(Some(wake)),
            Candidate::Tiles(events) => merge(&events).map_or(Next::Nothing(None), |event| Next::Merged(event, 0)),
            Candidate::Whole(name, skipped) => {
                let Some((sequence, elapsed, keyframe)) = artifacts.as_keyframe(name) else {
                    return Next::Nothing(None);
                };
                let Some(run) = self.entries.back().map(|entry| Arc::clone(&entry.event.run)) else {
                    return Next::Nothing(None);
                };
                Next::Merged(RunEvent { run, sequence, elapsed, kind: EventKind::Keyframe(keyframe) }, skipped)
            }
        }
    }
}

enum Candidate<'a> {
    AsIs(&'a Arc<RunEvent>),
    /// Several tiles in one event.
    Tiles(Vec<&'a Arc<RunEvent>>),
    /// The artifact as it stands; how many frames that leaves out.
    Whole(&'a Arc<str>, u64),
    /// A frame that has to wait.
    Held(Instant),
}

impl Candidate<'_> {
    fn sequence(&self, artifacts: &Artifacts) -> Option<u64> {
        match self {
            Self::AsIs(event) => Some(event.sequence),
            Self::Tiles(events) => events.last().map(|event| event.sequence),
            Self::Whole(name, _) => artifacts.state(name).map(|state| state.last_sequence),
            Self::Held(_) => None,
        }
    }
}

fn merge(events: &[&Arc<RunEvent>]) -> Option<RunEvent> {
    let mut merged = (***events.last()?).clone();
    let EventKind::Tiles(first) = &events.first()?.kind else { return None };
    let EventKind::Tiles(tiles) = &mut merged.kind else { return None };
    tiles.base_sequence = first.base_sequence;
    tiles.tiles = events
        .iter()
        .filter_map(|event| if let EventKind::Tiles(tiles) = &event.kind { Some(&tiles.tiles) } else { None })
        .flatten()
        .cloned()
        .collect();
    Some(merged)
}

fn size(kind: &EventKind) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emission::Frame;
    use crate::json::{ArtifactDescriptor, ArtifactKind};
    use crate::runs::event::Progress;

    /// A run without a run: a row of eight cells that tiles fill in.
    struct Fake {
        log: Log,
        artifacts: Artifacts,
    }

    impl Fake {
        fn new(limit: usize) -> Self {
            let map = ArtifactDescriptor { id: "map".into(), kind: ArtifactKind::Map, ..Default::default() };
            Self { log: Log::new(limit), artifacts: Artifacts::new(vec![map], 1 << 20) }
        }
        fn push(&mut self, kind: EventKind) {
            let sequence = self.log.last() + 1;
            self.log.push(RunEvent { run: "r".into(), sequence, elapsed: Duration::ZERO, kind });
        }
        fn frame<'a>(data: &'a [f32], meta: &'a str) -> Frame<'a> {
            Frame { artifact: "map", kind: 1, shape: vec![1, data.len()], data, standard_error: None, meta }
        }
        fn keyframe(&mut self) {
            let frame = Self::frame(&[0.0; 8], "{\"cell\":[1,1]}");
            let kind = self.artifacts.keyframe(&frame, self.log.last() + 1, Duration::ZERO).unwrap();
            self.push(kind);
        }
        fn tile(&mut self, x: u32, value: f32) {
            let kind =
                self.artifacts.tile(&Self::frame(&[value], ""), (0, x), self.log.last() + 1, Duration::ZERO).unwrap();
            self.push(kind);
        }
        fn read(&self, after: u64, interval: Duration) -> Vec<RunEvent> {
            let (mut after, mut events, shown) = (after, Vec::new(), BTreeMap::new());
            loop {
                let reader = Reader { after, interval, shown: &shown, event_bytes: 1 << 18 };
                let event = match self.log.next(&reader, &self.artifacts) {
                    Next::Event(event) => (*event).clone(),
                    Next::Merged(event, _) => event,
                    Next::Nothing(_) => return events,
                };
                assert!(event.sequence > after, "sequence numbers grow");
                after = event.sequence;
                events.push(event);
            }
        }
    }

    /// What a client that had `map` would have after `events`.
    fn replay(mut map: Vec<f32>, events: &[RunEvent]) -> Vec<f32> {
        for event in events {
            match &event.kind {
                EventKind::Keyframe(frame) => map = frame.tensor.data.to_vec(),
                EventKind::Tiles(tiles) => {
                    for tile in &tiles.tiles {
                        map[tile.x as usize] = tile.tensor.data[0];
                    }
                }
                _ => {}
            }
        }
        map
    }

    fn sweep(limit: usize) -> Fake {
        let mut fake = Fake::new(limit);
        fake.push(EventKind::StateChanged(crate::RunState::Queued));
        fake.keyframe();
        for x in 0..8 {
            fake.push(EventKind::Progress(Progress { done: u64::from(x), ..Progress::default() }));
            fake.tile(x, x as f32 + 1.0);
        }
        fake
    }

    #[test]
    fn a_reader_that_keeps_up_sees_every_event_in_order() {
        let fake = sweep(1 << 20);
        let events = fake.read(0, Duration::ZERO);
        // Of the progress only the newest is still worth telling.
        assert_eq!(events.len(), 2 + 8 + 1);
        assert_eq!(replay(Vec::new(), &events), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn resuming_anywhere_leads_to_the_same_map_whether_or_not_the_log_still_has_it_all() {
        for (limit, interval) in [(1 << 20, 0), (900, 0), (0, 0), (1 << 20, 1000), (900, 1000)] {
            let whole = sweep(1 << 20);
            let fake = sweep(limit);
            for after in 0..=fake.log.last() {
                // What the client had, from what it has seen up to `after` at full detail.
                let seen: Vec<_> =
                    whole.read(0, Duration::ZERO).into_iter().filter(|event| event.sequence <= after).collect();
                let had = replay(Vec::new(), &seen);
                let events = fake.read(after, Duration::from_millis(interval));
                let has = replay(had, &events);
                assert_eq!(has, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "limit {limit}, resumed after {after}");
            }
        }
    }

    #[test]
    fn a_late_reader_of_a_trimmed_log_gets_the_state_and_one_keyframe() {
        let mut fake = sweep(1 << 20);
        fake.log.trim();
        fake.push(EventKind::Heartbeat);
        let kinds: Vec<_> = fake.read(0, Duration::ZERO).into_iter().map(|event| event.kind).collect();
        assert!(matches!(kinds[..], [EventKind::StateChanged(_), EventKind::Keyframe(_), EventKind::Heartbeat]));
    }

    #[test]
    fn many_pending_tiles_become_one_keyframe_and_some_are_merged() {
        let mut fake = Fake::new(1 << 20);
        fake.keyframe();
        for x in 0..40 {
            fake.tile(x % 8, x as f32);
        }
        let events = fake.read(1, Duration::ZERO);
        assert!(matches!(&events[..], [RunEvent { kind: EventKind::Keyframe(_), sequence: 41, .. }]));
    }

    #[test]
    fn the_log_is_bounded_in_bytes_and_forgets_repeated_heartbeats() {
        let mut fake = Fake::new(4096);
        fake.keyframe();
        for x in 0..1000 {
            fake.tile(x % 8, 1.0);
        }
        assert!(fake.log.bytes() <= 4096);
        let before = fake.log.entries.len();
        for _ in 0..100 {
            fake.push(EventKind::Heartbeat);
        }
        assert!(fake.log.entries.len() <= before + 1);
    }

    #[test]
    fn a_frame_that_comes_too_soon_waits_until_its_time() {
        let mut fake = Fake::new(1 << 20);
        fake.keyframe();
        fake.tile(0, 1.0);
        let now = Instant::now();
        let shown = BTreeMap::from([(Arc::from("map"), now)]);
        let interval = Duration::from_secs(5);
        let reader = Reader { after: 1, interval, shown: &shown, event_bytes: 1 << 18 };
        let Next::Nothing(Some(wake)) = fake.log.next(&reader, &fake.artifacts) else { panic!("held back") };
        assert_eq!(wake, now + interval);
    }
}
