//! A place for what is made once, however many threads ask for it at the same time.

use parking_lot::Mutex;
use std::sync::Arc;

/// Empty until it is made; locked while it is.
pub(crate) struct Slot<V>(Mutex<Option<Arc<V>>>);

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<V> Slot<V> {
    /// What is here, made with `make` if it is not. Whoever wants it meanwhile waits: made twice, it would take as long, and
    /// twice the memory. A failure is not kept.
    pub(crate) fn get<E>(&self, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let mut slot = self.0.lock();
        if let Some(made) = &*slot {
            return Ok(Arc::clone(made));
        }
        Ok(Arc::clone(slot.insert(Arc::new(make()?))))
    }
}
