//! Sub-graphs: what is needed, what is given, what is missing.

mod support;

use support::{Network, convolutional};
use whyglass_graph::{Error, Graph, ReferenceRuntime, specialise};

fn ops(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.op.as_str()).collect()
}

#[test]
fn a_cut_is_what_lies_between_feeds_and_fetches() {
    let graph = convolutional().read();
    let id = |name: &str| graph.find(name).unwrap();
    let cut = graph.cut(&[id("p1")], &[id("pooled"), id("c2")]).unwrap();
    assert_eq!(ops(&cut), ["Conv", "Relu", "GlobalAveragePool"]);
    assert_eq!((cut.inputs, cut.outputs), (vec![id("p1")], vec![id("pooled"), id("c2")]));
    assert_eq!(cut.constants.keys().copied().collect::<Vec<_>>(), [id("w2")]);
}

#[test]
fn a_cut_shares_its_weights_with_the_graph() {
    let graph = convolutional().read();
    let id = |name: &str| graph.find(name).unwrap();
    let cut = graph.cut(&[id("data")], &[id("c1")]).unwrap();
    assert!(std::sync::Arc::ptr_eq(&cut.constants[&id("w1")], &graph.constants[&id("w1")]));
}

#[test]
fn what_is_needed_and_not_fed_is_named() {
    let graph = convolutional().read();
    let id = |name: &str| graph.find(name).unwrap();
    let error = graph.cut(&[id("c2")], &[id("c1")]).unwrap_err();
    assert!(matches!(error, Error::NotFed { ref name } if name == "data"), "{error}");
}

#[test]
fn what_is_fed_and_fetched_is_passed_on_by_a_node() {
    let graph = convolutional().read();
    let id = |name: &str| graph.find(name).unwrap();
    let cut = graph.cut(&[id("p1")], &[id("p1"), id("b1")]).unwrap();
    assert_eq!(ops(&cut), ["Identity", "Identity"]);
    assert_eq!(cut.value(cut.outputs[0]).name, "p1:fetched");
}

#[test]
fn a_node_whose_other_output_is_fed_does_not_make_that_one() {
    let graph = Network::new("data", &[1, 4, 2, 2])
        .node("a, b = Split(data)", &[("axis!", &[1])])
        .node("sum = Add(a, b)", &[])
        .output("sum")
        .read();
    let id = |name: &str| graph.find(name).unwrap();
    let cut = graph.cut(&[id("data"), id("a")], &[id("sum")]).unwrap();
    assert_eq!(cut.nodes[0].outputs, [None, Some(id("b"))]);
}

#[test]
fn a_specialised_graph_knows_every_shape() {
    let graph = specialise(&convolutional().read(), &[1, 3, 8, 12], &ReferenceRuntime).unwrap();
    let shape = |name: &str| graph.shape(graph.find(name).unwrap()).unwrap();
    assert_eq!(shape("c1"), [1, 4, 8, 12]);
    assert_eq!(shape("last"), [1, 4, 2, 3]);
    assert_eq!(shape("scores"), [1, 3]);
    assert!(graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten()).all(|id| graph.shape(*id).is_some()));
    let error = specialise(&convolutional().read(), &[1, 5, 8, 8], &ReferenceRuntime).unwrap_err().to_string();
    assert!(error.contains("[1, 5, 8, 8]"), "{error}");
}
