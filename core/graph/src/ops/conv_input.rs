//! The gradient of a convolution with respect to its input.
//!
//! Stride 1: a convolution with the kernel flipped. Larger strides: the result's pixels fall into stride² *phases*,
//! each a convolution of the cotangent with a part of the kernel at the cotangent's own resolution, interleaved
//! afterwards. Convolutions exist in a runtime's fastest layout; ConvTranspose, the fallback, mostly does not.

use crate::builder::{Builder, Window};
use crate::{Error, Tensor, ValueId};
use std::sync::Arc;

type Made = Result<ValueId, Error>;

/// Output channels that an engine's convolution makes at a time.
const BLOCK: i64 = 16;

/// The cotangent of the input, of spatial `sizes`, of a convolution along `window` with `weights` whose output has the
/// cotangent `g`.
pub(super) fn gradient(
    b: &mut Builder<'_>,
    g: ValueId,
    weights: ValueId,
    window: &Window,
    group: i64,
    sizes: &[i64],
) -> Made {
    let Some(constant) = b.constant(weights) else {
        return b.conv_transpose(g, weights, window, group, sizes);
    };
    if let Some(made) = narrowed(b, g, &constant, window, group, sizes)? {
        return Ok(made);
    }
    let outputs = b.shape(g)?[2..].to_vec();
    if window.strides.iter().all(|stride| *stride == 1) {
        return flipped(b, g, &constant, window, group, sizes, &outputs);
    }
    match (&*window.strides, outputs.len()) {
        ([y, x], 2) if y == x => phases(b, g, &constant, window, group, sizes, &outputs),
        _ => b.conv_transpose(g, weights, window, group, sizes),
    }
}

/// A 1×1 convolution that leaves fewer channels than it gets, of a cotangent in phases: made in each phase, so that only
/// the narrow result needs to be interleaved.
fn narrowed(
    b: &mut Builder<'_>,
    g: ValueId,
    weights: &Arc<Tensor>,
    window: &Window,
    group: i64,
    sizes: &[i64],
) -> Result<Option<ValueId>, Error> {
    let pointwise = group == 1 && *window == Window::dense(&[1, 1]);
    let (from, to) = (weights.shape()[0], weights.shape()[1]);
    let Some(phases) = b.phases_of(g).filter(|_| pointwise && to < from) else { return Ok(None) };
    let mut parts = Vec::with_capacity(phases.parts.len());
    for part in phases.parts {
        let cells = b.shape(part)?[2..].to_vec();
        parts.push(Some(flipped(b, part, weights, window, group, &cells, &cells)?));
    }
    let shape = [b.shape(g)?[0], to, sizes[0], sizes[1]];
    b.interleave(&parts, phases.stride, &shape).map(Some)
}

fn flipped(
    b: &mut Builder<'_>,
    g: ValueId,
    weights: &Arc<Tensor>,
    window: &Window,
    group: i64,
    sizes: &[i64],
    outputs: &[i64],
) -> Made {
    let mut back = window.clone();
    for axis in 0..sizes.len() {
        let reach = window.extent(axis) - 1;
        back.before[axis] = reach - window.before[axis];
        back.after[axis] = sizes[axis] - outputs[axis] + window.before[axis];
    }
    let taps: Vec<Taps> = window.kernel.iter().map(|size| (0..*size).rev().map(Some).collect()).collect();
    let kernel = b.derive(&[weights], format!("flipped, {group} groups"), || pick(weights, group, &[taps]));
    b.conv(g, kernel, &back, group)
}

/// For each cell of a kernel along one axis, the cell of the forward kernel that stands there.
type Taps = Vec<Option<i64>>;

/// What phase `phase` of an axis sees: result cell `q·stride + phase` is the sum over `(offset, tap)` of the kernel's
/// cell `tap` times the cotangent's cell `q + offset`.
fn sees(window: &Window, axis: usize, phase: i64) -> Vec<(i64, i64)> {
    let stride = window.strides[axis];
    (0..window.kernel[axis])
        .map(|tap| (phase + window.before[axis] - tap * window.dilations[axis], tap))
        .filter(|(distance, _)| distance % stride == 0)
        .map(|(distance, tap)| (distance / stride, tap))
        .collect()
}

/// One axis of a convolution that makes a phase: from which offset on, and the taps.
struct Reach {
    first: i64,
    taps: Taps,
}

impl Reach {
    /// The smallest that covers `sees`, or what `other` covers too.
    fn covering(sees: &[(i64, i64)], all: &[(i64, i64)]) -> Option<Self> {
        let first = all.iter().map(|(offset, _)| *offset).min()?;
        let last = all.iter().map(|(offset, _)| *offset).max()?;
        let mut taps = vec![None; (last - first + 1) as usize];
        for (offset, tap) in sees {
            taps[(offset - first) as usize] = Some(*tap);
        }
        Some(Self { first, taps })
    }

    /// The window of a convolution that makes `cells` result cells per phase from `outputs` cotangent cells.
    fn window(axes: &[&Self], cells: &[i64], outputs: &[i64]) -> Window {
        let kernel: Vec<i64> = axes.iter().map(|axis| axis.taps.len() as i64).collect();
        let mut window = Window::dense(&kernel);
        for (index, axis) in axes.iter().enumerate() {
            window.before[index] = -axis.first;
            window.after[index] = cells[index] + axis.first + kernel[index] - 1 - outputs[index];
        }
        window
    }
}

fn phases(
    b: &mut Builder<'_>,
    g: ValueId,
    weights: &Arc<Tensor>,
    window: &Window,
    group: i64,
    sizes: &[i64],
    outputs: &[i64],
) -> Made {
    let stride = window.strides[0];
    let cells: Vec<i64> = sizes.iter().map(|size| (size + stride - 1) / stride).collect();
    let shape = [b.shape(g)?[0], weights.shape()[1] * group, sizes[0], sizes[1]];
    let of_axis =
        |axis: usize| -> Vec<Vec<(i64, i64)>> { (0..stride).map(|phase| sees(window, axis, phase)).collect() };
    let (rows, columns) = (of_axis(0), of_axis(1));
    let pairs = || (0..stride).flat_map(|y| (0..stride).map(move |x| (y as usize, x as usize)));
    let alive = pairs().filter(|(y, x)| !rows[*y].is_empty() && !columns[*x].is_empty()).count();
    let recipe = |what: &str| format!("{what}, {group} groups, {window:?}");

    if group == 1 && alive > 1 && shape[1] < BLOCK {
        // Few channels: all phases in one go, so that blocks of output channels are full.
        let (all_rows, all_columns) = (rows.concat(), columns.concat());
        let reach = |sees: &[Vec<(i64, i64)>], all: &[(i64, i64)]| -> Vec<Reach> {
            sees.iter().map(|sees| Reach::covering(sees, all).expect("a live phase")).collect()
        };
        let (rows, columns) = (reach(&rows, &all_rows), reach(&columns, &all_columns));
        let taps: Vec<[Taps; 2]> = pairs().map(|(y, x)| [rows[y].taps.clone(), columns[x].taps.clone()]).collect();
        let kernel = b.derive(&[weights], recipe("all phases"), || pick(weights, 1, &taps));
        let stacked = b.conv(g, kernel, &Reach::window(&[&rows[0], &columns[0]], &cells, outputs), 1)?;
        b.interleave_stacked(stacked, stride, &shape)
    } else {
        // A phase of its own has no zeros to multiply; and depthwise kernels are fastest with one output per group.
        let mut parts = Vec::new();
        for (y, x) in pairs() {
            let reach = (Reach::covering(&rows[y], &rows[y]), Reach::covering(&columns[x], &columns[x]));
            parts.push(match reach {
                (Some(row), Some(column)) => {
                    let taps = [row.taps.clone(), column.taps.clone()];
                    let kernel =
                        b.derive(&[weights], recipe(&format!("phase {y} {x}")), || pick(weights, group, &[taps]));
                    Some(b.conv(g, kernel, &Reach::window(&[&row, &column], &cells, outputs), group)?)
                }
                _ => None,
            });
        }
        b.interleave(&parts, stride, &shape)
    }
}

/// Kernels that take a cotangent of M channels to C channels, one for each entry of `phases` after the other: weights
/// (M×C/group×…) with input and output channels exchanged within each group, and the cells picked by taps per axis.
fn pick<T: AsRef<[Taps]>>(weights: &Tensor, group: i64, phases: &[T]) -> Tensor {
    let data = weights.to_f64();
    let shape = weights.shape();
    let (groups, per_group) = (group as usize, shape[1] as usize);
    let outputs = shape[0] as usize / groups;
    let plane: usize = shape[2..].iter().product::<i64>() as usize;
    let axes: Vec<i64> = phases[0].as_ref().iter().map(|taps| taps.len() as i64).collect();
    let mut picked = Vec::new();
    for phase in phases {
        let cells = cells(phase.as_ref(), &shape[2..]);
        for channel in 0..groups * per_group {
            let (own, channel) = (channel / per_group, channel % per_group);
            for output in own * outputs..(own + 1) * outputs {
                let start = (output * per_group + channel) * plane;
                picked.extend(cells.iter().map(|cell| cell.map_or(0.0, |cell| data[start + cell] as f32)));
            }
        }
    }
    let mut result = vec![phases.len() as i64 * shape[1] * group, outputs as i64];
    result.extend(axes);
    Tensor::f32(&result, &picked)
}

/// The flat index into a kernel of `sizes` of each cell picked by `taps` per axis.
fn cells(taps: &[Taps], sizes: &[i64]) -> Vec<Option<usize>> {
    let mut cells = vec![Some(0)];
    for (taps, size) in taps.iter().zip(sizes) {
        cells = cells
            .iter()
            .flat_map(|cell| {
                taps.iter().map(move |tap| Some(cell.as_ref()? * *size as usize + usize::try_from((*tap)?).ok()?))
            })
            .collect();
    }
    cells
}
