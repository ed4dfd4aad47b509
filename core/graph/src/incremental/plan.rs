//! Chooses where the network is cut into stages and from where on it runs whole: the cheapest way by the cost model,
//! found by dynamic programming over the places where a cut makes sense.

use super::cost;
use super::interval::Interval;
use super::space::Space;
use super::stage::{Axis, Stage};
use super::{Error, Rect};
use crate::{Graph, ValueId};

/// A way must promise to be this much faster than running everything, or it is not worth its programs.
const WORTH: f64 = 1.1;
/// The most places of an occluder along one axis that are looked at while planning.
const SAMPLE: usize = 12;
/// Bytes of matrices that do not fit into any cache.
const HEAVY: usize = 64 << 20;
/// The most places for cuts.
const CUTS: usize = 40;

/// See the module. It belongs to one network at one picture size, and to the places of one sweep.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) graph: Graph,
    pub(super) space: Space,
    pub(super) stages: Vec<Planned>,
    pub(super) feeds: Vec<usize>,
    /// The different places of the occluder: rows, columns.
    pub(super) places: [Vec<Interval>; 2],
    /// Axis → place → cells: what the occluder can change.
    pub(super) changed: [Vec<Vec<Interval>>; 2],
    /// How much faster it should be.
    pub(super) gain: f64,
}

/// A stage with its windows, down and across.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) stage: Stage,
    pub(super) axes: [Axis; 2],
}

impl Plan {
    /// `graph` is specialised to one picture; `rects` lie inside of it.
    ///
    /// # Errors
    /// [`Error::NotIncremental`] with the reason.
    pub(crate) fn new(graph: &Graph, picture: ValueId, fetch: ValueId, rects: &[Rect]) -> Result<Self, Error> {
        let graph = graph.cut(&[picture], &[fetch])?;
        let space = Space::of(&graph, picture).ok_or_else(|| not("the input is not one picture".into()))?;
        let places = places(rects)?;
        let changed = spreads(&space, &places);
        let (cuts, gain) = Search::new(&graph, &space, &changed).run();
        if gain < WORTH || cuts.len() < 2 {
            let obstacle = space.obstacle.as_deref().unwrap_or("an occluder changes nearly everything from early on");
            return Err(not(format!("it would be {gain:.2} times as fast as running everything: {obstacle}")));
        }
        Ok(Self { gain, ..Self::with_cuts(graph, space, places, changed, &cuts)? })
    }

    /// A plan that is cut before each node of `cuts`, of which the first is 0 and the last is where the rest begins.
    fn with_cuts(
        graph: Graph,
        space: Space,
        places: [Vec<Interval>; 2],
        changed: [Vec<Vec<Interval>>; 2],
        cuts: &[usize],
    ) -> Result<Self, Error> {
        let all = |axis: usize| -> Vec<&[Interval]> { changed[axis].iter().map(Vec::as_slice).collect() };
        let stages = cuts.windows(2).map(|cut| {
            let stage = Stage::new(&space, cut[0]..cut[1]);
            let axes = [0, 1].map(|axis| Axis::of(&space, &stage, axis, &all(axis)));
            let [Some(down), Some(across)] = axes else { return None };
            Some(Planned { stage, axes: [down, across] })
        });
        let stages = stages.collect::<Option<Vec<_>>>();
        let stages = stages.ok_or_else(|| not("a window is made of padding alone".into()))?;
        let feeds = crossing(&space, cuts[cuts.len() - 1]);
        Ok(Self { graph, space, stages, feeds, places, changed, gain: 1.0 })
    }

    /// The value that `cells` are.
    pub(crate) fn cells(&self, cells: usize) -> ValueId {
        self.space.cells[cells].id
    }

    /// Cells that what runs whole begins with.
    pub(crate) fn feeds(&self) -> &[usize] {
        &self.feeds
    }

    /// Whether what runs whole multiplies with matrices so large that reading them is most of the work.
    pub(crate) fn is_heavy(&self) -> bool {
        let matrices = self.graph.nodes.iter().filter(|node| matches!(&*node.op, "Gemm" | "MatMul"));
        let weights = matrices.flat_map(|node| node.inputs.iter().flatten()).filter_map(|id| self.graph.constant(*id));
        weights.map(|tensor| tensor.bytes().len()).sum::<usize>() > HEAVY
    }

    /// Cells whose values for the picture itself are needed, without the picture.
    pub(crate) fn base(&self) -> Vec<usize> {
        let mut base: Vec<usize> = self.stages.iter().flat_map(|planned| &planned.stage.inputs).copied().collect();
        base.extend(&self.feeds);
        base.sort_unstable();
        base.dedup();
        base.retain(|cells| *cells != 0);
        base
    }
}

fn not(why: String) -> Error {
    Error::NotIncremental { why }
}

/// The different places of `rects`: rows, columns.
fn places(rects: &[Rect]) -> Result<[Vec<Interval>; 2], Error> {
    let rects = || rects.iter().filter(|rect| !rect.is_empty());
    let places = [
        distinct(rects().map(|rect| Interval::new(rect.top as i64, rect.bottom as i64))),
        distinct(rects().map(|rect| Interval::new(rect.left as i64, rect.right as i64))),
    ];
    if places[0].is_empty() { Err(not("no rectangle hides anything".into())) } else { Ok(places) }
}

fn spreads(space: &Space, places: &[Vec<Interval>; 2]) -> [Vec<Vec<Interval>>; 2] {
    [0, 1].map(|axis| places[axis].iter().map(|place| spread(space, axis, *place)).collect())
}

fn distinct(places: impl Iterator<Item = Interval>) -> Vec<Interval> {
    let mut places: Vec<Interval> = places.collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// What of each value can change where the picture does in `place`.
fn spread(space: &Space, axis: usize, place: Interval) -> Vec<Interval> {
    let mut changed = vec![Interval::EMPTY; space.cells.len()];
    changed[0] = place;
    for node in &space.nodes {
        let input = node.inputs.iter().fold(Interval::EMPTY, |hull, (_, cells)| hull.hull(changed[*cells]));
        for output in &node.outputs {
            changed[*output] = node.motion[axis].changed(input, space.cells[*output].size[axis]);
        }
    }
    changed
}

/// Cells that are made before node `cut` and read from there on.
fn crossing(space: &Space, cut: usize) -> Vec<usize> {
    let crosses = |number: &usize| {
        let cells = &space.cells[*number];
        let made = cells.maker.is_none_or(|maker| maker < cut);
        made && (cells.leaves || cells.last_reader.is_some_and(|reader| reader >= cut))
    };
    (0..space.cells.len()).filter(crosses).collect()
}

struct Search<'a> {
    space: &'a Space,
    /// A sample of the places.
    changed: [Vec<&'a [Interval]>; 2],
    /// Of each windowed node, all of it.
    costs: Vec<f64>,
    /// Of everything.
    whole: f64,
    cuts: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(graph: &Graph, space: &'a Space, changed: &'a [Vec<Vec<Interval>>; 2]) -> Self {
        let sample = |axis: usize| {
            let places = &changed[axis];
            let count = places.len().min(SAMPLE);
            (0..count).map(|n| places[n * places.len() / count].as_slice()).collect()
        };
        let costs = space.nodes.iter().map(|node| cost::of_node(graph, node.index)).collect();
        let whole = (0..graph.nodes.len()).map(|index| cost::of_node(graph, index)).sum();
        Self { space, changed: [sample(0), sample(1)], costs, whole, cuts: cuts(graph, space) }
    }

    /// The cuts of the cheapest way, from 0 to where everything runs whole; how much faster it is.
    fn run(&self) -> (Vec<usize>, f64) {
        let mut best = vec![(0.0, 0); self.cuts.len()];
        for to in 1..self.cuts.len() {
            best[to] = (0..to)
                .filter(|from| best[*from].0 < self.whole)
                .map(|from| (best[from].0 + self.stage(self.cuts[from], self.cuts[to]), from))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap_or((f64::INFINITY, 0));
        }
        let total = |at: usize| best[at].0 + self.rest(self.cuts[at]);
        let last = (0..self.cuts.len()).min_by(|a, b| total(*a).total_cmp(&total(*b))).unwrap_or(0);
        let mut way = vec![self.cuts[last]];
        let mut at = last;
        while at > 0 {
            at = best[at].1;
            way.push(self.cuts[at]);
        }
        way.reverse();
        (way, self.whole / total(last))
    }

    /// Of running nodes `from..to` in windows.
    fn stage(&self, from: usize, to: usize) -> f64 {
        let stage = Stage::new(self.space, from..to);
        let axes = [0, 1].map(|axis| Axis::of(self.space, &stage, axis, &self.changed[axis]));
        let [Some(down), Some(across)] = axes else { return f64::INFINITY };
        let mut cost = cost::EXECUTION;
        for node in stage.nodes.clone() {
            let number = node - from;
            let [height, width] = self.space.cells[self.space.nodes[node].outputs[0]].size;
            let share = down.mean(|layout| layout.nodes[number]) * across.mean(|layout| layout.nodes[number])
                / (height * width) as f64;
            cost += self.costs[node] * share;
        }
        for (number, cells) in stage.inputs.iter().enumerate() {
            let area = down.mean(|layout| layout.inputs[number]) * across.mean(|layout| layout.inputs[number]);
            cost += cost::moved(area * self.space.cells[*cells].channels as f64);
        }
        for cells in &stage.outputs {
            let Some(maker) = self.space.cells[*cells].maker else { continue };
            let number = maker - from;
            let area = down.mean(|layout| layout.nodes[number]) * across.mean(|layout| layout.nodes[number]);
            cost += cost::moved(area * self.space.cells[*cells].channels as f64);
        }
        cost
    }

    /// Of running everything from node `cut` on.
    fn rest(&self, cut: usize) -> f64 {
        let feeds: f64 = crossing(self.space, cut)
            .into_iter()
            .map(|number| {
                let cells = &self.space.cells[number];
                (cells.channels * cells.size[0] * cells.size[1]) as f64
            })
            .sum();
        let copied = if cut == 0 { 0.0 } else { cost::moved(feeds) };
        self.whole - self.costs[..cut].iter().sum::<f64>() + copied
    }
}

/// Where cuts make sense: not between a convolution and what the engine fuses into it.
fn cuts(graph: &Graph, space: &Space) -> Vec<usize> {
    let crossed = |cut: usize| -> f64 {
        let size = |number: usize| {
            let cells = &space.cells[number];
            (cells.channels * cells.size[0] * cells.size[1]) as f64
        };
        crossing(space, cut).into_iter().map(size).sum()
    };
    let fused = |cut: usize| {
        let next = &space.nodes[cut];
        let single = next.inputs.len() == 1 && next.motion == [super::interval::Motion::POINTWISE; 2];
        let source = next.inputs[0].1;
        let activation = !matches!(graph.nodes[next.index].op.as_str(), "Conv");
        single
            && activation
            && space.cells[source].maker == Some(cut - 1)
            && space.cells[source].last_reader == Some(cut)
    };
    let mut inner: Vec<usize> = (1..space.nodes.len()).filter(|cut| !fused(*cut)).collect();
    if inner.len() > CUTS {
        // From every stretch of the way the one where the least crosses.
        let stretch = |number: usize| &inner[number * inner.len() / CUTS..(number + 1) * inner.len() / CUTS];
        let narrowest = |cuts: &[usize]| cuts.iter().copied().min_by(|a, b| crossed(*a).total_cmp(&crossed(*b)));
        inner = (0..CUTS).filter_map(|number| narrowest(stretch(number))).collect();
    }
    let mut cuts = vec![0];
    cuts.extend(inner);
    cuts.push(space.nodes.len());
    cuts.dedup();
    cuts
}

#[cfg(test)]
impl Plan {
    /// A plan with `cuts` whether they are worth it or not; `choose` gets the number of nodes that can be in stages.
    pub(super) fn forced(
        graph: &Graph,
        picture: ValueId,
        fetch: ValueId,
        rects: &[Rect],
        choose: impl FnOnce(usize) -> Vec<usize>,
    ) -> Result<Self, Error> {
        let graph = graph.cut(&[picture], &[fetch])?;
        let space = Space::of(&graph, picture).ok_or_else(|| not("the input is not one picture".into()))?;
        let places = places(rects)?;
        let changed = spreads(&space, &places);
        let cuts = choose(space.nodes.len());
        Self::with_cuts(graph, space, places, changed, &cuts)
    }
}
