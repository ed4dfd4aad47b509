//! Receptive fields: which pixels a cell of a spatial value sees.

use crate::ops::{self, Geometry};
use crate::{Graph, ValueId};
use std::collections::HashMap;

/// Cell (i, j) sees rows `start[0] + i·stride[0]` and on, `size[0]` of them, in input pixels; likewise columns.
///
/// `start` is negative where padding is seen. Behind a gate that looks at the whole picture (squeeze and excitation)
/// `size` is twice the picture's, so that every cell's window covers it while its centre stays where the cell is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceptiveField {
    pub size: [f64; 2],
    pub stride: [f64; 2],
    pub start: [f64; 2],
}

/// What a value sees of the picture.
#[derive(Clone, Copy, Debug)]
enum Sight {
    Cells(ReceptiveField),
    Whole,
}

/// The receptive field of every value that is cells with a known place, in a specialised graph.
pub(crate) fn fields(graph: &Graph, input: ValueId) -> HashMap<ValueId, ReceptiveField> {
    let mut seen = HashMap::new();
    let Some(&[_, _, height, width]) = graph.shape(input) else { return HashMap::new() };
    seen.insert(input, Sight::Cells(ReceptiveField { size: [1.0; 2], stride: [1.0; 2], start: [0.0; 2] }));
    for node in &graph.nodes {
        let Some(operator) = ops::lookup(&node.domain, &node.op) else { continue };
        let computed = node.inputs.iter().flatten().filter(|id| graph.constant(**id).is_none());
        let Some(sights) = computed.map(|id| seen.get(id).copied()).collect::<Option<Vec<_>>>() else { continue };
        let Some(sight) = union(&sights, [height as f64, width as f64]) else { continue };
        let sight = match (operator.geometry(graph, node), sight) {
            (Geometry::Opaque, _) => continue,
            (Geometry::Global, _) | (_, Sight::Whole) => Sight::Whole,
            (Geometry::Pointwise, sight) => sight,
            (Geometry::Window { kernel, strides, pads, dilations }, Sight::Cells(field)) => {
                Sight::Cells(through_window(field, kernel, strides, pads, dilations))
            }
        };
        for output in node.outputs.iter().flatten() {
            let flat = graph.shape(*output).is_none_or(|shape| shape.len() != 4);
            if !(flat && matches!(sight, Sight::Cells(_))) {
                seen.insert(*output, sight);
            }
        }
    }
    let cells = seen.into_iter().filter_map(|(id, sight)| match sight {
        Sight::Cells(field) => Some((id, field)),
        Sight::Whole => None,
    });
    cells.collect()
}

fn through_window(
    field: ReceptiveField,
    kernel: [i64; 2],
    strides: [i64; 2],
    pads: [i64; 4],
    dilations: [i64; 2],
) -> ReceptiveField {
    let per_axis = |of: &dyn Fn(usize) -> f64| [of(0), of(1)];
    ReceptiveField {
        size: per_axis(&|a| field.size[a] + ((kernel[a] - 1) * dilations[a]) as f64 * field.stride[a]),
        stride: per_axis(&|a| field.stride[a] * strides[a] as f64),
        start: per_axis(&|a| field.start[a] - pads[a] as f64 * field.stride[a]),
    }
}

/// What a cell sees that is made from cells of several values. `None` if they do not lie on one grid.
fn union(sights: &[Sight], picture: [f64; 2]) -> Option<Sight> {
    let mut whole = false;
    let mut union: Option<ReceptiveField> = None;
    for sight in sights {
        let Sight::Cells(field) = sight else {
            whole = true;
            continue;
        };
        union = Some(match union {
            None => *field,
            Some(other) if other.stride != field.stride => return None,
            Some(other) => {
                let start: [f64; 2] = std::array::from_fn(|a| other.start[a].min(field.start[a]));
                let end = |f: &ReceptiveField, a: usize| f.start[a] + f.size[a];
                let size = std::array::from_fn(|a| end(&other, a).max(end(field, a)) - start[a]);
                ReceptiveField { size, stride: field.stride, start }
            }
        });
    }
    match union {
        None => whole.then_some(Sight::Whole),
        Some(field) if whole => {
            let centre = |a: usize| field.start[a] + field.size[a] / 2.0;
            let size = picture.map(|side| 2.0 * side);
            let start = std::array::from_fn(|a| centre(a) - picture[a]);
            Some(Sight::Cells(ReceptiveField { size, stride: field.stride, start }))
        }
        Some(field) => Some(Sight::Cells(field)),
    }
}
