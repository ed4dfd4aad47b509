//! The engine's blocked layout, as far as kernels of our own know it: a feature map lies by picture, block of channels, row,
//! column, channel of the block.

/// The engine's domain of operators whose feature maps lie in blocks.
pub(crate) const DOMAIN: &str = "com.microsoft.nchwc";

/// Channels of a block, where they [are known](are_known).
pub(crate) const LANES: usize = 16;

/// Whether blocks are known to hold [`LANES`]: on processors with AVX-512, which the engine asks in the same way. Elsewhere they are
/// smaller, and what relies on them is not done.
pub(crate) fn are_known() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
