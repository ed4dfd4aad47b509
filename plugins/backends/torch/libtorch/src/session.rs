//! What libtorch keeps per thread, set for the length of a call and put back after it.

use tch::{NoGradGuard, jit, utils};
use whyglass_sdk::{Call, Result};

use crate::error::torch;

/// The calling thread, ready for libtorch: as many threads as the call may use, no graph of autograd unless it is asked for.
pub(crate) struct Session {
    threads: i32,
    _no_grad: NoGradGuard,
}

impl Session {
    /// # Errors
    /// If libtorch refuses.
    pub(crate) fn enter(call: &Call<'_>) -> Result<Self> {
        Self::with_threads(call.threads())
    }

    /// # Errors
    /// If libtorch refuses.
    pub(crate) fn with_threads(threads: usize) -> Result<Self> {
        let before = utils::get_num_threads();
        utils::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
        // An optimised executor hides whole stretches of a module behind one node of autograd: then no gradient flows from
        // the scores to a layer inside. Without it each operator is a node, as in PyTorch itself.
        jit::f_set_graph_executor_optimize(false).map_err(torch)?;
        Ok(Self { threads: before, _no_grad: tch::no_grad_guard() })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        utils::set_num_threads(self.threads);
    }
}
