//! The operators of the graph crate on libtorch, one by one: what the executor makes of a node against the graph crate's plain
//! loops in float64; and the derivatives of the graph crate against libtorch's autograd. There the executor runs a node forward
//! and libtorch goes back by itself; beside it the executor runs the graph that the graph crate has made of the node.

#![cfg(feature = "libtorch")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod case;
mod elementwise;
mod indexing;
mod layout;
mod rows;
mod spatial;
mod steps;
mod values;

use case::Case;
use std::collections::BTreeSet;
use whyglass_graph::ops;

/// Of the largest number.
const TOLERANCE: f64 = 1e-5;

fn cases() -> Vec<Case> {
    [elementwise::cases(), indexing::cases(), layout::cases(), rows::cases(), spatial::cases(), steps::cases()].concat()
}

/// Prints how far each case is apart, and names those that are too far.
fn check(cases: &[Case], apart: impl Fn(&Case) -> f64) {
    let mut off = Vec::new();
    for case in cases {
        let worst = apart(case);
        println!("{case:60} {worst:.1e}");
        if worst.is_nan() || worst > TOLERANCE {
            off.push(format!("{case}: {worst:.1e}"));
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn every_operator_agrees_with_the_reference_runtime() {
    check(&cases(), Case::forward);
}

#[test]
fn every_derivative_agrees_with_the_autograd_of_libtorch() {
    let cases: Vec<Case> = cases().into_iter().filter(Case::is_differentiated).collect();
    check(&cases, Case::backward);
}

/// An operator that is added to the graph crate is added here, too.
#[test]
fn every_operator_that_is_known_has_a_case_and_is_differentiated_where_it_can_be() {
    let cases = cases();
    let run: BTreeSet<&str> = cases.iter().map(Case::op).collect();
    let differentiated: BTreeSet<&str> = cases.iter().filter(|case| case.is_differentiated()).map(Case::op).collect();
    let without: Vec<&str> = ops::known().map(|(op, ..)| op).filter(|op| !run.contains(op)).collect();
    assert!(without.is_empty(), "without a case: {without:?}");
    let flowing = ops::known().filter(|(.., operator)| operator.flows()).map(|(op, ..)| op);
    let without: Vec<&str> = flowing.filter(|op| !differentiated.contains(op)).collect();
    assert!(without.is_empty(), "without a case that is differentiated: {without:?}");
}
