//! A stage's windows as a graph to compile: the nodes as they are, with pads where a window reaches over the border of
//! the picture, and a slice where a reader wants less than another.

use super::plan::{Plan, Planned};
use super::stage::Layout;
use crate::builder::{Builder, DerivedConstants};
use crate::{Attribute, Error, Graph, ValueId};
use std::collections::HashMap;

/// The graph of one stage for windows of the layouts `down` and `across`: its inputs and outputs are the stage's.
pub(super) fn graph(
    plan: &Plan,
    planned: &Planned,
    [down, across]: [&Layout; 2],
    derived: &DerivedConstants,
) -> Result<Graph, Error> {
    let (space, stage) = (&plan.space, &planned.stage);
    let mut graph = Graph { nodes: Vec::new(), inputs: Vec::new(), outputs: Vec::new(), ..plan.graph.clone() };
    let shape = |cells: usize, down: i64, across: i64| vec![1, space.cells[cells].channels, down, across];
    for (number, cells) in stage.inputs.iter().enumerate() {
        let id = space.cells[*cells].id;
        graph.inputs.push(id);
        let shape = shape(*cells, down.inputs[number].len(), across.inputs[number].len());
        graph.values[id.0 as usize].shape = Some(shape);
    }
    let mut used = Vec::new();
    let mut build = Builder::new(graph, derived);
    let mut slices: HashMap<(ValueId, [i64; 4]), ValueId> = HashMap::new();
    for (number, index) in stage.nodes.clone().enumerate() {
        let windowed = &space.nodes[index];
        let mut node = plan.graph.nodes[windowed.index].clone();
        for (input, (slot, cells)) in windowed.inputs.iter().enumerate() {
            let id = space.cells[*cells].id;
            let reads = [&down.reads[number][input], &across.reads[number][input]];
            let sources = [down, across].map(|layout| layout.source(space, stage, number, input));
            let starts = [0, 1].map(|axis| reads[axis].range.lo - sources[axis].lo);
            let sizes = [0, 1].map(|axis| reads[axis].range.len());
            let part = if sizes == sources.map(super::interval::Interval::len) {
                id
            } else {
                let key = (id, [starts[0], starts[1], sizes[0], sizes[1]]);
                match slices.get(&key) {
                    Some(slice) => *slice,
                    None => {
                        let channels = space.cells[*cells].channels;
                        let made =
                            build.slice(id, &[0, 0, starts[0], starts[1]], &[1, channels, sizes[0], sizes[1]])?;
                        slices.insert(key, made);
                        made
                    }
                }
            };
            node.inputs[*slot] = Some(part);
        }
        if matches!(node.op.as_str(), "Conv" | "MaxPool" | "AveragePool") {
            let [y, x] = [&down.reads[number][0], &across.reads[number][0]];
            node.attributes.remove("auto_pad");
            node.attributes.remove("ceil_mode");
            node.attributes.insert("pads".into(), Attribute::Ints(vec![y.before, x.before, y.after, x.after]));
        }
        for cells in &windowed.outputs {
            let id = space.cells[*cells].id;
            let shape = shape(*cells, down.nodes[number].len(), across.nodes[number].len());
            build.graph_mut().values[id.0 as usize].shape = Some(shape);
        }
        build.graph_mut().nodes.push(node);
    }
    let mut graph = build.finish();
    graph.outputs = stage.outputs.iter().map(|cells| space.cells[*cells].id).collect();
    used.extend(graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten()).copied());
    graph.constants.retain(|id, _| used.contains(id));
    Ok(graph)
}
