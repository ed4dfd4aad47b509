//! How many heaps the process has. glibc hands out up to eight for each core, one to each new thread, and every run is a
//! new thread: what finished runs keep then lies scattered over all of them, between what they have freed, and the
//! process grows by several times what it holds.

/// At most one heap per computing thread from now on, and at least two; heaps that are there already stay, so that this is
/// to be said before there are many threads. It holds for plugins and the engines under them, too, which use the same
/// library. Elsewhere than on glibc nothing happens.
pub(crate) fn one_per(threads: u32) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let most = i32::try_from(threads.max(2)).unwrap_or(i32::MAX);
        // SAFETY: stores one number, under the library's own lock; whoever reads it meanwhile sees the old or the new.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, most) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = threads;
}
