//! Reading a run's log through a cursor: what a watcher gets next, merged where it is behind, held back where it wants to
//! see less. What falls out of the log is not lost for a map: the artifact comes as it stands instead of its parts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accumulate::Artifacts;
use super::event::{EventKind, Keyframe, RunEvent, Tiles};
use super::log::{Log, size};

/// More pending frames of one artifact than this are merged.
const PENDING: usize = 32;
/// A frame that is to wait for longer than any clock can tell is looked at again after this.
const LONG: Duration = Duration::from_secs(24 * 3600);

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
    /// Bytes from which even a single event of tiles does.
    pub event_bytes_hard: usize,
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
    /// The next event for a reader. `artifacts` is their state after the last event.
    pub(super) fn next(&self, reader: &Reader<'_>, artifacts: &Artifacts) -> Next {
        let recent = || self.recent(reader.after);
        let old = self.sticky().iter().filter(|event| event.sequence > reader.after);
        let (frames, newest_progress) = self.pending(reader, recent());

        let superseded = |event: &RunEvent| match event.kind {
            EventKind::Keyframe(_) | EventKind::Tiles(_) => true,
            EventKind::Progress(_) => event.sequence < newest_progress,
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
                let event = RunEvent { run: Arc::clone(self.run()), sequence, elapsed, kind };
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
        for (name, &lost) in self.evicted() {
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
        if reader.interval.is_zero() || self.is_finished() {
            return None;
        }
        let name = match candidate {
            Candidate::AsIs(event) => artifact(&event.kind)?,
            Candidate::Tiles(pending) => artifact(&pending.events.first()?.kind)?,
            Candidate::Whole(name, _) => name,
        };
        let now = Instant::now();
        let seen = reader.seen.get(name)?;
        Some(seen.at.checked_add(reader.interval).unwrap_or(now + LONG)).filter(|wake| *wake > now)
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
            let fits = matches!(first.kind, EventKind::Keyframe(_)) || size(&first.kind) <= reader.event_bytes_hard;
            if fits && (count == 1 || (reader.interval.is_zero() && few)) {
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
                let reader = Reader { after, interval, seen: &seen, event_bytes: 1 << 18, event_bytes_hard: 1 << 20 };
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
        fake.push(EventKind::Metrics(BTreeMap::new()));
        let kinds: Vec<_> = fake.read(0, Duration::ZERO).into_iter().map(|event| event.kind).collect();
        assert!(matches!(kinds[..], [EventKind::StateChanged(_), EventKind::Keyframe(_), EventKind::Metrics(_)]));
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
    fn the_log_is_bounded_in_bytes_and_forgets_progress_that_is_repeated() {
        let mut fake = Fake::new(4096);
        fake.keyframe();
        for x in 0..1000 {
            fake.tile(x % 8, 1.0);
        }
        assert!(fake.log.bytes() <= 4096);
        let before = fake.log.recent(0).count();
        for _ in 0..100 {
            fake.push(EventKind::Progress(Progress::default()));
        }
        assert!(fake.log.recent(0).count() <= before + 1);
    }

    #[test]
    fn a_frame_that_comes_too_soon_waits_until_its_time() {
        let mut fake = Fake::new(1 << 20);
        fake.keyframe();
        fake.tile(0, 1.0);
        let now = Instant::now();
        let seen = BTreeMap::from([(Arc::from("map"), Seen { at: now, sequence: 1, through: 1 })]);
        let wake = |interval| {
            let reader = Reader { after: 1, interval, seen: &seen, event_bytes: 1 << 18, event_bytes_hard: 1 << 20 };
            let Next::Nothing(Some(wake)) = fake.log.next(&reader, &fake.artifacts) else { panic!("held back") };
            wake
        };
        assert_eq!(wake(Duration::from_secs(5)), now + Duration::from_secs(5));
        assert!(wake(Duration::MAX) > now + Duration::from_secs(5), "no clock can tell that time");
    }

    #[test]
    fn tiles_that_are_too_large_for_an_event_become_the_artifact_as_it_stands() {
        let mut fake = Fake::new(1 << 20);
        fake.keyframe();
        fake.tile(0, 1.0);
        let seen = BTreeMap::new();
        for (event_bytes_hard, whole) in [(1 << 20, false), (16, true)] {
            let reader = Reader { after: 1, interval: Duration::ZERO, seen: &seen, event_bytes: 16, event_bytes_hard };
            let kind = match fake.log.next(&reader, &fake.artifacts) {
                Next::Event(event) => event.kind.clone(),
                Next::Merged { event, .. } => event.kind,
                Next::Nothing(_) => panic!("there is a tile"),
            };
            assert_eq!(matches!(kind, EventKind::Keyframe(_)), whole);
        }
    }
}
