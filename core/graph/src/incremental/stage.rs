//! One stage of the way: a run of nodes that is recomputed in a window, and where along one axis the windows of its
//! values lie. Every value of a stage is computed for exactly the cells that its readers in the stage need; padding is
//! left where a window reaches over the border of the picture, and nowhere else.
//!
//! Windows that differ in size or in padding are different programs, so places are gathered into few *classes*: windows
//! at the low border, at the high border, between them, and the whole axis where a window would touch both borders.

use super::interval::{Interval, Read};
use super::space::Space;
use std::ops::Range;

/// Nodes `nodes` of a [`Space`], with the cells that they take from before and leave for after.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) nodes: Range<usize>,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
}

impl Stage {
    pub(super) fn new(space: &Space, nodes: Range<usize>) -> Self {
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for node in &space.nodes[nodes.clone()] {
            for (_, cells) in &node.inputs {
                let before = space.cells[*cells].maker.is_none_or(|maker| maker < nodes.start);
                if before && !inputs.contains(cells) {
                    inputs.push(*cells);
                }
            }
            let read_later = |cells: &usize| {
                let cells = &space.cells[*cells];
                cells.leaves || cells.last_reader.is_some_and(|reader| reader >= nodes.end)
            };
            outputs.extend(node.outputs.iter().copied().filter(read_later));
        }
        Self { nodes, inputs, outputs }
    }
}

/// Where the windows of a stage lie along one axis, for one place of the occluder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// What of each input is taken, in the order of the stage's inputs.
    pub(super) inputs: Vec<Interval>,
    /// What each node computes.
    pub(super) nodes: Vec<Interval>,
    /// What each node reads, in the order of its inputs.
    pub(super) reads: Vec<Vec<Read>>,
}

impl Layout {
    /// Goes from the windows of the outputs back to what they are made of. `None` if one is made of padding alone.
    fn of(space: &Space, stage: &Stage, axis: usize, windows: &[Interval]) -> Option<Self> {
        let first = stage.nodes.start;
        let nodes = &space.nodes[stage.nodes.clone()];
        let mut layout = Self {
            inputs: vec![Interval::EMPTY; stage.inputs.len()],
            nodes: vec![Interval::EMPTY; nodes.len()],
            reads: vec![Vec::new(); nodes.len()],
        };
        for (cells, window) in stage.outputs.iter().zip(windows) {
            let maker = space.cells[*cells].maker? - first;
            layout.nodes[maker] = layout.nodes[maker].hull(*window);
        }
        for (number, node) in nodes.iter().enumerate().rev() {
            for (_, cells) in &node.inputs {
                let read = node.motion[axis].read(layout.nodes[number], space.cells[*cells].size[axis])?;
                layout.reads[number].push(read);
                let needed = match space.cells[*cells].maker.filter(|maker| *maker >= first) {
                    Some(maker) => &mut layout.nodes[maker - first],
                    None => &mut layout.inputs[stage.inputs.iter().position(|input| input == cells)?],
                };
                *needed = needed.hull(read.range);
            }
        }
        Some(layout)
    }

    /// What `node` of the stage reads of its input `number`, beginning with the first cell that is there at all.
    pub(super) fn source(&self, space: &Space, stage: &Stage, node: usize, number: usize) -> Interval {
        let cells = space.nodes[stage.nodes.start + node].inputs[number].1;
        match space.cells[cells].maker.filter(|maker| *maker >= stage.nodes.start) {
            Some(maker) => self.nodes[maker - stage.nodes.start],
            None => {
                let input = stage.inputs.iter().position(|input| *input == cells);
                self.inputs[input.expect("a stage lists what it reads from before")]
            }
        }
    }

    fn touches(&self) -> (bool, bool) {
        let reads = || self.reads.iter().flatten();
        (reads().any(|read| read.before > 0), reads().any(|read| read.after > 0))
    }

    /// What two layouts share that can be computed by the same program.
    fn signature(&self, space: &Space, stage: &Stage) -> Vec<i64> {
        let mut signature: Vec<i64> = self.inputs.iter().chain(&self.nodes).map(|interval| interval.len()).collect();
        for (node, reads) in self.reads.iter().enumerate() {
            for (number, read) in reads.iter().enumerate() {
                let source = self.source(space, stage, node, number);
                signature.extend([read.range.lo - source.lo, read.range.len(), read.before, read.after]);
            }
        }
        signature
    }
}

/// The windows of a stage along one axis, for every place of the occluder.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// One layout of each class.
    pub(super) classes: Vec<Layout>,
    /// The class of each place.
    pub(super) class: Vec<usize>,
    /// The layout of each place.
    pub(super) layouts: Vec<Layout>,
}

impl Axis {
    /// `changed` holds, for each place, the changed cells of each value of `space`.
    pub(super) fn of(space: &Space, stage: &Stage, axis: usize, changed: &[&[Interval]]) -> Option<Self> {
        let sizes: Vec<i64> = stage.outputs.iter().map(|cells| space.cells[*cells].size[axis]).collect();
        let of_outputs = |place: &&[Interval]| stage.outputs.iter().map(|cells| place[*cells]).collect::<Vec<_>>();
        let wanted: Vec<Vec<Interval>> = changed.iter().map(of_outputs).collect();
        let windows = choose(&wanted, &sizes, |windows| Layout::of(space, stage, axis, windows).map(|l| l.touches()));
        let (mut classes, mut signatures) = (Vec::new(), Vec::new());
        let (mut class, mut layouts) = (Vec::new(), Vec::new());
        for windows in &windows {
            let layout = Layout::of(space, stage, axis, windows)?;
            let signature = layout.signature(space, stage);
            let number = signatures.iter().position(|known| *known == signature).unwrap_or_else(|| {
                signatures.push(signature);
                classes.push(layout.clone());
                signatures.len() - 1
            });
            class.push(number);
            layouts.push(layout);
        }
        Some(Self { classes, class, layouts })
    }

    /// How many cells node `number` of the stage computes on average, and input `number` takes.
    pub(super) fn mean(&self, interval: impl Fn(&Layout) -> Interval) -> f64 {
        self.layouts.iter().map(|layout| interval(layout).len() as f64).sum::<f64>() / self.layouts.len() as f64
    }
}

/// A window for each output at each place, which holds what is `wanted` of it, with few different sizes among them.
/// `touches` says whether windows make something reach over the low and the high border.
fn choose(
    wanted: &[Vec<Interval>],
    sizes: &[i64],
    touches: impl Fn(&[Interval]) -> Option<(bool, bool)>,
) -> Vec<Vec<Interval>> {
    let whole: Vec<Interval> = sizes.iter().map(|size| Interval::whole(*size)).collect();
    let mut windows = vec![whole; wanted.len()];
    // Between the borders: all of one size, each where it is needed.
    let mut between: Vec<usize> = (0..wanted.len()).collect();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for last in [false, true] {
        let longest: Vec<i64> = (0..sizes.len())
            .map(|output| between.iter().map(|place| wanted[*place][output].len()).max().unwrap_or(0).max(1))
            .collect();
        let mut stay = Vec::new();
        for place in std::mem::take(&mut between) {
            let shifted: Vec<Interval> = (0..sizes.len())
                .map(|output| {
                    let lo = wanted[place][output].lo.min(sizes[output] - longest[output]);
                    Interval { lo, hi: lo + longest[output] }
                })
                .collect();
            match touches(&shifted) {
                Some((false, false)) => {
                    stay.push(place);
                    windows[place] = shifted;
                }
                Some((true, false)) => low.push(place),
                Some((false, true)) => high.push(place),
                // Whole, unless it fits with a smaller size next time.
                _ if last => {}
                _ => stay.push(place),
            }
        }
        between = stay;
    }
    // At the borders: from the border to as far as any of them needs, in one or two sizes.
    let reach = |place: usize, at_high: bool| -> Vec<i64> {
        let of = |(interval, size): (&Interval, &i64)| if at_high { size - interval.lo } else { interval.hi };
        wanted[place].iter().zip(sizes).map(of).collect()
    };
    for (places, at_high) in [(low, false), (high, true)] {
        for group in groups(&places, |place| reach(place, at_high)) {
            let reaches: Vec<Vec<i64>> = group.iter().map(|place| reach(*place, at_high)).collect();
            for &place in &group {
                windows[place] = (0..sizes.len())
                    .map(|output| {
                        let longest = reaches.iter().map(|reach| reach[output]).max().unwrap_or(1).max(1);
                        let lo = if at_high { sizes[output] - longest } else { 0 };
                        Interval { lo, hi: lo + longest }
                    })
                    .collect();
            }
        }
    }
    windows
}

/// `places` in one or two groups of about the same reach, two only where that saves much.
fn groups(places: &[usize], reach: impl Fn(usize) -> Vec<i64>) -> Vec<Vec<usize>> {
    /// Of the cells of one group, what a second must save.
    const WORTH: f64 = 0.12;
    let total = |place: &usize| reach(*place).iter().sum::<i64>();
    let mut sorted = places.to_vec();
    sorted.sort_by_key(total);
    let Some(longest) = sorted.last().map(total) else { return Vec::new() };
    let cost = |split: usize| {
        let shorter = split.checked_sub(1).map_or(0, |last| total(&sorted[last]));
        (split as i64 * shorter + (sorted.len() - split) as i64 * longest) as f64
    };
    let best = (0..sorted.len()).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0);
    if best == 0 || cost(best) > (1.0 - WORTH) * cost(0) {
        return vec![sorted];
    }
    let longer = sorted.split_off(best);
    vec![sorted, longer]
}
