//! A bounded cache whose entries are made once, however many threads ask for them at the same time.

use crate::slot::Slot;
use lru::LruCache;
use parking_lot::Mutex;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// When it is full the entry unused for longest goes; who holds it still, keeps it.
pub(super) struct Cache<K, V> {
    slots: Mutex<LruCache<K, Arc<Slot<V>>>>,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self { slots: Mutex::new(LruCache::new(capacity)) }
    }

    /// The entry of `key`, made with `make` if it is not there. Only those who want the same entry wait for it. A
    /// failure is not kept.
    pub(super) fn get<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let slot = Arc::clone(self.slots.lock().get_or_insert(key, Arc::default));
        slot.get(make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn cache(capacity: usize) -> Cache<u32, u32> {
        Cache::new(NonZeroUsize::new(capacity).unwrap())
    }

    #[test]
    fn threads_that_want_the_same_entry_make_it_once() {
        let cache = cache(4);
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let entry = cache.get(7, || {
                        made.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok::<_, Infallible>(49)
                    });
                    assert_eq!(*entry.unwrap(), 49);
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_entry_unused_for_longest_goes_first_and_a_failure_is_tried_again() {
        let cache = cache(2);
        let get = |key: u32, value: Result<u32, &'static str>| cache.get(key, || value).map(|entry| *entry);
        assert_eq!(get(1, Err("no")), Err("no"));
        assert_eq!(get(1, Ok(10)), Ok(10));
        assert_eq!(get(2, Ok(20)), Ok(20));
        assert_eq!(get(1, Ok(11)), Ok(10));
        assert_eq!(get(3, Ok(30)), Ok(30));
        assert_eq!(get(2, Ok(21)), Ok(21));
    }
}
