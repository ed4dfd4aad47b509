//! Filters as the tiles are multiplied by them.

use super::PRODUCTS;
use crate::blocked::lanes::{Block, LANES};
use std::array;

/// Blocks of output channels that are computed together, but for the last if they are odd.
pub(super) const PANEL: usize = 2;

/// `GgGᵀ` of each filter of so many blocks of `outputs × inputs`, which lie as the engine has them: by block of outputs, block of
/// inputs, row, column, input; a block holds the outputs. They come by product, [panel](PANEL) of blocks of outputs, input, block of
/// the panel.
pub(super) fn transform(filters: &[Block], outputs: usize, inputs: usize) -> Vec<Block> {
    let product = inputs * LANES * outputs;
    let mut transformed = vec![[0.0; LANES]; PRODUCTS * product];
    for (index, taps) in filters.chunks_exact(9 * LANES).enumerate() {
        let (output, block) = (index / inputs, index % inputs);
        let panel = output / PANEL * PANEL;
        let width = PANEL.min(outputs - panel);
        for lane in 0..LANES {
            let place = panel * inputs * LANES + (block * LANES + lane) * width + output - panel;
            let rows = [0, 1, 2].map(|row| line([0, 1, 2].map(|column| taps[(row * 3 + column) * LANES + lane])));
            for column in 0..4 {
                for (row, numbers) in line(rows.map(|row| row[column])).into_iter().enumerate() {
                    transformed[(row * 4 + column) * product + place] = numbers;
                }
            }
        }
    }
    transformed
}

/// `Gg`.
fn line([a, b, c]: [Block; 3]) -> [Block; 4] {
    let ends: Block = array::from_fn(|lane| 0.5 * (a[lane] + c[lane]));
    [a, array::from_fn(|lane| ends[lane] + 0.5 * b[lane]), array::from_fn(|lane| ends[lane] - 0.5 * b[lane]), c]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filter that passes the middle through is an outer product of `G(0, 1, 0) = (0, ½, −½, 0)`.
    #[test]
    fn each_filter_lies_where_its_panel_is() {
        let (outputs, inputs, input, lane) = (3, 2, 21, 5);
        let mut middle = vec![[0.0; LANES]; outputs * inputs * 9 * LANES];
        // Of the third block of outputs and the second of inputs.
        middle[((2 * inputs + 1) * 9 + 4) * LANES + input - LANES][lane] = 4.0;
        let transformed = transform(&middle, outputs, inputs);
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
