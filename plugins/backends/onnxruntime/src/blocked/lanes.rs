//! Sixteen numbers at once: a block of channels of one cell, as the engine lays them out and the processor adds them.

use std::arch::x86_64::{__m512, _mm512_loadu_ps, _mm512_storeu_ps};

/// Channels of a block.
pub(super) const LANES: usize = 16;

/// The attribute that says how many channels of a cell lie side by side in an operator's maps: [`LANES`], or 1 outside of blocks.
pub(super) const SIDE_BY_SIDE: &str = "side_by_side";

/// A block of channels where a tensor has it, aligned or not.
pub(super) type Block = [f32; LANES];

/// A block in memory of our own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) Block);

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn load(from: &Block) -> __m512 {
    // SAFETY: as many numbers as are read, which need not be aligned.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn store(to: &mut Block, lanes: __m512) {
    // SAFETY: as many numbers as are written, which need not be aligned.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), lanes) }
}
