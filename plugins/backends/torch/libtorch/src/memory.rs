//! Keeps the C library from giving large blocks back to the kernel after every operator: libtorch allocates and frees each
//! activation, and faulting the pages in again costs more than many an operator.

use std::sync::Once;

/// Blocks up to here come from the heap.
const MMAP_THRESHOLD: libc::c_int = 1 << 30;
/// Free memory at the heap's end that is kept.
const TRIM_THRESHOLD: libc::c_int = 512 << 20;

/// Sets the thresholds, once for the process. Where the C library has none, nothing happens.
pub(crate) fn keep_large_blocks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_env = "gnu")]
        // SAFETY: mallopt takes numbers and may be called at any time. Refusing them changes nothing.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
        }
    });
}
