//! Which values are known once the input's shape is (*static*), and which are known anyway (*pure*).

use crate::{Dtype, Graph, Node, ValueId};
use std::collections::HashSet;

/// Operators whose result is another each time.
const RANDOM: [&str; 7] = [
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
    // What is left of these trains.
    "Dropout",
];

/// Whether `node` makes a value of a type that no tensor here holds (8-bit and 4-bit numbers), which cannot be a constant.
fn makes_no_tensor(node: &Node) -> bool {
    let to = i32::try_from(node.int("to", 1)).ok();
    node.domain.is_empty() && node.op == "Cast" && to.and_then(Dtype::from_code).is_none()
}

#[derive(Debug)]
pub(super) struct Statics {
    statics: HashSet<ValueId>,
    pure: HashSet<ValueId>,
}

impl Statics {
    pub(super) fn of(graph: &Graph) -> Self {
        let pure: HashSet<ValueId> = graph.constants.keys().copied().collect();
        let mut found = Self { statics: pure.clone(), pure };
        for node in &graph.nodes {
            if node.domain.is_empty() && RANDOM.contains(&node.op.as_str()) || makes_no_tensor(node) {
                continue;
            }
            // Of its second input CastLike wants the type, which is always the same.
            let told = if node.op == "CastLike" { &node.inputs[..node.inputs.len().min(1)] } else { &node.inputs[..] };
            let all = |known: &HashSet<ValueId>| told.iter().flatten().all(|id| known.contains(id));
            if all(&found.pure) {
                found.pure.extend(node.outputs.iter().flatten());
            }
            let of_shape = node.domain.is_empty() && matches!(node.op.as_str(), "Shape" | "Size");
            if of_shape || all(&found.statics) {
                found.statics.extend(node.outputs.iter().flatten());
            }
        }
        found
    }

    pub(super) fn pure(&self, id: ValueId) -> bool {
        self.pure.contains(&id)
    }

    pub(super) fn is_pure(&self, node: &Node) -> bool {
        node.outputs.iter().flatten().all(|id| self.pure.contains(id))
    }

    pub(super) fn is_static(&self, node: &Node) -> bool {
        node.outputs.iter().flatten().all(|id| self.statics.contains(id))
    }

    /// The static values that must be fetched: nodes make them, and others than nodes of the same kind read them.
    pub(super) fn frontier(&self, graph: &Graph) -> Vec<ValueId> {
        let mut wanted: HashSet<ValueId> = graph.outputs.iter().copied().collect();
        for node in &graph.nodes {
            let inputs = node.inputs.iter().flatten();
            wanted.extend(inputs.filter(|id| !self.is_static(node) || (self.pure.contains(id) && !self.is_pure(node))));
        }
        let made = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten()).copied();
        made.filter(|id| self.statics.contains(id) && wanted.contains(id)).collect()
    }

    /// The values that nodes make from the input's content.
    pub(super) fn moving<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = ValueId> + 'a {
        let made = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten()).copied();
        made.filter(|id| !self.statics.contains(id))
    }
}
