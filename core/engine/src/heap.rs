//! How many heaps the process has. glibc hands out up to eight for each core, one to each new thread, and every run is a
//! new thread: what finished runs keep then lies scattered over all of them, between what they have freed, and the
//! process grows by several times what it holds.

/// One heap per computing thread, from now on, and at least two. It also holds for plugins and the engines under them, which use the same library.
/// Elsewhere than on glibc there is nothing to say.
pub(crate) fn one_per(threads: u32) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let most = i32::try_from(threads.max(2)).unwrap_or(i32::MAX);
        // SAFETY: takes two numbers, and may be called at any time from any thread.
        let accepted = unsafe { libc::mallopt(libc::M_ARENA_MAX, most) };
        if accepted == 0 {
            tracing::warn!("the C library does not limit the number of its heaps");
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = threads;
}
