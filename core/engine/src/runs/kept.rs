//! Finished runs, in the order in which they finished or were last asked for: how long they are kept, and how many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::run::Run;
use super::timer::Appointment;
use crate::config::Limits;

#[derive(Default)]
pub(super) struct Kept {
    by_place: BTreeMap<u64, Entry>,
    /// Those whose logs have not been trimmed.
    whole: BTreeSet<u64>,
    /// The next one's place.
    next: u64,
    /// Of all, and never less than it is: logs are trimmed by the last watcher, too.
    bytes: usize,
}

pub(super) struct Entry {
    pub run: Arc<Run>,
    bytes: usize,
    _expiry: Option<Appointment>,
}

impl Kept {
    /// Takes in a run that has finished, as the last one; gives its place and what it takes up. When its time is over
    /// `expired` is called, on the timer's thread, with the place.
    pub(super) fn add(&mut self, run: &Arc<Run>, expired: impl FnOnce(u64) + Send + 'static) -> (u64, usize) {
        let (place, bytes) = (self.next, run.bytes());
        self.next += 1;
        let _expiry = run.clock.after(run.limits.result_age, move || expired(place));
        self.by_place.insert(place, Entry { run: Arc::clone(run), bytes, _expiry });
        self.whole.insert(place);
        self.bytes += bytes;
        (place, bytes)
    }

    pub(super) fn remove(&mut self, place: u64) -> Option<Entry> {
        let entry = self.by_place.remove(&place)?;
        self.whole.remove(&place);
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// The place of the first run if there are too many; logs are trimmed before that.
    pub(super) fn excess(&mut self, limits: &Limits) -> Option<u64> {
        while self.bytes > limits.result_bytes && self.trim_first() {}
        let too_many = self.bytes > limits.result_bytes || self.by_place.len() > limits.results;
        self.by_place.first_key_value().filter(|_| too_many).map(|(place, _)| *place)
    }

    /// Trims the first log that is still whole. False: none is.
    fn trim_first(&mut self) -> bool {
        let Some(place) = self.whole.pop_first() else { return false };
        if let Some(entry) = self.by_place.get_mut(&place) {
            entry.run.trim();
            self.bytes -= entry.bytes;
            entry.bytes = entry.run.bytes();
            self.bytes += entry.bytes;
        }
        true
    }
}
