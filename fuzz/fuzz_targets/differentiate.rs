//! Any bytes as a model of a small picture: where the graph can be read and run, its derivative is a graph or an error.

#![no_main]

mod loops;

use libfuzzer_sys::fuzz_target;
use whyglass_graph::{
    Attribute, CotangentKind, DerivedConstants, Graph, Query, Rule, differentiate, read_bytes, specialise,
};

/// Numbers above it make big tensors, which the engine of plain loops would take minutes for.
const LARGEST: i64 = 32;

fuzz_target!(|data: &[u8]| {
    let Ok(graph) = read_bytes(data.to_vec().into(), None) else { return };
    if graph.inputs.len() != 1 || graph.outputs.len() != 1 || !is_small(&graph) {
        return;
    }
    let Ok(graph) = specialise(&graph, &[1, 3, 8, 8], &loops::Loops) else { return };
    let (input, output) = (graph.inputs[0], graph.outputs[0]);
    for rule in [Rule::Standard, Rule::Guided] {
        let query = Query {
            feeds: vec![input],
            cotangents: vec![(output, CotangentKind::Fed)],
            wrt: vec![input],
            fetches: vec![output],
            rule,
        };
        let Ok(derivative) = differentiate(&graph, &query, &DerivedConstants::default()) else { return };
        assert_eq!((derivative.inputs.len(), derivative.outputs.len()), (2, 2));
        assert_eq!(derivative.shape(derivative.outputs[0]), graph.shape(input), "a gradient has the shape of its value");
    }
});

fn is_small(graph: &Graph) -> bool {
    let small = |value: &i64| (-LARGEST..=LARGEST).contains(value);
    let attributes = graph.nodes.iter().flat_map(|node| node.attributes.values());
    let mut attributes = attributes.filter(|attribute| match attribute {
        Attribute::Int(value) => !small(value),
        Attribute::Ints(values) => values.len() > 8 || !values.iter().all(small),
        _ => false,
    });
    let tensors = graph.constants.values();
    let mut tensors = tensors.filter(|tensor| {
        tensor.len() > 4_096 || tensor.to_i64().is_some_and(|values| tensor.len() <= 16 && !values.iter().all(small))
    });
    graph.nodes.len() <= 40 && attributes.next().is_none() && tensors.next().is_none()
}
