//! Frees the batch in graphs that were exported with a batch of one baked into constant shapes.
//!
//! Each change is one that means the same for a batch of one. Whether the result treats the rows of a bigger batch
//! each for itself is for the caller to prove.

use super::{Observation, operation};
use crate::{Attribute, Graph, Node, Tensor, ValueId};
use std::sync::Arc;

/// Changes `graph`, whose shapes at a batch of one are in `one`; shapes of new values are added there.
pub(crate) fn free_batch(graph: &mut Graph, one: &mut Observation) {
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for mut node in std::mem::take(&mut graph.nodes) {
        if node.domain.is_empty() && node.op == "Reshape" {
            free_reshape(graph, one, &mut node);
        } else if node.domain.is_empty() && node.op == "Concat" && graph.opset >= 8 {
            free_concat(graph, one, &mut node, &mut nodes);
        }
        nodes.push(node);
    }
    graph.nodes = nodes;
}

fn free_reshape(graph: &mut Graph, one: &Observation, node: &mut Node) {
    let (Some(data), Some(target)) = (node.input(0), node.input(1)) else { return };
    let (Some(before), Some(target_shape)) = (one.shapes.get(&data), graph.constant(target)) else { return };
    let after = node.outputs.first().copied().flatten().and_then(|id| one.shapes.get(&id));
    let (Some(after), Some(shape)) = (after, target_shape.to_i64()) else { return };
    let Some(freed) = freed_shape(&shape, before, after, node.int("allowzero", 0) != 0) else { return };
    let name = graph.unique_name(&format!("{}:free", graph.value(target).name));
    let id = graph.add_value(name, Some(vec![freed.len() as i64]));
    graph.constants.insert(id, Arc::new(Tensor::i64(&[freed.len() as i64], &freed)));
    node.inputs[1] = Some(id);
}

/// What to reshape to instead of `shape`, if its first entry is a baked batch.
fn freed_shape(shape: &[i64], before: &[i64], after: &[i64], zero_is_zero: bool) -> Option<Vec<i64>> {
    if shape.len() != after.len() || shape.first().is_none_or(|&first| first < 1) || after.contains(&0) {
        return None;
    }
    let mut freed = shape.to_vec();
    if shape[0] == 1 && before.first() == Some(&1) && !zero_is_zero {
        freed[0] = 0;
        return Some(freed);
    }
    if shape[0] > 1 && shape.contains(&-1) {
        // Something else is open already: that may be where the batch goes.
        return None;
    }
    // Windows folded into the batch, or unfolded from it: the first entry is what the others leave.
    freed.copy_from_slice(after);
    freed[0] = -1;
    Some(freed)
}

/// A constant of one row (a class token) beside computed values is repeated for every row.
fn free_concat(graph: &mut Graph, one: &mut Observation, node: &mut Node, before: &mut Vec<Node>) {
    let computed = node.inputs.iter().flatten().copied().find(|id| graph.constant(*id).is_none());
    let Some(computed) = computed else { return };
    let Some(rank) = one.shapes.get(&computed).map(Vec::len) else { return };
    if matches!(node.int("axis", 0), 0) || node.int("axis", 0) == -(rank as i64) {
        return;
    }
    for input in node.inputs.iter_mut().flatten() {
        let Some(shape) = graph.constant(*input).map(|tensor| tensor.shape().to_vec()) else { continue };
        if shape.len() < 2 || shape[0] != 1 {
            continue;
        }
        let constant = |graph: &mut Graph, what: &str, values: &[i64]| {
            let name = graph.unique_name(&format!("{}:{what}", graph.value(*input).name));
            let id = graph.add_value(name, Some(vec![values.len() as i64]));
            graph.constants.insert(id, Arc::new(Tensor::i64(&[values.len() as i64], values)));
            id
        };
        let first = constant(graph, "first", &[0]);
        let rest = constant(graph, "rest", &shape[1..]);
        let mut add = |graph: &mut Graph, op: &str, inputs: &[ValueId]| {
            let name = graph.unique_name(&format!("{}:{}", graph.value(*input).name, op.to_lowercase()));
            let output = graph.add_value(name.clone(), None);
            before.push(operation(name, op, inputs, output));
            output
        };
        let all = add(graph, "Shape", &[computed]);
        let rows = add(graph, "Gather", &[all, first]);
        let target = add(graph, "Concat", &[rows, rest]);
        let repeated = add(graph, "Expand", &[*input, target]);
        for made in before.iter_mut().filter(|made| made.outputs == [Some(target)]) {
            made.attributes.insert("axis".into(), Attribute::Int(0));
        }
        // At a batch of one this is the constant itself.
        let itself = Arc::clone(&graph.constants[input]);
        one.constants.insert(repeated, itself);
        *input = repeated;
    }
}

#[cfg(test)]
mod tests {
    use super::freed_shape;

    #[test]
    fn a_leading_one_is_copied_from_the_data() {
        assert_eq!(freed_shape(&[1, 1280], &[1, 1280, 1, 1], &[1, 1280], false), Some(vec![0, 1280]));
        assert_eq!(freed_shape(&[1, -1], &[1, 8, 7, 7], &[1, 392], false), Some(vec![0, -1]));
    }

    #[test]
    fn windows_folded_into_the_batch_are_left_open() {
        assert_eq!(freed_shape(&[64, 49, 96], &[1, 8, 8, 7, 7, 96], &[64, 49, 96], false), Some(vec![-1, 49, 96]));
        assert_eq!(
            freed_shape(&[1, 8, 8, 7, 7, -1], &[64, 7, 7, 96], &[1, 8, 8, 7, 7, 96], false),
            Some(vec![-1, 8, 8, 7, 7, 96])
        );
    }

    #[test]
    fn what_is_open_already_is_left_alone() {
        assert_eq!(freed_shape(&[-1, 1280], &[1, 1280, 1, 1], &[1, 1280], false), None);
        assert_eq!(freed_shape(&[0, -1], &[1, 8, 7, 7], &[1, 392], false), None);
        assert_eq!(freed_shape(&[3, -1], &[1, 6], &[3, 2], false), None);
    }

    #[test]
    fn where_zero_means_zero_the_first_entry_is_computed() {
        assert_eq!(freed_shape(&[1, 12], &[1, 3, 4], &[1, 12], true), Some(vec![-1, 12]));
    }
}
