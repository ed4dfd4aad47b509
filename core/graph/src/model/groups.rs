//! Classes of a file put together into fewer: nodes behind its logits, so that gradients flow through them.
//!
//! The logit of a group is its log-odds, `LSE(z over the group) − LSE(z over the rest)`, and its probability the logistic
//! function of that, which is `exp(LSE(z over the group) − LSE(z))`. What is in no group is one more group, `other`, so
//! that probabilities add up to 1. Log-odds of a summed probability would be the same on paper, and overflow in float32
//! from a margin of 22 on.

use crate::specialise::Observation;
use crate::{Attribute, Error, Graph, Node, Tensor, ValueId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a logit outside of a set is lowered by: its exponential is zero, and no infinity comes near a gradient.
const FAR: f32 = -1e30;

/// Checks `groups` of `classes` classes, and completes them with what is in none of them.
///
/// # Errors
/// A group without members, a class that is not there or in two groups, or nothing left for the rest.
pub(super) fn complete(groups: &[Vec<u32>], classes: usize) -> Result<Vec<Vec<usize>>, Error> {
    let role = |what: String| Error::Role { role: "groups", what };
    let mut owner = vec![None; classes];
    for (index, group) in groups.iter().enumerate() {
        if group.is_empty() {
            return Err(role(format!("group {index} has no classes")));
        }
        for &class in group {
            let slot = owner.get_mut(class as usize);
            let slot = slot.ok_or_else(|| role(format!("group {index} names class {class} of {classes}")))?;
            if let Some(first) = slot.replace(index) {
                return Err(role(format!("class {class} is in group {first} and in group {index}")));
            }
        }
    }
    let of = |group: Option<usize>| (0..classes).filter(|&class| owner[class] == group).collect::<Vec<_>>();
    let mut all: Vec<Vec<usize>> = (0..groups.len()).map(|index| of(Some(index))).collect();
    all.push(of(None));
    match all.last() {
        Some(rest) if rest.is_empty() => Err(role("every class is in a group: leave some for `other`".to_owned())),
        _ => Ok(all),
    }
}

/// Puts nodes behind `logits` (N×classes) and returns the groups' logits and probabilities, which take the reserved names.
pub(super) fn add(
    graph: &mut Graph,
    one: &mut Observation,
    logits: ValueId,
    classes: usize,
    groups: &[Vec<usize>],
) -> (ValueId, ValueId) {
    for name in ["logits", "probabilities"] {
        if let Some(id) = graph.find(name) {
            let other = graph.unique_name(&format!("{name}.ungrouped"));
            graph.values[id.0 as usize].name = other;
        }
    }
    let mut steps = Steps { graph, one };
    let odds = groups.iter().enumerate().map(|(index, group)| {
        let mut sum = |what: &str, member: &dyn Fn(usize) -> bool| {
            let name = format!("groups/{index}/{what}");
            let mask: Vec<f32> = (0..classes).map(|class| if member(class) { 0.0 } else { FAR }).collect();
            let mask = steps.constant(&format!("{name}/mask"), Tensor::f32(&[1, classes as i64], &mask));
            let kept = steps.node("Add", &name, &[logits, mask], BTreeMap::new(), classes);
            steps.log_sum_exp(&name, kept)
        };
        let (inside, outside) =
            (sum("inside", &|class| group.contains(&class)), sum("outside", &|class| !group.contains(&class)));
        steps.node("Sub", &format!("groups/{index}"), &[inside, outside], BTreeMap::new(), 1)
    });
    let odds: Vec<ValueId> = odds.collect();
    let axis = BTreeMap::from([("axis".to_owned(), Attribute::Int(1))]);
    let logits = steps.node("Concat", "logits", &odds, axis, groups.len());
    let probabilities = steps.node("Sigmoid", "probabilities", &[logits], BTreeMap::new(), groups.len());
    graph.outputs.extend([logits, probabilities]);
    (logits, probabilities)
}

struct Steps<'g> {
    graph: &'g mut Graph,
    one: &'g mut Observation,
}

impl Steps<'_> {
    fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let name = self.graph.unique_name(name);
        let id = self.graph.add_value(name, Some(tensor.shape().to_vec()));
        self.graph.constants.insert(id, Arc::new(tensor));
        id
    }

    /// A node whose result has `columns` columns.
    fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[ValueId],
        attributes: BTreeMap<String, Attribute>,
        columns: usize,
    ) -> ValueId {
        let name = self.graph.unique_name(name);
        let id = self.graph.add_value(name.clone(), None);
        self.one.shapes.insert(id, vec![1, columns as i64]);
        // The file's own node may still be called what its value was called.
        let name = if name.starts_with("groups/") { name } else { format!("groups/{name}") };
        self.graph.nodes.push(Node {
            name,
            domain: String::new(),
            op: op.to_owned(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(id)],
            attributes,
        });
        id
    }

    /// Over the columns, which stay as one. From operator set 18 on the axes are an input.
    fn log_sum_exp(&mut self, name: &str, from: ValueId) -> ValueId {
        let mut attributes = BTreeMap::from([("keepdims".to_owned(), Attribute::Int(1))]);
        let mut inputs = vec![from];
        if self.graph.opset < 18 {
            attributes.insert("axes".to_owned(), Attribute::Ints(vec![1]));
        } else {
            inputs.push(self.constant(&format!("{name}/axes"), Tensor::i64(&[1], &[1])));
        }
        self.node("ReduceLogSumExp", &format!("{name}/sum"), &inputs, attributes, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_no_group_is_one_more() {
        assert_eq!(complete(&[vec![3, 1], vec![0]], 5).unwrap(), [vec![1, 3], vec![0], vec![2, 4]]);
    }

    #[test]
    fn groups_that_cannot_be_are_refused_by_what_is_wrong() {
        let fault = |groups: &[Vec<u32>]| complete(groups, 3).unwrap_err().to_string();
        assert!(fault(&[vec![0], vec![]]).contains("group 1 has no classes"));
        assert!(fault(&[vec![3]]).contains("class 3 of 3"));
        assert!(fault(&[vec![0], vec![1, 0]]).contains("class 0 is in group 0 and in group 1"));
        assert!(fault(&[vec![0, 1, 2]]).contains("other"));
    }
}
