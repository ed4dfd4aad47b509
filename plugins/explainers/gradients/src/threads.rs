//! The threads of a call, for what is done between one batch of gradients and the next.

use whyglass_sdk::{Call, Error, Result};

/// Does `work` where parallel iterators have as many threads as `call` may use.
///
/// # Errors
/// `INTERNAL` if the system gives no threads; what `work` says.
pub(crate) fn on_threads<T: Send>(call: &Call<'_>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(call.threads()).build();
    pool.map_err(|error| Error::internal(format!("no threads: {error}")))?.install(work)
}
