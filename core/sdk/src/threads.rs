//! Threads for a technique's own arithmetic, as many as its call may use: for parallel iterators of rayon.

use crate::{Call, Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Calls `work` with the threads of `call`, which have ended when this returns. `work` itself stays on the thread of the
/// run, where the model is asked and events are emitted; [`ThreadPool::install`] is for the arithmetic in between.
///
/// # Errors
/// `INTERNAL` if the system gives no threads; what `work` says.
pub fn with_threads<T>(call: &Call<'_>, work: impl FnOnce(&ThreadPool) -> Result<T>) -> Result<T> {
    let threads = ThreadPoolBuilder::new().num_threads(call.threads());
    let done = threads.build_scoped(rayon::ThreadBuilder::run, work);
    done.map_err(|error| Error::internal(format!("no threads: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Recorder;
    use rayon::prelude::*;

    #[test]
    fn there_are_as_many_threads_as_the_call_may_use_and_the_work_is_not_on_them() {
        let recorder = Recorder::new().with_threads(3);
        let here = std::thread::current().id();
        let sum = with_threads(&recorder.call(), |pool| {
            assert_eq!((pool.current_num_threads(), std::thread::current().id()), (3, here));
            Ok(pool.install(|| (0..100).into_par_iter().sum::<u32>()))
        });
        assert_eq!(sum.unwrap(), 4950);
        let refused = with_threads(&recorder.call(), |_| Err::<(), _>(Error::internal("no")));
        assert_eq!(refused.unwrap_err().message, "no");
    }
}
