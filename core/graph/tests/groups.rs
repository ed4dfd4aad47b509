//! Classes put together: logits, probabilities and gradients of groups, against sums worked out by hand, up to margins at
//! which the naive way overflows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use whyglass_graph::{Cotangent, Graph, GraphModel, Node, Options, ReferenceRuntime, Rule, Tensor, Vjp};

/// Five scores: the mean red, green, blue, and red and green again.
fn scores(opset: i64) -> Graph {
    let mut graph = Graph { opset, ..Graph::default() };
    let picture = graph.add_value("picture", Some(vec![1, 3, 1, 1]));
    let means = graph.add_value("means", None);
    let flat = graph.add_value("flat", None);
    let mixer = graph.add_value("mixer", Some(vec![3, 5]));
    let mix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    graph.constants.insert(mixer, Arc::new(Tensor::f32(&[3, 5], &mix)));
    let logits = graph.add_value("logits", None);
    graph.inputs = vec![picture];
    graph.outputs = vec![logits];
    for (op, inputs, output) in [
        ("GlobalAveragePool", vec![picture], means),
        ("Flatten", vec![means], flat),
        ("MatMul", vec![flat, mixer], logits),
    ] {
        graph.nodes.push(Node {
            name: op.into(),
            domain: String::new(),
            op: op.into(),
            inputs: inputs.into_iter().map(Some).collect(),
            outputs: vec![Some(output)],
            attributes: Default::default(),
        });
    }
    graph
}

/// Red and blue are group 0, green is group 1; red and green once more are the rest.
fn model(opset: i64) -> GraphModel<ReferenceRuntime> {
    let options = Options { groups: vec![vec![2, 0], vec![1]], ..Options::default() };
    GraphModel::from_graph(scores(opset), &options, Arc::new(ReferenceRuntime)).unwrap()
}

fn sum(z: &[f64]) -> f64 {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + z.iter().map(|z| (z - largest).exp()).sum::<f64>().ln()
}

#[test]
fn a_groups_logit_is_its_log_odds_and_its_probability_their_logistic_function() {
    for opset in [17, 18] {
        let model = model(opset);
        assert_eq!(model.classes(), 3);
        for [r, g, b] in [[0.5, -1.0, 2.0], [120.0, 0.0, -60.0], [-90.0, 3.0, -95.0]] {
            let feeds = [("input", Tensor::f32(&[1, 3, 1, 1], &[r, g, b]))];
            let out = model.run(&feeds, &["logits", "probabilities", "logits.ungrouped"], 0).unwrap();
            let [r, g, b] = [r, g, b].map(f64::from);
            let wanted =
                [sum(&[r, b]) - sum(&[g, r, g]), sum(&[g]) - sum(&[r, b, r, g]), sum(&[r, g]) - sum(&[r, g, b])];
            for (found, wanted) in out[0].to_f64().iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-4 * wanted.abs().max(1.0), "{found} against {wanted}");
            }
            let probabilities = out[1].to_f64();
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{probabilities:?}");
            assert_eq!(out[2].shape(), [1, 5]);
        }
    }
}

#[test]
fn gradients_of_a_group_agree_with_central_differences() {
    let model = model(17);
    let at = [0.4_f32, -0.3, 1.1];
    let logit = |pixels: [f32; 3], group: usize| {
        let feeds = [("input", Tensor::f32(&[1, 3, 1, 1], &pixels))];
        model.run(&feeds, &["logits"], 0).unwrap()[0].to_f64()[group]
    };
    for group in 0..3 {
        let mut one_hot = [0.0; 3];
        one_hot[group] = 1.0;
        let feeds = [("input", Tensor::f32(&[1, 3, 1, 1], &at))];
        let cotangents = [("logits", Cotangent::Tensor(Tensor::f32(&[1, 3], &one_hot)))];
        let vjp = Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &["input"], fetches: &[], rule: Rule::Standard };
        let gradient = model.vjp(&vjp, 0).unwrap().wrt[0].to_f64();
        for channel in 0..3 {
            let moved = |by: f32| {
                let mut pixels = at;
                pixels[channel] += by;
                logit(pixels, group)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - gradient[channel]).abs() < 1e-4, "group {group}: {slope} against {}", gradient[channel]);
        }
    }
}

#[test]
fn a_group_that_cannot_be_is_refused() {
    let options = Options { groups: vec![vec![7]], ..Options::default() };
    let error = GraphModel::from_graph(scores(17), &options, Arc::new(ReferenceRuntime)).unwrap_err();
    assert!(error.to_string().contains("class 7 of 5"), "{error}");
}
