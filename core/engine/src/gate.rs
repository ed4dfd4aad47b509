//! Who is inside a thing that a plugin has made: as many at a time as its descriptor allows, and at its end nobody. A
//! plugin, a technique and a model have a gate each.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
struct State {
    inside: u32,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Gate {
    limit: u32,
    state: Mutex<State>,
    left: Condvar,
}

/// Somebody inside, who leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Inside(Arc<Gate>);

impl Gate {
    /// `limit` 0: any number at a time.
    pub(crate) fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::default(), left: Condvar::new() })
    }

    /// Waits while as many are inside as there may be. `None`: `cancelled` says that waiting is over, or the gate is closed.
    pub(crate) fn enter(self: &Arc<Self>, cancelled: impl Fn() -> bool) -> Option<Inside> {
        let mut state = self.state.lock();
        while !state.closed && self.limit > 0 && state.inside >= self.limit {
            // Whoever cancels does not know that we wait here, so look now and then.
            self.left.wait_for(&mut state, Duration::from_millis(100));
            if cancelled() {
                return None;
            }
        }
        if state.closed {
            return None;
        }
        state.inside += 1;
        Some(Inside(Arc::clone(self)))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Lets nobody in any more. True: nobody is inside.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.state.lock();
        state.closed = true;
        self.left.notify_all();
        state.inside == 0
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.state.lock().inside -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_inside_than_may_be_and_none_enters_a_closed_gate() {
        let gate = Gate::new(1);
        let first = gate.enter(|| false).unwrap();
        assert!(gate.enter(|| true).is_none(), "it is full, and waiting is over");
        assert!(!gate.close(), "somebody is inside");
        drop(first);
        assert!(gate.close());
        assert!(gate.enter(|| false).is_none());
        let any = Gate::new(0);
        let _inside = [(); 3].map(|()| any.enter(|| true).unwrap());
    }
}
