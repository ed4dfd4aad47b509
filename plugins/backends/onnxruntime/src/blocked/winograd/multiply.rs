//! The multiplications: of one product of the tiles, all inputs by all outputs.

use super::filter::PANEL;
use crate::blocked::lanes::{Block, LANES, Lanes, load, store};
use std::arch::x86_64::{_mm512_add_ps, _mm512_fmadd_ps, _mm512_set1_ps, _mm512_setzero_ps};

/// Tiles that are multiplied at once: with a panel of outputs each they fill the processor's registers.
pub(super) const GROUP: usize = 14;

/// Blocks of inputs that are added up before their sum goes to the others: a long sum is rounded more often.
const CHUNK: usize = 4;

/// `sums = filters · tiles` for a group of up to [`GROUP`] tiles and one panel of one or two blocks of outputs.
///
/// `tiles` are by block of inputs, tile; `filters` by input, block of outputs; `sums` by tile, block of outputs.
#[target_feature(enable = "avx512f")]
pub(super) fn multiply(tiles: &[Lanes], filters: &[Block], group: usize, sums: &mut [Lanes]) {
    let panel = sums.len() / group;
    let filters = filters.chunks(CHUNK * LANES * panel);
    for (chunk, (tiles, filters)) in tiles.chunks(CHUNK * group).zip(filters).enumerate() {
        macro_rules! sizes {
            ($($group:literal)*) => {
                match (group, panel) {
                    $(($group, PANEL) => block::<$group, PANEL>(tiles, filters, sums, chunk == 0),
                    ($group, _) => block::<$group, 1>(tiles, filters, sums, chunk == 0),)*
                    _ => unreachable!("a group has up to {GROUP} tiles"),
                }
            };
        }
        sizes!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

#[target_feature(enable = "avx512f")]
fn block<const GROUP: usize, const PANEL: usize>(
    tiles: &[Lanes],
    filters: &[Block],
    sums: &mut [Lanes],
    is_first: bool,
) {
    let mut totals = [[_mm512_setzero_ps(); PANEL]; GROUP];
    for (tiles, filters) in tiles.chunks_exact(GROUP).zip(filters.chunks_exact(LANES * PANEL)) {
        for (lane, filters) in filters.chunks_exact(PANEL).enumerate() {
            let mut filter = [_mm512_setzero_ps(); PANEL];
            for (filter, block) in filter.iter_mut().zip(filters) {
                *filter = load(block);
            }
            for (totals, tile) in totals.iter_mut().zip(tiles) {
                let number = _mm512_set1_ps(tile.0[lane]);
                for (total, filter) in totals.iter_mut().zip(filter) {
                    *total = _mm512_fmadd_ps(number, filter, *total);
                }
            }
        }
    }
    for (sums, totals) in sums.chunks_exact_mut(PANEL).zip(totals) {
        for (sum, total) in sums.iter_mut().zip(totals) {
            let all = if is_first { total } else { _mm512_add_ps(load(&sum.0), total) };
            store(&mut sum.0, all);
        }
    }
}
