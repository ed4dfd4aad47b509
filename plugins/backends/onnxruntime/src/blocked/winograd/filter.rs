//! Filters as the tiles are multiplied by them.

use super::scheme::Scheme;
use crate::blocked::lanes::{Block, LANES, load, store};
use std::array;

/// Blocks of output channels that are computed together, but for the last if they are odd.
pub(super) const PANEL: usize = 2;

/// `GgGᵀ` of each filter of so many blocks of `outputs × inputs`, which lie as the engine has them: by block of outputs, block of
/// inputs, row, column, input; a block holds the outputs. They come by product, [panel](PANEL) of blocks of outputs, input, block of
/// the panel.
#[target_feature(enable = "avx512f")]
pub(super) fn transform<S: Scheme<N, R>, const N: usize, const R: usize>(
    filters: &[Block],
    outputs: usize,
    inputs: usize,
) -> Vec<Block> {
    let product = inputs * LANES * outputs;
    let mut transformed = vec![[0.0; LANES]; N * N * product];
    for (index, taps) in filters.chunks_exact(R * R * LANES).enumerate() {
        let (output, block) = (index / inputs, index % inputs);
        let panel = output / PANEL * PANEL;
        let width = PANEL.min(outputs - panel);
        for lane in 0..LANES {
            let place = panel * inputs * LANES + (block * LANES + lane) * width + output - panel;
            // SAFETY: this function takes AVX-512, too.
            let rows: [_; R] = array::from_fn(|row| unsafe {
                S::filter(array::from_fn(|column| load(&taps[(row * R + column) * LANES + lane])))
            });
            for column in 0..N {
                // SAFETY: as above.
                let numbers = unsafe { S::filter(rows.map(|row| row[column])) };
                for (row, numbers) in numbers.into_iter().enumerate() {
                    store(&mut transformed[(row * N + column) * product + place], numbers);
                }
            }
        }
    }
    transformed
}

#[cfg(test)]
mod tests {
    use super::super::scheme::Dense;
    use super::*;
    use crate::blocked::are_known;

    /// The filter that passes the middle through is an outer product of `G(0, 1, 0) = (0, ½, −½, 0)`.
    #[test]
    fn each_filter_lies_where_its_panel_is() {
        if !are_known() {
            return eprintln!("not on this processor");
        }
        let (outputs, inputs, input, lane) = (3, 2, 21, 5);
        let mut middle = vec![[0.0; LANES]; outputs * inputs * 9 * LANES];
        // Of the third block of outputs and the second of inputs.
        middle[((2 * inputs + 1) * 9 + 4) * LANES + input - LANES][lane] = 4.0;
        // SAFETY: blocks are known, which takes AVX-512.
        let transformed = unsafe { transform::<Dense, 4, 3>(&middle, outputs, inputs) };
        let ends = [0.0, 2.0, -2.0, 0.0];
        for (product, numbers) in transformed.chunks(inputs * LANES * outputs).enumerate() {
            let wanted = ends[product / 4] * ends[product % 4] / 4.0;
            // The third block is a panel by itself.
            assert_eq!(numbers[2 * inputs * LANES + input][lane], wanted, "product {product}");
            let others = numbers.as_flattened().iter().filter(|number| **number != 0.0).count();
            assert_eq!(others, usize::from(wanted != 0.0));
        }
    }
}
