//! One thread for everything that happens at a time: deadlines, lingering, giving up on a plugin.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

struct Due {
    at: Instant,
    /// Jobs of the same moment run in the order in which they came.
    order: u64,
    job: Job,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[derive(Default)]
struct Plan {
    due: BinaryHeap<Reverse<Due>>,
    next: u64,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    plan: Mutex<Plan>,
    changed: Condvar,
}

/// Its thread ends when it is dropped; what is due later is forgotten.
pub(crate) struct Timer {
    shared: Arc<Shared>,
}

impl Timer {
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("whyglass-timer".to_owned()).spawn(move || theirs.serve())?;
        Ok(Self { shared })
    }

    /// Runs `job` at `at`, on the timer's thread: it must not block.
    pub(crate) fn at(&self, at: Instant, job: impl FnOnce() + Send + 'static) {
        let mut plan = self.shared.plan.lock();
        let order = plan.next;
        plan.next += 1;
        plan.due.push(Reverse(Due { at, order, job: Box::new(job) }));
        self.shared.changed.notify_one();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut plan = self.shared.plan.lock();
        plan.stopped = true;
        plan.due.clear();
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn serve(&self) {
        let mut plan = self.plan.lock();
        while !plan.stopped {
            match plan.due.peek().map(|Reverse(due)| due.at) {
                None => self.changed.wait(&mut plan),
                Some(at) if at > Instant::now() => {
                    self.changed.wait_until(&mut plan, at);
                }
                Some(_) => {
                    if let Some(Reverse(due)) = plan.due.pop() {
                        parking_lot::MutexGuard::unlocked(&mut plan, || {
                            // A job that panics is a bug of ours; the others still have their time.
                            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(due.job));
                            if outcome.is_err() {
                                tracing::error!("a timed job panicked");
                            }
                        });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn jobs_run_in_the_order_of_their_time_and_a_panic_stops_none() {
        let timer = Timer::start().unwrap();
        let (send, receive) = mpsc::channel();
        let now = Instant::now();
        for (name, after) in [("late", 60), ("early", 20), ("bad", 10)] {
            let send = send.clone();
            timer.at(now + Duration::from_millis(after), move || {
                assert_ne!(name, "bad");
                send.send(name).unwrap();
            });
        }
        assert_eq!(receive.recv().unwrap(), "early");
        assert_eq!(receive.recv().unwrap(), "late");
        assert!(now.elapsed() >= Duration::from_millis(60));
    }
}
