//! The part of a graph that works on cells of a picture, up to where an operator looks at all of it: what can be
//! recomputed in windows. Responsible for saying which nodes that are, and which node was the first that is not.

use super::interval::Motion;
use crate::ops::{self, Geometry};
use crate::{Dtype, Graph, Node, ValueId};
use std::collections::HashMap;

/// A value on a grid of cells.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    pub(super) id: ValueId,
    pub(super) channels: i64,
    /// Rows, columns.
    pub(super) size: [i64; 2],
    /// The node that makes it; `None`: the picture.
    pub(super) maker: Option<usize>,
    /// The last node that reads it.
    pub(super) last_reader: Option<usize>,
    /// Something that is not in windows reads it too.
    pub(super) leaves: bool,
}

/// A node whose outputs depend on its inputs window by window.
#[derive(Clone, Debug)]
pub(super) struct Windowed {
    /// In the graph.
    pub(super) index: usize,
    /// Down, across.
    pub(super) motion: [Motion; 2],
    /// (which input of the node, which cells).
    pub(super) inputs: Vec<(usize, usize)>,
    pub(super) outputs: Vec<usize>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// The first is the picture.
    pub(super) cells: Vec<Cells>,
    /// In topological order.
    pub(super) nodes: Vec<Windowed>,
    /// The first node that is not in `nodes`, and why.
    pub(super) obstacle: Option<String>,
}

impl Space {
    /// `graph` is specialised to one picture and holds only what its outputs need.
    pub(super) fn of(graph: &Graph, picture: ValueId) -> Option<Self> {
        let mut space = Self { cells: Vec::new(), nodes: Vec::new(), obstacle: None };
        let mut known = HashMap::new();
        known.insert(picture, space.add(graph, picture, None)?);
        for (index, node) in graph.nodes.iter().enumerate() {
            match space.windowed(graph, node, index, &known) {
                Ok(windowed) => {
                    let number = space.nodes.len();
                    for (_, cells) in &windowed.inputs {
                        space.cells[*cells].last_reader = Some(number);
                    }
                    space.nodes.push(windowed);
                    for output in node.outputs.iter().flatten() {
                        let cells = space.add(graph, *output, Some(number))?;
                        known.insert(*output, cells);
                        space.nodes[number].outputs.push(cells);
                    }
                }
                Err(why) => {
                    space.obstacle.get_or_insert_with(|| format!("{} ({:?}) {why}", node.op, node.name));
                    for cells in node.inputs.iter().flatten().filter_map(|id| known.get(id)) {
                        space.cells[*cells].leaves = true;
                    }
                }
            }
        }
        for cells in graph.outputs.iter().filter_map(|id| known.get(id)) {
            space.cells[*cells].leaves = true;
        }
        Some(space)
    }

    fn add(&mut self, graph: &Graph, id: ValueId, maker: Option<usize>) -> Option<usize> {
        let &[1, channels, height, width] = graph.shape(id)? else { return None };
        self.cells.push(Cells { id, channels, size: [height, width], maker, last_reader: None, leaves: false });
        Some(self.cells.len() - 1)
    }

    /// `node` as a windowed one, without its outputs yet; or why it is none.
    fn windowed(
        &self,
        graph: &Graph,
        node: &Node,
        index: usize,
        known: &HashMap<ValueId, usize>,
    ) -> Result<Windowed, &'static str> {
        let mut inputs = Vec::new();
        for (slot, id) in node.inputs.iter().enumerate() {
            let Some(id) = id else { continue };
            match known.get(id) {
                Some(cells) => inputs.push((slot, *cells)),
                None if graph.constant(*id).is_some() => {}
                None => return Err("depends on the whole picture"),
            }
        }
        let operator = ops::lookup(&node.domain, &node.op).ok_or("is not known to work window by window")?;
        let of_cells = |id: &ValueId| match graph.shape(*id) {
            Some(&[1, _, height, width]) => Some([height, width]),
            _ => None,
        };
        let sizes = node.outputs.iter().flatten().map(of_cells).collect::<Option<Vec<_>>>();
        let sizes = sizes.ok_or("leaves the grid of the picture")?;
        let (Some(output), false) = (sizes.first(), inputs.is_empty()) else { return Err("reads no cells") };
        let input = self.cells[inputs[0].1].size;
        let motion = match operator.geometry(graph, node) {
            Geometry::Pointwise => {
                if sizes.iter().chain(inputs.iter().map(|(_, cells)| &self.cells[*cells].size)).any(|s| *s != input) {
                    return Err("mixes grids");
                }
                if !constants_are_flat(graph, node) {
                    return Err("has a constant for each cell");
                }
                [Motion::POINTWISE; 2]
            }
            Geometry::Window { kernel, strides, pads, dilations } => {
                if !matches!(&*node.op, "Conv" | "MaxPool" | "AveragePool") || inputs.len() != 1 || sizes.len() != 1 {
                    return Err("is a window of a kind that is not split");
                }
                let motion = [0, 1].map(|axis| Motion {
                    kernel: kernel[axis],
                    stride: strides[axis],
                    before: pads[axis],
                    dilation: dilations[axis],
                });
                let counts_pads = node.op == "AveragePool" && node.int("count_include_pad", 0) != 0;
                for axis in 0..2 {
                    let reached = (output[axis] - 1) * motion[axis].stride + motion[axis].extent();
                    // Cells beyond the pads (a ceiling mode has some) do not count, and cannot be told from pads.
                    if counts_pads && reached > pads[axis] + input[axis] + pads[axis + 2] {
                        return Err("averages over cells beyond its pads");
                    }
                }
                motion
            }
            Geometry::Global => return Err("looks at the whole picture"),
            Geometry::Opaque => return Err("leaves the grid of the picture"),
        };
        Ok(Windowed { index, motion, inputs, outputs: Vec::new() })
    }
}

/// Whether no constant that `node` reads differs from cell to cell.
fn constants_are_flat(graph: &Graph, node: &Node) -> bool {
    // Its constants are per channel though they have one dimension.
    if node.op == "BatchNormalization" {
        return true;
    }
    let constants = node.inputs.iter().flatten().filter_map(|id| graph.constant(*id));
    constants
        .filter(|tensor| !matches!(tensor.dtype(), Dtype::I64 | Dtype::I32))
        .all(|tensor| tensor.shape().iter().rev().take(2).all(|dim| *dim == 1))
}
