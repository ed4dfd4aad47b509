//! What one call may cost: message sizes, its deadline, and how much blocking work goes on at once. The limits of runs
//! and pictures are the engine's.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::status::{busy, from_error, invalid, panicked};

/// Of a request: a picture of the largest allowed size and what surrounds it.
pub const MAX_REQUEST_BYTES: usize = 40 << 20;

/// A piece of an artifact.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Blocking calls that run at once, and that wait for their turn. Runs have threads of their own and are not counted.
const BLOCKING: usize = 8;
const WAITING: usize = 64;

/// Runs blocking work beside tokio's threads, a bounded amount of it.
#[derive(Clone, Debug)]
pub(super) struct Blocking {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Blocking {
    pub(super) fn new() -> Self {
        Self { running: Arc::new(Semaphore::new(BLOCKING)), admitted: Arc::new(Semaphore::new(BLOCKING + WAITING)) }
    }

    /// Runs `work` on a thread where it may block. It runs to its end even if the caller goes away, and counts until
    /// then.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when too much waits already, INTERNAL when `work` panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| busy("too many requests are waiting; try again in a moment"))?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| panicked())?;
        let task = tokio::task::spawn_blocking(move || {
            let _counted = (admitted, running);
            work()
        });
        task.await.map_err(|_| panicked())?
    }

    /// The same for work that fails with an engine's error.
    pub(super) async fn engine<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> whyglass_engine::Result<T> + Send + 'static,
    ) -> Result<T, Status> {
        self.run(|| work().map_err(from_error)).await
    }
}

/// The deadline that the client set for the call, if it did.
///
/// # Errors
/// INVALID_ARGUMENT for a header that is none.
pub(super) fn call_deadline(metadata: &MetadataMap) -> Result<Option<Duration>, Status> {
    let Some(value) = metadata.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse_timeout);
    parsed.map(Some).ok_or_else(|| invalid("grpc-timeout", "BAD_TIMEOUT", "use at most eight digits and one of HMSmun"))
}

/// The deadline of a run whose client hangs up after `timeout`: early enough for its result to arrive before that.
pub(super) fn run_deadline(timeout: Duration) -> Duration {
    timeout - (timeout / 10).min(Duration::from_millis(250))
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit_and_nonsense_is_refused() {
        assert_eq!(parse_timeout("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_timeout("99999999M"), Some(Duration::from_secs(99_999_999 * 60)));
        assert_eq!(parse_timeout("500m"), Some(Duration::from_millis(500)));
        assert_eq!(parse_timeout("7n"), Some(Duration::from_nanos(7)));
        for text in ["", "5", "m", "-1S", "123456789m", "5é", "5s"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }

    #[test]
    fn a_run_ends_before_its_client_hangs_up() {
        assert_eq!(run_deadline(Duration::from_millis(500)), Duration::from_millis(450));
        assert_eq!(run_deadline(Duration::from_secs(60)), Duration::from_millis(59_750));
        assert_eq!(run_deadline(Duration::ZERO), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_panic_in_blocking_work_is_internal_and_names_a_reason() {
        use tonic_types::StatusExt as _;
        let status = Blocking::new().run(|| -> Result<(), Status> { panic!("on purpose") }).await.expect_err("a panic");
        assert_eq!(status.code(), tonic::Code::Internal);
        assert_eq!(status.get_error_details().error_info().expect("info").reason, "PANIC");
    }

    #[tokio::test]
    async fn more_blocking_work_than_can_wait_is_refused() {
        let blocking = Blocking::new();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let calls: Vec<_> = (0..BLOCKING + WAITING)
            .map(|_| {
                let (blocking, gate) = (blocking.clone(), Arc::clone(&gate));
                tokio::spawn(async move {
                    let work = move || {
                        let _ = gate.lock().expect("nobody panics").recv();
                        Ok(())
                    };
                    blocking.run(work).await
                })
            })
            .collect();
        while blocking.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = blocking.run(|| Ok(())).await.expect_err("too much");
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        drop(release);
        for call in calls {
            call.await.expect("no panic").expect("admitted work is done");
        }
    }
}
