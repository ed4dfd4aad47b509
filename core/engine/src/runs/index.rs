//! Runs by their keys: which run a request is answered with whose like was asked for before. Results stay in here up to a
//! number of bytes, those used last; the runs themselves are the store's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::key::Key;
use super::run::Run;

#[derive(Default)]
pub(super) struct Index {
    runs: HashMap<Key, Entry>,
    /// Of results: the first was asked for the longest time ago.
    by_use: BTreeMap<u64, Key>,
    /// Of results.
    bytes: usize,
}

struct Entry {
    run: Arc<Run>,
    /// Of a result: where the store keeps it, and what it takes up.
    kept: Option<(u64, usize)>,
}

impl Index {
    /// The run of this key, with its place in the store if it has one.
    pub(super) fn find(&self, key: &Key) -> Option<(Arc<Run>, Option<u64>)> {
        let entry = self.runs.get(key)?;
        Some((Arc::clone(&entry.run), entry.kept.map(|(place, _)| place)))
    }

    /// A new run: of several with one key the newest is found, until one of them has a result.
    pub(super) fn enter(&mut self, run: &Arc<Run>) {
        self.put(run, None);
    }

    /// The store keeps the result of `run` at `place`, higher than any before.
    pub(super) fn keep(&mut self, run: &Arc<Run>, place: u64, bytes: usize) {
        if bytes > run.limits.cache_bytes {
            return self.forget(run);
        }
        self.put(run, Some((place, bytes)));
        while self.bytes > run.limits.cache_bytes
            && let Some((_, &key)) = self.by_use.first_key_value()
        {
            self.take(&key);
        }
    }

    /// It is found no more.
    pub(super) fn forget(&mut self, run: &Run) {
        if let Some(key) = &run.spec.key
            && self.runs.get(key).is_some_and(|entry| std::ptr::eq(&raw const *entry.run, run))
        {
            self.take(key);
        }
    }

    fn put(&mut self, run: &Arc<Run>, kept: Option<(u64, usize)>) {
        let Some(key) = run.spec.key else { return };
        self.take(&key);
        if let Some((place, bytes)) = kept {
            self.by_use.insert(place, key);
            self.bytes += bytes;
        }
        self.runs.insert(key, Entry { run: Arc::clone(run), kept });
    }

    fn take(&mut self, key: &Key) {
        if let Some(Entry { kept: Some((place, bytes)), .. }) = self.runs.remove(key) {
            self.by_use.remove(&place);
            self.bytes -= bytes;
        }
    }
}
