//! Which nodes the outputs need, each after those that it depends on.

use super::describe;
use crate::Error;
use crate::proto::NodeProto;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Indices of the nodes that `outputs` need, in the order of the file as far as it is topological.
pub(super) fn sort(
    nodes: &[NodeProto],
    outputs: &[&str],
    producer: impl Fn(&str) -> Option<usize>,
) -> Result<Vec<usize>, Error> {
    let mut needed = vec![false; nodes.len()];
    let mut waiting: Vec<usize> = outputs.iter().filter_map(|name| producer(name)).collect();
    while let Some(index) = waiting.pop() {
        if !std::mem::replace(&mut needed[index], true) {
            waiting.extend(nodes[index].input.iter().filter_map(|name| producer(name)));
        }
    }

    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut missing = vec![0_usize; nodes.len()];
    for index in (0..nodes.len()).filter(|&index| needed[index]) {
        for before in nodes[index].input.iter().filter_map(|name| producer(name)) {
            readers[before].push(index);
            missing[index] += 1;
        }
    }
    let ready = (0..nodes.len()).filter(|&index| needed[index] && missing[index] == 0);
    let mut ready: BinaryHeap<_> = ready.map(Reverse).collect();
    let mut order = Vec::new();
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &reader in &readers[index] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match (0..nodes.len()).find(|&index| needed[index] && missing[index] > 0) {
        None => Ok(order),
        Some(stuck) => {
            Err(Error::malformed(format!("{} depends on itself, directly or through others", describe(&nodes[stuck]))))
        }
    }
}
