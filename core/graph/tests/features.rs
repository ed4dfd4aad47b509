//! What is found in networks whose head is no global pooling over planes: tokens and their grids, channels last; and the
//! blocks that a reader would name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use support::{Network, assert_close, convolutional, pictures, single};
use whyglass_graph::{Cotangent, GraphModel, Options, ReferenceRuntime, Rule, Tensor, TokenGrid, Vjp};

type Model = GraphModel<ReferenceRuntime>;

fn load(network: &Network) -> Model {
    GraphModel::from_graph(network.read(), &Options::default(), Arc::new(ReferenceRuntime)).unwrap()
}

/// The gradient of the first logit with respect to `wrt`.
fn gradient(model: &Model, wrt: &str) -> Tensor {
    let mut one_hot = vec![0.0; model.classes()];
    one_hot[0] = 1.0;
    let cotangent = Cotangent::Tensor(Tensor::f32(&[1, one_hot.len() as i64], &one_hot));
    let feeds = [("input", pictures(1, 8, 8))];
    let vjp =
        Vjp { feeds: &feeds, cotangents: &[("logits", cotangent)], wrt: &[wrt], fetches: &[], rule: Rule::Standard };
    model.vjp(&vjp, 0).unwrap().wrt.remove(0)
}

/// 2×3 patches of a picture of 8×12 as tokens, after `prefix` constant ones, and one attention over them; ends with
/// `residual`, 1×T×4.
fn transformer(prefix: i64) -> Network {
    let mut network = Network::new("data", &[1, 3, 8, 12])
        .weight("patch", &[4, 3, 4, 4])
        .integers("rows", &[1, 4, 6])
        .node("patches = Conv(data, patch)", &[("kernel_shape", &[4, 4]), ("strides", &[4, 4])])
        .node("flat = Reshape(patches, rows)", &[])
        .node("tokens = Transpose(flat)", &[("perm", &[0, 2, 1])]);
    network = match prefix {
        0 => network.node("sequence = Relu(tokens)", &[]),
        _ => network.weight("class", &[1, prefix, 4]).node("sequence = Concat(class, tokens)", &[("axis!", &[1])]),
    };
    network
        .weight("scale", &[4])
        .weight("shift", &[4])
        .weight("qkv", &[4, 12])
        .weight("out", &[4, 4])
        .integers("parts", &[4, 4, 4])
        .node("norm = LayerNormalization(sequence, scale, shift)", &[("axis!", &[-1])])
        .node("projected = MatMul(norm, qkv)", &[])
        .node("q, k, v = Split(projected, parts)", &[("axis!", &[2])])
        .node("kt = Transpose(k)", &[("perm", &[0, 2, 1])])
        .node("similar = MatMul(q, kt)", &[])
        .node("weights = Softmax(similar)", &[("axis!", &[-1])])
        .node("mixed = MatMul(weights, v)", &[])
        .node("attended = MatMul(mixed, out)", &[])
        .node("residual = Add(sequence, attended)", &[])
        .opset(17)
}

fn with_class_token(prefix: i64) -> Network {
    transformer(prefix)
        .integers("first", &[0])
        .integers("row", &[1, 4])
        .weight("head", &[4, 3])
        .node("token = Gather(residual, first)", &[("axis!", &[1])])
        .node("only = Reshape(token, row)", &[])
        .node("scores = MatMul(only, head)", &[])
        .output("scores")
}

#[test]
fn a_class_token_reads_the_last_attention_and_features_are_what_goes_into_it() {
    for prefix in [1, 2] {
        let model = load(&with_class_token(prefix));
        assert_eq!(model.feature_layer(), Some("norm"));
        let features = model.layer("features").unwrap();
        assert_eq!(features.tokens, Some(TokenGrid { prefix: prefix as usize, height: 2, width: 3 }));
        assert!(features.differentiable && !features.spatial);
    }
    // Every patch has a say, which behind the attention only the class token would have.
    let model = load(&with_class_token(1));
    let feeds = [("input", pictures(1, 8, 12))];
    let cotangent = Cotangent::Tensor(Tensor::f32(&[1, 3], &[1.0, 0.0, 0.0]));
    let vjp = Vjp {
        feeds: &feeds,
        cotangents: &[("logits", cotangent)],
        wrt: &["features", "residual"],
        fetches: &[],
        rule: Rule::Standard,
    };
    let gradients = model.vjp(&vjp, 0).unwrap().wrt;
    let said = |tensor: &Tensor| tensor.to_f64().chunks(4).filter(|row| row.iter().any(|value| *value != 0.0)).count();
    assert_eq!((said(&gradients[0]), said(&gradients[1])), (7, 1));
}

#[test]
fn a_mean_over_tokens_is_a_pooling_like_any_other() {
    let network = transformer(0)
        .weight("head", &[4, 3])
        .node("mean = ReduceMean(residual)", &[("axes", &[1]), ("keepdims!", &[0])])
        .node("scores = MatMul(mean, head)", &[])
        .output("scores");
    let model = load(&network);
    assert_eq!(model.feature_layer(), Some("residual"));
    assert_eq!(model.layer("features").unwrap().tokens, Some(TokenGrid { prefix: 0, height: 2, width: 3 }));
}

#[test]
fn registers_that_are_sliced_away_before_the_mean_are_no_cells() {
    let network = transformer(2)
        .integers("from", &[2])
        .integers("to", &[i64::MAX])
        .integers("along", &[1])
        .weight("head", &[4, 3])
        .node("patches only = Slice(residual, from, to, along)", &[])
        .node("mean = ReduceMean(patches only)", &[("axes", &[1]), ("keepdims!", &[0])])
        .node("scores = MatMul(mean, head)", &[])
        .output("scores");
    let model = load(&network);
    assert_eq!(model.feature_layer(), Some("patches only"));
    assert_eq!(model.layer("features").unwrap().tokens, Some(TokenGrid { prefix: 0, height: 2, width: 3 }));
}

#[test]
fn a_sequence_that_was_not_cut_from_a_grid_has_none() {
    let network = Network::new("data", &[1, 3, 8, 8])
        .integers("lines", &[1, 16, 12])
        .weight("head", &[12, 3])
        .node("sequence = Reshape(data, lines)", &[])
        .node("active = Relu(sequence)", &[])
        .node("mean = ReduceMean(active)", &[("axes", &[1]), ("keepdims!", &[0])])
        .node("scores = MatMul(mean, head)", &[])
        .output("scores");
    let model = load(&network);
    let features = model.layer("features").unwrap();
    assert_eq!((features.id.as_str(), features.tokens, features.spatial), ("features", None, false));
}

/// A convolution whose output is turned to N×H×W×C, worked on there, and pooled over both axes.
fn channels_last() -> Network {
    Network::new("data", &[1, 3, 8, 8])
        .weight("w", &[4, 3, 3, 3])
        .weight("scale", &[4])
        .weight("head", &[4, 3])
        .node("conv = Conv(data, w)", &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
        .node("turned = Transpose(conv)", &[("perm", &[0, 2, 3, 1])])
}

#[test]
fn features_with_their_channels_last_are_planes_to_everybody() {
    let network = channels_last()
        .node("scaled = Mul(turned, scale)", &[])
        .node("active = Relu(scaled)", &[])
        .node("mean = ReduceMean(active)", &[("axes", &[1, 2]), ("keepdims!", &[0])])
        .node("scores = MatMul(mean, head)", &[])
        .output("scores");
    let model = load(&network);
    let features = model.layer("features").unwrap().clone();
    assert!(features.spatial && features.differentiable);
    assert_eq!(features.shape, [4, 4, 4]);
    let (planes, last) = (single(&gradient(&model, "features")), gradient(&model, "active"));
    let (planes_data, last) = (planes.to_f64(), last.to_f64());
    for (index, value) in planes_data.iter().enumerate() {
        let (channel, cell) = (index / 16, index % 16);
        assert!((value - last[cell * 4 + channel]).abs() < 1e-7);
    }
    let feeds = [("input", pictures(1, 8, 8))];
    let logits = model.run(&feeds, &["logits"], 0).unwrap().remove(0);
    let values = model.run(&feeds, &["features"], 0).unwrap().remove(0);
    let again = model.run(&[("features", single(&values))], &["logits"], 0).unwrap().remove(0);
    assert_close(&logits, &again, 1e-6);
}

#[test]
fn planes_that_were_only_just_turned_are_the_features_themselves() {
    let network = channels_last()
        .node("mean = ReduceMean(turned)", &[("axes", &[1, 2]), ("keepdims!", &[0])])
        .node("scores = MatMul(mean, head)", &[])
        .output("scores");
    assert_eq!(load(&network).feature_layer(), Some("conv"));
}

#[test]
fn blocks_are_what_a_paper_would_name() {
    let kinds =
        |network: &Network| -> Vec<String> { load(network).blocks().iter().map(|block| block.kind.clone()).collect() };
    let convolutional = kinds(&convolutional());
    let expected = [
        "convolution 3×3",
        "max pooling 2×2, stride 2",
        "convolution 3×3, stride 2",
        "global average pooling",
        "linear, 3 units",
    ];
    assert_eq!(convolutional, expected);
    let transformer = kinds(&with_class_token(1));
    assert_eq!(transformer, ["convolution 4×4, stride 4", "residual attention", "linear, 3 units"]);

    let residual = Network::new("data", &[1, 3, 8, 8])
        .weight("w0", &[4, 3, 1, 1])
        .weight("w1", &[4, 4, 3, 3])
        .weight("w2", &[4, 4, 3, 3])
        .weight("head", &[4, 3])
        .integers("row", &[1, 4])
        .node("stem = Conv(data, w0)", &[("kernel_shape", &[1, 1])])
        .node("c1 = Conv(stem, w1)", &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1])])
        .node("r1 = Relu(c1)", &[])
        .node("c2 = Conv(r1, w2)", &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1])])
        .node("sum = Add(c2, stem)", &[])
        .node("out = Relu(sum)", &[])
        .node("pooled = GlobalAveragePool(out)", &[])
        .node("flat = Reshape(pooled, row)", &[])
        .node("scores = MatMul(flat, head)", &[])
        .output("scores");
    let model = load(&residual);
    let block = &model.blocks()[1];
    assert_eq!((block.kind.as_str(), block.output.as_str()), ("residual block of 2 convolutions", "out"));
    assert_eq!(block.paths, [vec![], vec!["conv 3×3".to_owned(), "conv 3×3".to_owned()]]);
    assert_eq!(block.parameters, 2 * 4 * 4 * 9);
}
