//! Sub-graphs between any values: what is needed to get some values from others, and nothing else.

use crate::{Error, Graph, Node, ValueId};
use std::collections::{BTreeMap, BTreeSet};

impl Graph {
    /// The part of the graph that computes `fetches` from `feeds`. Its inputs and outputs are these, in their order;
    /// numbers and names of values stay what they are, and constants are shared.
    ///
    /// A value that is both fed and fetched goes through an `Identity`, as does a constant that is fetched: engines
    /// want outputs to be made by nodes.
    ///
    /// # Errors
    /// [`Error::NotFed`] if a fetch depends on something that nothing makes and nobody feeds.
    pub fn cut(&self, feeds: &[ValueId], fetches: &[ValueId]) -> Result<Graph, Error> {
        let fed: BTreeSet<ValueId> = feeds.iter().copied().collect();
        let mut needed: BTreeSet<ValueId> = fetches.iter().copied().filter(|id| !fed.contains(id)).collect();
        let mut nodes = Vec::new();
        let mut made = fed.clone();
        for node in self.nodes.iter().rev() {
            // An output that is fed does not make its node necessary.
            if node.outputs.iter().flatten().any(|id| needed.contains(id)) {
                needed.extend(node.inputs.iter().flatten().filter(|id| !fed.contains(id)));
                made.extend(node.outputs.iter().flatten());
                nodes.push(without_fed_outputs(node, &fed));
            }
        }
        nodes.reverse();
        let mut constants = BTreeMap::new();
        for &id in needed.iter().filter(|id| !made.contains(id)) {
            let constant = self.constants.get(&id);
            let constant = constant.ok_or_else(|| Error::NotFed { name: self.value(id).name.clone() })?;
            constants.insert(id, constant.clone());
        }
        let mut graph = Graph {
            opset: self.opset,
            domains: self.domains.clone(),
            nodes,
            inputs: feeds.to_vec(),
            outputs: Vec::new(),
            constants,
            values: self.values.clone(),
        };
        for &id in fetches {
            let output = if fed.contains(&id) || graph.constants.contains_key(&id) { graph.pass_on(id) } else { id };
            graph.outputs.push(output);
        }
        Ok(graph)
    }

    /// A new value equal to `id`.
    fn pass_on(&mut self, id: ValueId) -> ValueId {
        let name = self.unique_name(&format!("{}:fetched", self.value(id).name));
        let output = self.add_value(name.clone(), self.value(id).shape.clone());
        self.nodes.push(Node {
            name,
            domain: String::new(),
            op: "Identity".into(),
            inputs: vec![Some(id)],
            outputs: vec![Some(output)],
            attributes: BTreeMap::new(),
        });
        output
    }

    /// `wanted`, or with a number behind it where a value has that name.
    #[must_use]
    pub fn unique_name(&self, wanted: &str) -> String {
        if self.find(wanted).is_none() {
            return wanted.to_owned();
        }
        (1..).map(|number| format!("{wanted}.{number}")).find(|name| self.find(name).is_none()).unwrap_or_default()
    }
}

/// A node with several outputs may be needed for one while another is fed: then that one is not its to make.
fn without_fed_outputs(node: &Node, fed: &BTreeSet<ValueId>) -> Node {
    let mut node = node.clone();
    for output in &mut node.outputs {
        *output = output.filter(|id| !fed.contains(id));
    }
    node
}
