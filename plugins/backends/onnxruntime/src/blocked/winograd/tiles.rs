//! One convolution: cut into tiles, which are transformed, multiplied, and transformed back.
//!
//! A task is some tiles by some of the outputs. Tasks share nothing but what they read, and write to places of their own.

use super::filter::PANEL;
use super::multiply::{GROUP, multiply};
use super::scheme::Scheme;
use crate::blocked::lanes::{Block, LANES, Lanes, load, store};
use std::arch::x86_64::{__m512, _mm512_add_ps, _mm512_max_ps, _mm512_min_ps, _mm512_set1_ps, _mm512_setzero_ps};
use std::array;
use std::ops::Range;

/// Tiles of a task, at most. What they are transformed into stays within a processor's second cache.
const MOST: usize = 2 * GROUP;
/// So few tiles are one task's nevertheless: where there are no more, the filters are many, and would be read twice.
const FEW: usize = 3 * GROUP;

/// What is convolved, in blocks of channels, and cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) images: usize,
    /// Blocks of channels.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Cells of the input.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Rows of zeros above and columns of zeros left of it.
    pub(super) top: usize,
    pub(super) left: usize,
    /// Cells of the output.
    pub(super) rows_out: usize,
    pub(super) columns_out: usize,
}

impl Shape {
    fn tiles_across(&self) -> usize {
        self.columns_out.div_ceil(2)
    }

    fn tiles_of_an_image(&self) -> usize {
        self.rows_out.div_ceil(2) * self.tiles_across()
    }

    /// In blocks.
    pub(super) fn input(&self) -> usize {
        self.images * self.inputs * self.rows * self.columns
    }

    /// In blocks.
    pub(super) fn output(&self) -> usize {
        self.images * self.outputs * self.rows_out * self.columns_out
    }
}

/// How a convolution is divided: by tiles, or by outputs where there are few tiles, so that the filters are read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Division {
    tiles: usize,
    chunks: usize,
    panels: usize,
    parts: usize,
}

impl Division {
    /// For so many threads.
    pub(super) fn new(shape: &Shape, threads: usize) -> Self {
        let (tiles, panels) = (shape.images * shape.tiles_of_an_image(), shape.outputs.div_ceil(PANEL));
        let are_few = tiles <= if panels >= threads { FEW } else { MOST };
        let (chunks, parts) = match tiles {
            0 => (0, 0),
            // All threads have as much to do.
            tiles if !are_few => (tiles.div_ceil(MOST).next_multiple_of(threads).min(tiles), 1),
            _ => (1, threads.min(panels)),
        };
        Self { tiles, chunks, panels, parts }
    }

    pub(super) fn tasks(&self) -> usize {
        self.chunks * self.parts
    }

    /// The tiles, and the panels, of a task.
    fn of(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let (chunk, part) = (task / self.parts, task % self.parts);
        let share = |all: usize, index: usize, of: usize| all * index / of..all * (index + 1) / of;
        (share(self.tiles, chunk, self.chunks), share(self.panels, part, self.parts))
    }
}

/// Where outputs go, and what is added to them, which may lie in the same place.
pub(super) struct Places {
    output: *mut Block,
    sum: Option<*const Block>,
    len: usize,
}

// SAFETY: each block is read and written by one task only.
unsafe impl Sync for Places {}

impl Places {
    /// # Safety
    /// Both are `len` blocks that are alive as long as this is, and that nobody else changes. No two threads may use the same
    /// index.
    pub(super) unsafe fn new(output: *mut Block, sum: Option<*const Block>, len: usize) -> Self {
        Self { output, sum, len }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn put(&self, index: usize, lanes: __m512, bounds: [__m512; 2]) {
        assert!(index < self.len);
        let lanes = match self.sum {
            // SAFETY: within what `new` was promised.
            Some(sum) => _mm512_add_ps(lanes, load(unsafe { &*sum.add(index) })),
            None => lanes,
        };
        // In this order what is no number stays none.
        let lanes = _mm512_min_ps(bounds[1], _mm512_max_ps(bounds[0], lanes));
        // SAFETY: within what `new` was promised; what was read above is not looked at again.
        store(unsafe { &mut *self.output.add(index) }, lanes);
    }
}

/// A convolution of which everything is at hand.
pub(super) struct Convolution<'a> {
    pub(super) shape: Shape,
    /// By image, block of channels, row, column.
    pub(super) input: &'a [Block],
    /// As [`super::filter::transform`] has them.
    pub(super) filters: &'a [Block],
    /// By block of outputs.
    pub(super) bias: Option<&'a [Block]>,
    /// What outputs are held within, once everything is added.
    pub(super) lower: f32,
    pub(super) upper: f32,
    /// By image, block of outputs, row, column.
    pub(super) places: Places,
}

/// What a task computes in.
#[derive(Default)]
pub(super) struct Scratch {
    /// By product, group of tiles, block of inputs, tile.
    tiles: Vec<Lanes>,
    /// By product, panel, tile, block of outputs of the panel.
    sums: Vec<Lanes>,
}

/// The first `len` of `memory`, which keeps what it has ever grown to: what is in it does not matter.
fn at_least(memory: &mut Vec<Lanes>, len: usize) -> &mut [Lanes] {
    if memory.len() < len {
        memory.resize(len, Lanes([0.0; LANES]));
    }
    &mut memory[..len]
}

/// The tiles of a task in groups of about equal size.
#[derive(Clone, Copy)]
struct Groups {
    count: usize,
    size: usize,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { count, size: count.div_ceil(count.div_ceil(GROUP)) }
    }

    fn each(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).step_by(self.size).map(move |start| start..(start + self.size).min(self.count))
    }
}

impl Convolution<'_> {
    #[target_feature(enable = "avx512f")]
    pub(super) fn compute<S: Scheme<N, R>, const N: usize, const R: usize>(
        &self,
        division: &Division,
        task: usize,
        scratch: &mut Scratch,
    ) {
        let (tiles, panels) = division.of(task);
        let groups = Groups::new(tiles.len());
        let blocks = PANEL * panels.start..(PANEL * panels.end).min(self.shape.outputs);
        let tiles_taken = at_least(&mut scratch.tiles, N * N * groups.count * self.shape.inputs);
        let sums = at_least(&mut scratch.sums, N * N * groups.count * blocks.len());
        self.take_apart::<S, N, R>(tiles.start, groups, tiles_taken);
        self.multiply(groups, blocks.clone(), tiles_taken, sums);
        self.put_together::<S, N, R>(tiles.start, groups.count, blocks, sums);
    }

    /// `BᵀdB` of the tiles from `first`.
    #[target_feature(enable = "avx512f")]
    fn take_apart<S: Scheme<N, R>, const N: usize, const R: usize>(
        &self,
        first: usize,
        groups: Groups,
        tiles: &mut [Lanes],
    ) {
        let product = groups.count * self.shape.inputs;
        for group in groups.each() {
            for tile in group.clone() {
                let (image, row, column) = self.place(first + tile);
                for block in 0..self.shape.inputs {
                    let seen =
                        self.seen::<S, N, R>(image * self.shape.inputs + block, row * S::STRIDE, column * S::STRIDE);
                    let place = group.start * self.shape.inputs + block * group.len() + tile - group.start;
                    // SAFETY: this function takes AVX-512, too.
                    let rows = seen.map(|row| unsafe { S::input(row) });
                    for column in 0..N {
                        // SAFETY: as above.
                        let numbers = unsafe { S::input(array::from_fn(|row| rows[row][column])) };
                        for (row, number) in numbers.into_iter().enumerate() {
                            store(&mut tiles[(row * N + column) * product + place].0, number);
                        }
                    }
                }
            }
        }
    }

    /// Each product by itself.
    #[target_feature(enable = "avx512f")]
    fn multiply(&self, groups: Groups, blocks: Range<usize>, tiles: &[Lanes], sums: &mut [Lanes]) {
        let Shape { inputs, outputs, .. } = self.shape;
        let channels = inputs * LANES;
        let tiles = tiles.chunks_exact(groups.count * inputs);
        let sums = sums.chunks_exact_mut(groups.count * blocks.len());
        for ((tiles, sums), filters) in tiles.zip(sums).zip(self.filters.chunks_exact(channels * outputs)) {
            for panel in blocks.clone().step_by(PANEL) {
                let width = PANEL.min(outputs - panel);
                let filters = &filters[panel * channels..(panel + width) * channels];
                let sums = &mut sums[(panel - blocks.start) * groups.count..];
                for group in groups.each() {
                    let tiles = &tiles[group.start * inputs..group.end * inputs];
                    multiply(tiles, filters, group.len(), &mut sums[group.start * width..group.end * width]);
                }
            }
        }
    }

    /// `Aᵀ[…]A` of the tiles from `first`, with all that is done to an output.
    #[target_feature(enable = "avx512f")]
    fn put_together<S: Scheme<N, R>, const N: usize, const R: usize>(
        &self,
        first: usize,
        count: usize,
        blocks: Range<usize>,
        sums: &[Lanes],
    ) {
        let Shape { outputs, rows_out, columns_out, .. } = self.shape;
        let bounds = [self.lower, self.upper].map(|bound| _mm512_set1_ps(bound));
        let product = count * blocks.len();
        for tile in 0..count {
            let (image, row, column) = self.place(first + tile);
            for block in blocks.clone() {
                let panel = block / PANEL * PANEL;
                let width = PANEL.min(outputs - panel);
                let place = (panel - blocks.start) * count + tile * width + block - panel;
                // SAFETY: this function takes AVX-512, too.
                let rows: [[__m512; 2]; N] = array::from_fn(|row| unsafe {
                    S::output(array::from_fn(|column| load(&sums[(row * N + column) * product + place].0)))
                });
                let bias = self.bias.map_or(_mm512_setzero_ps(), |bias| load(&bias[block]));
                for right in 0..2.min(columns_out - column) {
                    // SAFETY: as above.
                    let numbers = unsafe { S::output(rows.map(|row| row[right])) };
                    for (down, number) in numbers.into_iter().enumerate().take(rows_out - row) {
                        let cell = ((image * outputs + block) * rows_out + row + down) * columns_out + column + right;
                        self.places.put(cell, _mm512_add_ps(number, bias), bounds);
                    }
                }
            }
        }
    }

    /// The image of a tile, and the row and column of its first output.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (across, all) = (self.shape.tiles_across(), self.shape.tiles_of_an_image());
        let (image, tile) = (tile / all, tile % all);
        (image, tile / across * 2, tile % across * 2)
    }

    /// What a tile sees of a plane of the input, from `row` and `column` on, rows and columns of zeros around it included.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn seen<S: Scheme<N, R>, const N: usize, const R: usize>(
        &self,
        plane: usize,
        row: usize,
        column: usize,
    ) -> [[__m512; N]; N] {
        let Shape { rows, columns, top, left, .. } = self.shape;
        let plane = &self.input[plane * rows * columns..][..rows * columns];
        let inside = row >= top && row - top + N <= rows && column >= left && column - left + N <= columns;
        let mut seen = [[_mm512_setzero_ps(); N]; N];
        for (down, line) in seen.iter_mut().enumerate() {
            if inside {
                let cells = &plane[(row - top + down) * columns + column - left..][..N];
                for (lanes, cell) in line.iter_mut().zip(cells) {
                    *lanes = load(cell);
                }
                continue;
            }
            for (right, lanes) in line.iter_mut().enumerate() {
                let (row, column) = ((row + down).wrapping_sub(top), (column + right).wrapping_sub(left));
                if row < rows && column < columns {
                    *lanes = load(&plane[row * columns + column]);
                }
            }
        }
        seen
    }
}
