//! One thread for everything that happens at a time: deadlines, lingering, giving up on a plugin.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

/// When a job is due; those of the same moment run in the order in which they came.
type Due = (Instant, u64);

#[derive(Default)]
struct Plan {
    due: BTreeMap<Due, Job>,
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

/// A job that is due; it is called off when this is dropped, so that nothing waits for what has ended before.
#[must_use]
pub(crate) struct Appointment {
    timer: Weak<Shared>,
    due: Due,
}

impl Drop for Appointment {
    fn drop(&mut self) {
        let Some(timer) = self.timer.upgrade() else { return };
        let job = timer.plan.lock().due.remove(&self.due);
        // What the job holds is let go of outside the lock.
        drop(job);
    }
}

impl Timer {
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("whyglass-timer".to_owned()).spawn(move || theirs.serve())?;
        Ok(Self { shared })
    }

    /// Runs `job` at `at`, on the timer's thread: it must not block.
    pub(crate) fn at(&self, at: Instant, job: impl FnOnce() + Send + 'static) -> Appointment {
        let mut plan = self.shared.plan.lock();
        let due = (at, plan.next);
        plan.next += 1;
        plan.due.insert(due, Box::new(job));
        self.shared.changed.notify_one();
        Appointment { timer: Arc::downgrade(&self.shared), due }
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
            match plan.due.first_key_value().map(|((at, _), _)| *at) {
                None => self.changed.wait(&mut plan),
                Some(at) if at > Instant::now() => {
                    self.changed.wait_until(&mut plan, at);
                }
                Some(_) => {
                    if let Some((_, job)) = plan.due.pop_first() {
                        parking_lot::MutexGuard::unlocked(&mut plan, || {
                            // A job that panics is a bug of ours; the others still have their time.
                            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
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
        let at = |(name, after)| {
            let send = send.clone();
            timer.at(now + Duration::from_millis(after), move || {
                assert_ne!(name, "bad");
                send.send(name).unwrap();
            })
        };
        let _kept = [("late", 60), ("early", 20), ("bad", 10)].map(at);
        assert_eq!(receive.recv().unwrap(), "early");
        assert_eq!(receive.recv().unwrap(), "late");
        assert!(now.elapsed() >= Duration::from_millis(60));
    }

    #[test]
    fn what_is_called_off_does_not_happen_and_is_not_kept() {
        let timer = Timer::start().unwrap();
        let (send, receive) = mpsc::channel::<()>();
        let soon = Instant::now() + Duration::from_millis(20);
        let never = timer.at(soon, move || send.send(()).unwrap());
        drop(never);
        assert_eq!(receive.recv_timeout(Duration::from_millis(60)), Err(mpsc::RecvTimeoutError::Disconnected));
        assert!(timer.shared.plan.lock().due.is_empty());
    }
}
