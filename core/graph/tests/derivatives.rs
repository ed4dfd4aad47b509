//! The reverse sweep on whole graphs: what is differentiated, by what, and what the rules change. The numbers are worked
//! out by hand, or by central differences where a graph is too big for that.

mod net;

use net::Net;
use std::sync::Arc;
use whyglass_graph::{CotangentKind, DerivedConstants, Error, Query, Rule, Tensor, ValueId, differentiate};

use CotangentKind::{Fed, Itself};

#[test]
fn a_value_that_is_used_twice_collects_both_gradients() {
    // y = x² + 3x
    let mut net = Net::new(13);
    let x = net.input("x", &[2], &[2.0, -1.0]);
    let three = net.constant(Tensor::f32(&[], &[3.0]));
    let square = net.node("Mul", &[x, x]);
    let triple = net.node("Mul", &[x, three]);
    let y = net.node("Add", &[square, triple]);
    assert_eq!(net.gradient(&[(y, &[1.0, 10.0])], &[x]), [vec![7.0, 10.0]]);
}

#[test]
fn many_consumers_are_summed() {
    let mut net = Net::new(7);
    let x = net.input("x", &[2], &[1.0, 2.0]);
    let parts: Vec<ValueId> = (0..4).map(|_| net.node("Mul", &[x, x])).collect();
    let y = net.node("Sum", &parts);
    assert_eq!(net.gradient(&[(y, &[1.0, 1.0])], &[x]), [vec![8.0, 16.0]]);
}

#[test]
fn several_cotangents_add_up_even_on_one_another() {
    // y = 2x, z = y²: the gradient of y·a + z·b is 2a + 8xb; a cotangent given twice counts twice.
    let mut net = Net::new(13);
    let x = net.input("x", &[1], &[3.0]);
    let two = net.constant(Tensor::f32(&[], &[2.0]));
    let y = net.node("Mul", &[x, two]);
    let z = net.node("Mul", &[y, y]);
    assert_eq!(net.gradient(&[(y, &[5.0]), (z, &[1.0]), (y, &[1.0])], &[x]), [vec![36.0]]);
}

#[test]
fn a_node_may_be_its_own_cotangent() {
    // The cotangent of y = x² is y itself, so the gradient is 2x·x².
    let mut net = Net::new(13);
    let x = net.input("x", &[2], &[3.0, -1.0]);
    let y = net.node("Mul", &[x, x]);
    let query =
        Query { feeds: vec![x], cotangents: vec![(y, Itself)], wrt: vec![x], fetches: vec![y], ..Query::default() };
    assert_eq!(net.run(&query, &[]), [vec![54.0, -2.0], vec![9.0, 1.0]]);
}

#[test]
fn by_a_node_of_the_cotangent_itself_the_gradient_is_the_cotangent() {
    let mut net = Net::new(13);
    let x = net.input("x", &[2], &[3.0, -1.0]);
    let y = net.node("Mul", &[x, x]);
    assert_eq!(net.gradient(&[(y, &[4.0, 5.0])], &[y, x]), [vec![4.0, 5.0], vec![24.0, -10.0]]);
    assert_eq!(net.gradient(&[(x, &[4.0, 5.0])], &[x]), [vec![4.0, 5.0]]);
}

#[test]
fn an_inner_node_gets_its_gradient_and_still_passes_it_on() {
    let mut net = Net::new(13);
    let x = net.input("x", &[1], &[3.0]);
    let y = net.node("Mul", &[x, x]);
    let z = net.node("Exp", &[y]);
    let e = 9.0_f64.exp();
    assert_eq!(net.gradient(&[(z, &[1.0])], &[y, x, y]), [vec![e], vec![6.0 * e], vec![e]]);
}

#[test]
fn what_lies_outside_the_path_has_gradient_zero() {
    let mut net = Net::new(13);
    let x = net.input("x", &[2], &[3.0, -1.0]);
    let aside = net.node("Exp", &[x]);
    let y = net.node("Mul", &[x, x]);
    let after = net.node("Neg", &[y]);
    assert_eq!(net.gradient(&[(y, &[1.0, 1.0])], &[aside, after]), [vec![0.0, 0.0], vec![0.0, 0.0]]);
}

#[test]
fn a_fed_inner_node_cuts_the_graph() {
    let mut net = Net::new(13);
    let x = net.input("x", &[2], &[3.0, -1.0]);
    let y = net.node("Mul", &[x, x]);
    let z = net.node("Mul", &[y, y]);
    let query =
        Query { feeds: vec![y], cotangents: vec![(z, Fed)], wrt: vec![y], fetches: vec![z], ..Query::default() };
    let graph = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap();
    assert!(graph.nodes.iter().all(|node| !node.inputs.contains(&Some(x))), "nothing before the feed is computed");
    let outputs = net::execute(&graph, &[Tensor::f64(&[2], &[5.0, 7.0]), Tensor::f64(&[2], &[1.0, 2.0])]);
    assert_eq!(outputs, [vec![10.0, 28.0], vec![25.0, 49.0]]);
    // Upstream of the feed nothing arrives, though the input is fed too.
    let query = Query { feeds: vec![x, y], wrt: vec![x], ..query };
    let graph = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap();
    let inputs = [[1.0, 1.0], [5.0, 7.0], [1.0, 2.0]].map(|data| Tensor::f64(&[2], &data));
    assert_eq!(net::execute(&graph, &inputs), [vec![0.0, 0.0], vec![25.0, 49.0]]);
}

#[test]
fn feeding_one_part_of_a_split_leaves_the_other() {
    let mut net = Net::new(13);
    let x = net.input("x", &[2], &[3.0, -1.0]);
    let sizes = net.constant(Tensor::i64(&[2], &[1, 1]));
    let parts = net.nodes("Split", &[x, sizes], 2, []);
    let y = net.node("Mul", &[parts[0], parts[1]]);
    assert_eq!(net.gradient(&[(y, &[1.0])], &[x]), [vec![-1.0, 3.0]]);
    assert_eq!(net.gradient(&[(parts[1], &[5.0])], &[x]), [vec![0.0, 5.0]]);
    let query = Query { feeds: vec![x, parts[0]], cotangents: vec![(y, Fed)], wrt: vec![x], ..Query::default() };
    let graph = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap();
    let inputs = [Tensor::f64(&[2], &[3.0, -1.0]), Tensor::f64(&[1], &[7.0]), Tensor::f64(&[1], &[1.0])];
    assert_eq!(net::execute(&graph, &inputs), [vec![0.0, 7.0]]);
}

#[test]
fn an_input_that_is_needed_and_not_fed_is_named() {
    let mut net = Net::new(13);
    let x = net.input("x", &[1], &[3.0]);
    let other = net.input("other", &[1], &[3.0]);
    let y = net.node("Mul", &[x, other]);
    let query = Query { feeds: vec![x], cotangents: vec![(y, Fed)], wrt: vec![x], ..Query::default() };
    let error = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap_err();
    assert!(matches!(error, Error::NotFed { ref name } if name == "other"), "{error}");
}

#[test]
fn an_operator_without_a_derivative_is_named_only_where_it_is_in_the_way() {
    let mut net = Net::new(13);
    let x = net.input("x", &[1, 2], &[3.0, 1.0]);
    let shape = net.graph.shape(x).unwrap().to_vec();
    let y = net.unknown("Frobnicate", &[x], shape);
    let z = net.node_unrun("Neg", &[y]);
    let query = Query { feeds: vec![x], cotangents: vec![(z, Fed)], wrt: vec![x], ..Query::default() };
    let error = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap_err();
    assert!(matches!(error, Error::NoDerivative { ref op, .. } if op == "Frobnicate"), "{error}");
    let query = Query { wrt: vec![y], ..query };
    assert!(differentiate(&net.graph, &query, &DerivedConstants::default()).is_ok());
}

#[test]
fn nothing_flows_through_integers() {
    // y = x·float(int(x)): the second factor is a constant to the derivative.
    let mut net = Net::new(13);
    let x = net.input("x", &[2], &[3.5, -1.5]);
    let whole = net.nodes("Cast", &[x], 1, [("to", 7.into())])[0];
    let back = net.nodes("Cast", &[whole], 1, [("to", 1.into())])[0];
    let y = net.node("Mul", &[x, back]);
    assert_eq!(net.gradient(&[(y, &[1.0, 1.0])], &[x]), [vec![3.0, -1.0]]);
}

#[test]
fn outputs_are_distinct_even_where_the_answers_are_not() {
    let mut net = Net::new(13);
    let x = net.input("x", &[1], &[3.0]);
    let y = net.node("Neg", &[x]);
    let query = Query {
        feeds: vec![x],
        cotangents: vec![(y, Fed)],
        wrt: vec![y, x, x],
        fetches: vec![x, y, y],
        ..Query::default()
    };
    assert_eq!(net.run(&query, &[&[2.0]]), [vec![2.0], vec![-2.0], vec![-2.0], vec![3.0], vec![-3.0], vec![-3.0]]);
    let graph = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap();
    let mut outputs = graph.outputs.clone();
    outputs.extend(&graph.inputs);
    outputs.sort_unstable();
    outputs.dedup();
    assert_eq!(outputs.len(), graph.outputs.len() + graph.inputs.len());
}

/// The gradient of `rectifier` by its input at -1, 2, 3, 9 for the cotangents 1, -1, 2, 4, under each rule.
fn by_rule(make: impl Fn(&mut Net, ValueId) -> ValueId) -> [Vec<f64>; 3] {
    [Rule::Standard, Rule::Guided, Rule::Deconvnet].map(|rule| {
        let mut net = Net::new(13);
        let x = net.input("x", &[4], &[-1.0, 2.0, 3.0, 9.0]);
        let y = make(&mut net, x);
        let query = Query { feeds: vec![x], cotangents: vec![(y, Fed)], wrt: vec![x], fetches: vec![], rule };
        net.run(&query, &[&[1.0, -1.0, 2.0, 4.0]]).remove(0)
    })
}

fn clip(net: &mut Net, x: ValueId, low: f32, high: f32) -> ValueId {
    let (low, high) = (net.constant(Tensor::f32(&[], &[low])), net.constant(Tensor::f32(&[], &[high])));
    net.node("Clip", &[x, low, high])
}

#[test]
fn the_rules_change_what_rectifiers_do_backwards() {
    let [standard, guided, deconvnet] = by_rule(|net, x| net.node("Relu", &[x]));
    assert_eq!(standard, [0.0, -1.0, 2.0, 4.0]);
    assert_eq!(guided, [0.0, 0.0, 2.0, 4.0]);
    assert_eq!(deconvnet, [1.0, 0.0, 2.0, 4.0]);

    let [standard, guided, deconvnet] = by_rule(|net, x| clip(net, x, 0.0, 6.0));
    assert_eq!(standard, [0.0, -1.0, 2.0, 0.0]);
    assert_eq!(guided, [0.0, 0.0, 2.0, 0.0]);
    assert_eq!(deconvnet, [1.0, 0.0, 2.0, 4.0]);

    let [standard, guided, deconvnet] = by_rule(|net, x| net.nodes("LeakyRelu", &[x], 1, [("alpha", 0.5.into())])[0]);
    assert_eq!(standard, [0.5, -1.0, 2.0, 4.0]);
    assert_eq!(guided, [0.0, 0.0, 2.0, 4.0]);
    assert_eq!(deconvnet, [1.0, 0.0, 2.0, 4.0]);

    let [standard, guided, deconvnet] = by_rule(|net, x| {
        let slope = net.constant(Tensor::f32(&[1], &[0.25]));
        net.node("PRelu", &[x, slope])
    });
    assert_eq!(standard, [0.25, -1.0, 2.0, 4.0]);
    assert_eq!(guided, [0.0, 0.0, 2.0, 4.0]);
    assert_eq!(deconvnet, [1.0, 0.0, 2.0, 4.0]);
}

#[test]
fn the_rules_leave_everything_else_alone() {
    for answer in by_rule(|net, x| clip(net, x, -2.0, 6.0)) {
        assert_eq!(answer, [1.0, -1.0, 2.0, 0.0]);
    }
    for answer in by_rule(|net, x| net.node("Neg", &[x])) {
        assert_eq!(answer, [-1.0, 1.0, -2.0, -4.0]);
    }
}

#[test]
fn a_clip_at_its_bound_passes_nothing() {
    let mut net = Net::new(13);
    let x = net.input("x", &[3], &[0.0, 6.0, 1.0]);
    let y = clip(&mut net, x, 0.0, 6.0);
    assert_eq!(net.gradient(&[(y, &[1.0, 1.0, 1.0])], &[x]), [vec![0.0, 0.0, 1.0]]);
}

#[test]
fn flipped_kernels_are_made_once_for_all_graphs_of_a_model() {
    let (net, x, logits) = net::small_network(13);
    let derived = DerivedConstants::default();
    let query = |fetches: Vec<ValueId>| {
        let query =
            Query { feeds: vec![x], cotangents: vec![(logits, Fed)], wrt: vec![x], fetches, ..Query::default() };
        differentiate(&net.graph, &query, &derived).unwrap()
    };
    let (first, second) = (query(vec![]), query(vec![logits]));
    let derived_in_both = first.constants.values().filter(|tensor| {
        second.constants.values().any(|other| Arc::ptr_eq(tensor, other))
            && net.graph.constants.values().all(|own| !Arc::ptr_eq(tensor, own))
    });
    assert_eq!(derived_in_both.count(), 8, "the kernels (the depthwise one in four phases), a scale, a pool's weights");
}

#[test]
fn a_small_network_agrees_with_central_differences_in_every_form() {
    for opset in [7, 11, 13, 17, 20, 23] {
        let (net, x, logits) = net::small_network(opset);
        let cotangent = [1.0, -0.5, 2.0, 0.25, 1.5, -1.0];
        let gradient = net.gradient(&[(logits, &cotangent)], &[x]).remove(0);
        let numbers = net.numbers(x).to_vec();
        for index in (0..numbers.len()).step_by(5) {
            let at = |step: f64| -> f64 {
                let mut moved = numbers.clone();
                moved[index] += step;
                let logits = net.value(logits, x, &moved);
                logits.iter().zip(cotangent).map(|(logit, weight)| logit * weight).sum()
            };
            let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
            let close = (gradient[index] - numeric).abs() < 1e-7;
            assert!(close, "opset {opset}, pixel {index}: {} against {numeric}", gradient[index]);
        }
        assert!(gradient.iter().any(|value| value.abs() > 1e-2), "a gradient that is not all zero");
    }
}

/// A block of a mobile network: widened by a 1×1 convolution, rectified, then depthwise with a stride of 2, so that the
/// gradient goes through the rectifier and the narrowing convolution phase by phase.
fn strided_block(rectify: impl Fn(&mut Net, ValueId) -> ValueId, size: i64) -> (Net, ValueId, ValueId) {
    let spread = |count: i64, seed: i64| -> Vec<f32> {
        (0..count).map(|index| ((index * 37 + seed * 11) % 101) as f32 / 50.0 - 1.003).collect()
    };
    let mut net = Net::new(13);
    let pixels: Vec<f64> = spread(3 * size * size, 1).into_iter().map(f64::from).collect();
    let x = net.input("x", &[1, 3, size, size], &pixels);
    let widen = net.constant(Tensor::f32(&[8, 3, 1, 1], &spread(24, 2)));
    let depthwise = net.constant(Tensor::f32(&[8, 1, 3, 3], &spread(72, 3)));
    let wide = net.node("Conv", &[x, widen]);
    let rectified = rectify(&mut net, wide);
    let attributes = [("strides", vec![2, 2].into()), ("pads", vec![1, 0, 0, 1].into()), ("group", 8.into())];
    let y = net.nodes("Conv", &[rectified, depthwise], 1, attributes)[0];
    (net, x, y)
}

#[test]
fn through_a_strided_depthwise_convolution_the_gradient_stays_in_phases_until_it_is_narrow() {
    let relu6 = |net: &mut Net, x| clip(net, x, 0.0, 0.5);
    let relu = |net: &mut Net, x| net.node("Relu", &[x]);
    for size in [7, 8] {
        for (net, x, y) in [strided_block(relu6, size), strided_block(relu, size)] {
            let shape = net.graph.shape(y).unwrap();
            let cotangent: Vec<f64> =
                (0..shape.iter().product()).map(|index: i64| (index % 7) as f64 / 3.0 - 0.9).collect();
            let gradient = net.gradient(&[(y, &cotangent)], &[x]).remove(0);
            let numbers = net.numbers(x);
            for index in 0..numbers.len() {
                let at = |step: f64| -> f64 {
                    let mut moved = numbers.clone();
                    moved[index] += step;
                    net.value(y, x, &moved).iter().zip(&cotangent).map(|(value, weight)| value * weight).sum()
                };
                let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((gradient[index] - numeric).abs() < 1e-6, "pixel {index}: {} not {numeric}", gradient[index]);
            }
            let query = Query { feeds: vec![x], cotangents: vec![(y, Fed)], wrt: vec![x], ..Query::default() };
            let graph = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap();
            let interleaved = graph.nodes.iter().filter(|node| node.op == "Concat" && node.int("axis", 0) == 3);
            let channels: Vec<i64> =
                interleaved.map(|node| graph.shape(node.outputs[0].unwrap()).unwrap()[1]).collect();
            assert_eq!(channels, [3], "only the narrow gradient is interleaved");
        }
    }
}

#[test]
fn every_value_that_is_added_states_its_shape() {
    let (net, x, logits) = net::small_network(17);
    let query = Query { feeds: vec![x], cotangents: vec![(logits, Fed)], wrt: vec![x], ..Query::default() };
    let graph = differentiate(&net.graph, &query, &DerivedConstants::default()).unwrap();
    for node in &graph.nodes {
        for output in node.outputs.iter().flatten() {
            // The reference runtime refuses a graph that states a wrong one.
            assert!(graph.shape(*output).is_some(), "{}", graph.value(*output).name);
        }
    }
    let mut names: Vec<&str> = graph.values.iter().map(|value| &*value.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "names are unique");
}
