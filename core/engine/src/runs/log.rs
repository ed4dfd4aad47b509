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

/// What a reader has been given of one artifact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub at: Instant,
    /// The sequence number that the last frame was given under.
    pub sequence: u64,
    /// That frame had in it everything up to this event.
    pub through: u64,
}

/// Where a reader stands. `after` alone is enough to resume from: whoever has seen everything up to it, and is given
/// everything after it, has the same artifacts in the end. `seen` only saves repetition.
pub(super) struct Reader<'a> {
    pub after: u64,
    /// At most one frame per artifact in this time.
    pub interval: Duration,
    pub seen: &'a BTreeMap<Arc<str>, Seen>,
    /// Bytes from which pending tiles become a keyframe.
    pub event_bytes: usize,
}

/// What a reader gets next.
pub(super) enum Next {
    Event(Arc<RunEvent>),
    /// One frame instead of several: it has in it everything `through` an event, and leaves out so many frames. It comes
    /// under the number of the *first* event that it replaces, so that nothing in between is passed over; a reader
    /// that breaks off there and resumes is given the others again, which changes nothing.
    Merged {
        event: RunEvent,
        through: u64,
        skipped: u64,
    },
    /// Nothing, at least until the time given.
    Nothing(Option<Instant>),
}

/// The frames of one artifact that a reader has not seen.
#[derive(Default)]
struct Pending<'a> {
    /// The number of the last one that has fallen out of the log, if that was not seen either.
    lost: Option<u64>,
    events: Vec<&'a Arc<RunEvent>>,
    bytes: usize,
    only_tiles: bool,
}

/// What stands first for a reader.
enum Candidate<'a> {
    AsIs(&'a Arc<RunEvent>),
    /// Several tiles in one event.
    Tiles(&'a Pending<'a>),
    /// The artifact as it stands.
    Whole(&'a Arc<str>, &'a Pending<'a>),
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
        let (frames, newest_progress) = self.pending(reader, recent());

        let superseded = |event: &RunEvent| match event.kind {
            EventKind::Keyframe(_) | EventKind::Tiles(_) => true,
            EventKind::Progress(_) => event.sequence < newest_progress,
            EventKind::Heartbeat => event.sequence < self.last,
            _ => false,
        };
        let plain = old.chain(recent()).filter(|event| !superseded(event)).min_by_key(|event| event.sequence);
        let mut first = plain.map(|event| (event.sequence, Candidate::AsIs(event)));
        for (name, pending) in &frames {
            let Some(sequence) = pending.sequence() else { continue };
            if first.as_ref().is_none_or(|(lowest, _)| sequence < *lowest) {
                first = Some((sequence, pending.candidate(name, reader, artifacts)));
            }
        }
        let Some((sequence, candidate)) = first else { return Next::Nothing(None) };
        // What comes later waits too: a number that has been given says that everything before it has been.
        if let Some(wake) = self.held_until(&candidate, reader) {
            return Next::Nothing(Some(wake));
        }
        match candidate {
            Candidate::AsIs(event) => Next::Event(Arc::clone(event)),
            Candidate::Tiles(pending) => {
                let through = pending.events.last().map_or(sequence, |event| event.sequence);
                merge(&pending.events).map_or(Next::Nothing(None), |event| Next::Merged { event, through, skipped: 0 })
            }
            Candidate::Whole(name, pending) => {
                let Some((through, elapsed, keyframe)) = artifacts.as_keyframe(name) else {
                    return Next::Nothing(None);
                };
                let kind = EventKind::Keyframe(keyframe);
                let event = RunEvent { run: Arc::clone(&self.run), sequence, elapsed, kind };
                Next::Merged { event, through, skipped: pending.skipped() }
            }
        }
    }

    /// The unseen frames of each artifact, and the number of the newest progress.
    fn pending<'a>(
        &'a self,
        reader: &Reader<'_>,
        recent: impl Iterator<Item = &'a Arc<RunEvent>>,
    ) -> (BTreeMap<&'a Arc<str>, Pending<'a>>, u64) {
        let seen = |name: &Arc<str>| reader.seen.get(name).map_or(0, |seen| seen.through).max(reader.after);
        let blank = || Pending { only_tiles: true, ..Pending::default() };
        let mut frames: BTreeMap<&Arc<str>, Pending<'_>> = BTreeMap::new();
        for (name, &lost) in &self.evicted {
            if lost > seen(name) {
                frames.insert(name, Pending { lost: Some(lost), ..blank() });
            }
        }
        let mut newest_progress = 0;
        for event in recent {
            match &event.kind {
                EventKind::Keyframe(Keyframe { artifact, .. }) | EventKind::Tiles(Tiles { artifact, .. })
                    if event.sequence > seen(artifact) =>
                {
                    let pending = frames.entry(artifact).or_insert_with(blank);
                    pending.events.push(event);
                    pending.bytes += size(&event.kind);
                    pending.only_tiles &= matches!(event.kind, EventKind::Tiles(_));
                }
                EventKind::Progress(_) => newest_progress = event.sequence,
                _ => {}
            }
        }
        (frames, newest_progress)
    }

    /// When a frame may be given that would come too soon now. Nothing waits once the run has finished.
    fn held_until(&self, candidate: &Candidate<'_>, reader: &Reader<'_>) -> Option<Instant> {
        let finished = self.entries.back().is_some_and(|entry| matches!(entry.event.kind, EventKind::Finished(_)));
        if reader.interval.is_zero() || finished {
            return None;
        }
        let name = match candidate {
            Candidate::AsIs(event) => artifact(&event.kind)?,
            Candidate::Tiles(pending) => artifact(&pending.events.first()?.kind)?,
            Candidate::Whole(name, _) => name,
        };
        reader.seen.get(name).map(|seen| seen.at + reader.interval).filter(|wake| *wake > Instant::now())
    }
}

impl Pending<'_> {
    fn sequence(&self) -> Option<u64> {
        self.lost.or_else(|| self.events.first().map(|event| event.sequence))
    }

    fn skipped(&self) -> u64 {
        // How many were lost is not known; one at least.
        (self.events.len() as u64 + u64::from(self.lost.is_some())).saturating_sub(1)
    }

    fn candidate<'a>(&'a self, name: &'a Arc<str>, reader: &Reader<'_>, artifacts: &Artifacts) -> Candidate<'a> {
        let count = self.events.len();
        if let (None, Some(first)) = (self.lost, self.events.first()) {
            let few = count <= PENDING && !(self.only_tiles && self.bytes > reader.event_bytes);
            if count == 1 || (reader.interval.is_zero() && few) {
                return Candidate::AsIs(first);
            }
            let whole = artifacts.state(name).map_or(0, |state| state.tensor.bytes());
            if self.only_tiles && self.bytes <= whole.min(reader.event_bytes) {
                return Candidate::Tiles(self);
            }
        }
        Candidate::Whole(name, self)
    }
}

fn artifact(kind: &EventKind) -> Option<&Arc<str>> {
    match kind {
        EventKind::Keyframe(Keyframe { artifact, .. }) | EventKind::Tiles(Tiles { artifact, .. }) => Some(artifact),
        _ => None,
    }
}

/// All tiles in one event, in the place of the first.
fn merge(events: &[&Arc<RunEvent>]) -> Option<RunEvent> {
    let mut merged = (***events.first()?).clone();
    merged.elapsed = events.last()?.elapsed;
    let EventKind::Tiles(tiles) = &mut merged.kind else { return None };
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
            Self { log: Log::new(&Arc::from("r"), limit), artifacts: Artifacts::new(vec![map], 1 << 20) }
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
            let (mut after, mut events, mut seen) = (after, Vec::new(), BTreeMap::new());
            loop {
                let reader = Reader { after, interval, seen: &seen, event_bytes: 1 << 18 };
                let (event, through) = match self.log.next(&reader, &self.artifacts) {
                    Next::Event(event) => ((*event).clone(), event.sequence),
                    Next::Merged { event, through, .. } => (event, through),
                    Next::Nothing(_) => return events,
                };
                assert!(event.sequence > after, "sequence numbers grow");
                after = event.sequence;
                if artifact(&event.kind).is_some() {
                    // Long ago: nothing is held back.
                    let at = Instant::now() - Duration::from_secs(60);
                    seen.insert(Arc::from("map"), Seen { at, sequence: after, through });
                }
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
    fn breaking_off_after_any_event_and_resuming_leads_to_the_same_map() {
        let modes = [(1 << 20, 0), (900, 0), (0, 0), (1 << 20, 1000), (900, 1000), (2000, 1000)];
        for (limit, interval) in modes {
            let first = sweep(limit).read(0, Duration::from_millis(interval));
            for seen in 0..=first.len() {
                let had = replay(Vec::new(), &first[..seen]);
                let after = seen.checked_sub(1).map_or(0, |last| first[last].sequence);
                for (limit, interval) in modes {
                    let rest = sweep(limit).read(after, Duration::from_millis(interval));
                    let map = replay(had.clone(), &rest);
                    assert_eq!(map, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "{limit} {interval} after {after}");
                }
            }
        }
    }

    #[test]
    fn a_notice_between_merged_frames_is_not_passed_over() {
        let mut fake = Fake::new(1 << 20);
        fake.keyframe();
        for x in 0..40 {
            fake.tile(x % 8, x as f32);
            if x == 20 {
                fake.push(EventKind::Notice { reason: "SETTLED".into(), message: String::new() });
            }
        }
        let events = fake.read(0, Duration::ZERO);
        assert!(matches!(&events[..], [frame, notice]
            if matches!(frame.kind, EventKind::Keyframe(_)) && matches!(notice.kind, EventKind::Notice { .. })));
        assert_eq!(events[0].sequence, 1, "in the place of the first frame that it replaces");
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
        assert!(matches!(&events[..], [RunEvent { kind: EventKind::Keyframe(_), sequence: 2, .. }]));
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
        let seen = BTreeMap::from([(Arc::from("map"), Seen { at: now, sequence: 1, through: 1 })]);
        let interval = Duration::from_secs(5);
        let reader = Reader { after: 1, interval, seen: &seen, event_bytes: 1 << 18 };
        let Next::Nothing(Some(wake)) = fake.log.next(&reader, &fake.artifacts) else { panic!("held back") };
        assert_eq!(wake, now + interval);
    }
}
