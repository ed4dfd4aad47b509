//! Takes out of a graph what does nothing, or says it a long way: `Identity`, `Dropout` as it is at inference, nodes that nobody needs.

use crate::{Attribute, Graph, Node, ValueId};
use std::collections::{BTreeMap, HashSet};

impl Graph {
    /// Drops nodes that pass their input on. The result says which value each dropped one now goes by, so that its
    /// name can still be asked for.
    pub(crate) fn drop_identities(&mut self) -> BTreeMap<ValueId, ValueId> {
        let read: HashSet<ValueId> = self.nodes.iter().flat_map(|node| node.inputs.iter().flatten()).copied().collect();
        let mut aliases: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for mut node in std::mem::take(&mut self.nodes) {
            for input in node.inputs.iter_mut().flatten() {
                *input = aliases.get(input).copied().unwrap_or(*input);
            }
            self.name_type(&mut node);
            match (self.passes_on(&node, &read), node.outputs.first()) {
                (Some(input), Some(Some(output))) => {
                    aliases.insert(*output, input);
                }
                _ => nodes.push(node),
            }
        }
        self.nodes = nodes;
        let mut outputs = Vec::new();
        for output in &self.outputs {
            let output = aliases.get(output).copied().unwrap_or(*output);
            if !outputs.contains(&output) {
                outputs.push(output);
            }
        }
        self.outputs = outputs;
        aliases
    }

    /// `CastLike` a constant is a `Cast` to its type.
    fn name_type(&self, node: &mut Node) {
        if node.domain.is_empty()
            && node.op == "CastLike"
            && let Some(like) = node.input(1).and_then(|id| self.constant(id))
        {
            node.op = "Cast".into();
            node.attributes = BTreeMap::from([("to".to_owned(), Attribute::Int(like.dtype() as i64))]);
            node.inputs.truncate(1);
        }
    }

    /// The input that is all that `node` puts out.
    fn passes_on(&self, node: &Node, read: &HashSet<ValueId>) -> Option<ValueId> {
        let nothing_else_is_read = node.outputs.iter().skip(1).flatten().all(|id| !read.contains(id));
        let passes = node.domain.is_empty()
            && match node.op.as_str() {
                "Identity" => true,
                "Dropout" => match node.input(2) {
                    None => true,
                    Some(training) => self.constant(training).is_some_and(|t| t.to_i64() == Some(vec![0])),
                },
                _ => false,
            };
        if passes && nothing_else_is_read { node.input(0) } else { None }
    }

    /// Drops nodes and constants that no output needs. Graph inputs stay.
    pub(crate) fn drop_dead(&mut self) {
        let mut needed: HashSet<ValueId> = self.outputs.iter().copied().collect();
        let mut keep: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in self.nodes.iter().rev() {
            let needs = node.outputs.iter().flatten().any(|id| needed.contains(id));
            if needs {
                needed.extend(node.inputs.iter().flatten());
            }
            keep.push(needs);
        }
        let mut keep = keep.into_iter().rev();
        self.nodes.retain(|_| keep.next().unwrap_or(false));
        self.constants.retain(|id, _| needed.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use std::sync::Arc;

    fn node(op: &str, inputs: &[ValueId], output: ValueId) -> Node {
        Node {
            name: op.into(),
            domain: String::new(),
            op: op.into(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(output)],
            attributes: BTreeMap::new(),
        }
    }

    #[test]
    fn what_passes_its_input_on_goes_and_is_remembered() {
        let mut graph = Graph { opset: 17, ..Graph::default() };
        let [x, like, a, b, c, d] = ["x", "like", "a", "b", "c", "d"].map(|name| graph.add_value(name, None));
        graph.inputs = vec![x];
        graph.outputs = vec![d];
        graph.constants.insert(like, Arc::new(Tensor::f64(&[], &[0.0])));
        graph.nodes = vec![
            node("Identity", &[x], a),
            node("Dropout", &[a], b),
            node("CastLike", &[b, like], c),
            node("Identity", &[c], d),
        ];
        let aliases = graph.drop_identities();
        assert_eq!(aliases, BTreeMap::from([(a, x), (b, x), (d, c)]));
        assert_eq!(graph.outputs, [c]);
        assert_eq!((graph.nodes.len(), graph.nodes[0].op.as_str()), (1, "Cast"));
        assert_eq!((graph.nodes[0].int("to", 0), graph.nodes[0].inputs.as_slice()), (11, &[Some(x)][..]));
    }
}
