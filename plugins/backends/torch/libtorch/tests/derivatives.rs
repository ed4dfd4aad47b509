//! The derivatives of the graph crate against libtorch's autograd, operator by operator: the executor runs a node forward and
//! libtorch goes back by itself; beside it the executor runs the graph that the graph crate has made of the node.

#![cfg(feature = "libtorch")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use whyglass_graph::{
    Attribute, CompileOptions, CotangentKind, DerivedConstants, Graph, Node, Query, Runtime, Tensor, ValueId,
    differentiate,
};
use whyglass_libtorch::TorchRuntime;

const OPTIONS: CompileOptions = CompileOptions { optimise: false, threads: 1 };
const TOLERANCE: f64 = 2e-5;

enum In<'a> {
    /// Differentiated by: of either sign, no two alike, none near 0.
    By(&'a [i64]),
    /// The same, above 0.
    Positive(&'a [i64]),
    Fixed(Tensor),
}

use In::{By, Fixed, Positive};

/// Numbers without a pattern, away from 0 and from one another.
fn numbers(count: usize, seed: usize, positive: bool) -> Vec<f32> {
    let value = |i: usize| {
        let place = ((i + seed) * 379 % 997) as f32 / 997.0;
        let (size, negative) = (0.15 + 2.0 * place, (i + seed) * 7 % 11 < 5 && !positive);
        if negative { -size } else { size }
    };
    (0..count).map(value).collect()
}

fn floats(shape: &[i64], seed: usize) -> Tensor {
    Tensor::f32(shape, &numbers(shape.iter().product::<i64>() as usize, seed, false))
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::i64(&[values.len() as i64], values)
}

fn bools(shape: &[i64]) -> Tensor {
    let bytes: Vec<u8> = (0..shape.iter().product::<i64>()).map(|i| u8::from(i % 3 != 1)).collect();
    Tensor::new(whyglass_graph::Dtype::Bool, shape.to_vec(), bytes.into())
}

fn run(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let runtime = TorchRuntime::on(None).unwrap();
    let program = runtime.compile(graph, OPTIONS).unwrap();
    runtime.execute(&program, inputs).unwrap()
}

/// How far the two are apart at worst, of the largest gradient.
fn apart(op: &str, opset: i64, inputs: &[In<'_>], attributes: &[(&str, Attribute)], outputs: usize) -> f64 {
    let mut graph = Graph { opset, ..Graph::default() };
    let (mut ids, mut given) = (Vec::new(), Vec::new());
    for (index, input) in inputs.iter().enumerate() {
        let (shape, positive) = match input {
            By(shape) => (shape.to_vec(), false),
            Positive(shape) => (shape.to_vec(), true),
            Fixed(tensor) => {
                let id = graph.add_value(format!("c{index}"), Some(tensor.shape().to_vec()));
                graph.constants.insert(id, Arc::new(tensor.clone()));
                ids.push(Some(id));
                continue;
            }
        };
        let id = graph.add_value(format!("x{index}"), Some(shape.clone()));
        graph.inputs.push(id);
        given.push(Tensor::f32(&shape, &numbers(shape.iter().product::<i64>() as usize, 17 * index + 1, positive)));
        ids.push(Some(id));
    }
    graph.outputs = (0..outputs).map(|index| graph.add_value(format!("y{index}"), None)).collect();
    graph.nodes.push(Node {
        name: "node".into(),
        domain: String::new(),
        op: op.to_owned(),
        inputs: ids,
        outputs: graph.outputs.iter().copied().map(Some).collect(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
    });
    let values = run(&graph, &given);
    let made: Vec<ValueId> = graph.outputs.clone();
    for (id, value) in made.iter().zip(&values) {
        graph.values[id.0 as usize].shape = Some(value.shape().to_vec());
    }
    let cotangents: Vec<Tensor> =
        values.iter().enumerate().map(|(index, value)| floats(value.shape(), 101 + index)).collect();
    let runtime = TorchRuntime::on(None).unwrap();
    let program = runtime.compile(&graph, OPTIONS).unwrap();
    let wanted = program.autograd(&given, &cotangents).unwrap_or_else(|error| panic!("{op}: {error}"));
    let query = Query {
        feeds: graph.inputs.clone(),
        cotangents: made.iter().map(|id| (*id, CotangentKind::Fed)).collect(),
        wrt: graph.inputs.clone(),
        ..Query::default()
    };
    let backward = differentiate(&graph, &query, &DerivedConstants::default()).unwrap_or_else(|e| panic!("{op}: {e}"));
    let fed: Vec<Tensor> = given.iter().chain(&cotangents).cloned().collect();
    let found = run(&backward, &fed);
    let mut worst = 0.0_f64;
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found.shape(), wanted.shape(), "{op}");
        let (found, wanted) = (found.to_f64(), wanted.to_f64());
        let largest = wanted.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!(found.is_finite(), "{op}: {found}");
            worst = worst.max((found - wanted).abs() / largest);
        }
    }
    worst
}

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn list(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn text(value: &str) -> Attribute {
    Attribute::String(value.as_bytes().to_vec())
}

#[test]
fn every_operator_agrees_with_the_autograd_of_libtorch() {
    let s: &[i64] = &[2, 3, 4];
    let map: &[i64] = &[2, 4, 6, 6];
    let (one, pads) = (&[1_i64][..], &[1_i64, 1, 1, 1][..]);
    let mut worst: Vec<(String, f64)> = Vec::new();
    let mut check = |op: &str, opset: i64, inputs: &[In<'_>], attributes: &[(&str, Attribute)], outputs: usize| {
        worst.push((op.to_owned(), apart(op, opset, inputs, attributes, outputs)));
    };
    for op in [
        "Abs",
        "Neg",
        "Exp",
        "Sin",
        "Cos",
        "Tanh",
        "Sigmoid",
        "Erf",
        "Relu",
        "LeakyRelu",
        "ThresholdedRelu",
        "Elu",
        "Selu",
        "Celu",
        "Softplus",
        "Softsign",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "Floor",
        "Ceil",
        "Round",
        "Sign",
        "Reciprocal",
    ] {
        check(op, 17, &[By(s)], &[], 1);
    }
    for op in ["Log", "Sqrt"] {
        check(op, 17, &[Positive(s)], &[], 1);
    }
    check("Mish", 18, &[By(s)], &[], 1);
    check("Gelu", 20, &[By(s)], &[], 1);
    check("Gelu", 20, &[By(s)], &[("approximate", text("tanh"))], 1);
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"] {
        check(op, 17, &[By(s), By(&[3, 1])], &[], 1);
    }
    check("Pow", 17, &[Positive(s), By(&[4])], &[], 1);
    check("PRelu", 17, &[By(s), By(&[3, 1])], &[], 1);
    check("Where", 17, &[Fixed(bools(&[3, 4])), By(s), By(one)], &[], 1);
    check("Clip", 17, &[By(s), Fixed(Tensor::f32(&[], &[-0.7])), Fixed(Tensor::f32(&[], &[0.9]))], &[], 1);
    check("Cast", 17, &[By(s)], &[("to", int(1))], 1);

    check(
        "Gemm",
        17,
        &[By(&[3, 4]), By(&[5, 4]), Fixed(floats(&[5], 7))],
        &[("transB", int(1)), ("alpha", Attribute::Float(0.5))],
        1,
    );
    check("MatMul", 17, &[By(&[2, 3, 4]), By(&[4, 5])], &[], 1);
    for op in ["Softmax", "LogSoftmax"] {
        check(op, 17, &[By(s)], &[("axis", int(1))], 1);
        check(op, 11, &[By(s)], &[("axis", int(1))], 1);
    }
    for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"] {
        if op == "ReduceSum" {
            check(op, 17, &[By(s), Fixed(ints(&[1, 2]))], &[("keepdims", int(0))], 1);
        } else {
            check(op, 17, &[By(s)], &[("axes", list(&[0, -1])), ("keepdims", int(1))], 1);
        }
    }

    check(
        "Conv",
        17,
        &[By(map), Fixed(floats(&[6, 4, 3, 3], 5)), Fixed(floats(&[6], 7))],
        &[("pads", list(pads)), ("strides", list(&[2, 2]))],
        1,
    );
    check(
        "Conv",
        17,
        &[By(map), Fixed(floats(&[4, 1, 3, 3], 5))],
        &[("pads", list(&[0, 1, 2, 1])), ("group", int(4))],
        1,
    );
    check(
        "ConvTranspose",
        17,
        &[By(map), Fixed(floats(&[4, 3, 3, 3], 5))],
        &[("strides", list(&[2, 2])), ("pads", list(pads))],
        1,
    );
    let window = [("kernel_shape", list(&[3, 3])), ("strides", list(&[2, 2])), ("pads", list(pads))];
    check("MaxPool", 17, &[By(map)], &window, 1);
    check("AveragePool", 17, &[By(map)], &window, 1);
    let ceiling = [
        ("kernel_shape", list(&[3, 3])),
        ("strides", list(&[2, 2])),
        ("ceil_mode", int(1)),
        ("count_include_pad", int(1)),
    ];
    check("AveragePool", 17, &[By(map)], &ceiling, 1);
    check("MaxPool", 17, &[By(map)], &ceiling[..3], 1);
    check("GlobalAveragePool", 17, &[By(map)], &[], 1);
    check("GlobalMaxPool", 17, &[By(map)], &[], 1);

    let channel = || Fixed(floats(&[4], 3));
    let variance = || Fixed(Tensor::f32(&[4], &[0.5, 1.0, 2.0, 0.7]));
    check("BatchNormalization", 17, &[By(map), channel(), channel(), channel(), variance()], &[], 1);
    check("InstanceNormalization", 17, &[By(map), channel(), channel()], &[], 1);
    check("GroupNormalization", 21, &[By(map), channel(), channel()], &[("num_groups", int(2))], 1);
    check("LayerNormalization", 17, &[By(s), Fixed(floats(&[4], 3)), Fixed(floats(&[4], 9))], &[("axis", int(-1))], 1);

    check("Reshape", 17, &[By(s), Fixed(ints(&[0, -1]))], &[], 1);
    check("Flatten", 17, &[By(s)], &[], 1);
    check("Squeeze", 17, &[By(&[2, 1, 3]), Fixed(ints(&[1]))], &[], 1);
    check("Unsqueeze", 17, &[By(s), Fixed(ints(&[0, -1]))], &[], 1);
    check("Transpose", 17, &[By(s)], &[("perm", list(&[2, 0, 1]))], 1);
    check("Expand", 17, &[By(&[3, 1]), Fixed(ints(&[2, 1, 4]))], &[], 1);
    check("Tile", 17, &[By(s), Fixed(ints(&[1, 2, 3]))], &[], 1);
    check("Concat", 17, &[By(s), By(&[2, 1, 4])], &[("axis", int(1))], 1);
    check("Split", 17, &[By(s), Fixed(ints(&[1, 2]))], &[("axis", int(1))], 2);
    let bounds = |values: &[i64]| Fixed(ints(values));
    check("Slice", 17, &[By(s), bounds(&[3, 0]), bounds(&[-9, 2]), bounds(&[2, 1]), bounds(&[-2, 1])], &[], 1);
    check("Pad", 17, &[By(s), Fixed(ints(&[0, 1, 2, 0, 0, 1]))], &[], 1);
    check("Pad", 17, &[By(s), Fixed(ints(&[0, 1, 2, 0, 0, 1]))], &[("mode", text("reflect"))], 1);
    check("Gather", 17, &[By(s), Fixed(Tensor::i64(&[2, 2], &[0, -1, 2, 0]))], &[("axis", int(1))], 1);
    check("DepthToSpace", 17, &[By(map)], &[("blocksize", int(2)), ("mode", text("CRD"))], 1);
    check("DepthToSpace", 17, &[By(map)], &[("blocksize", int(2))], 1);
    check("SpaceToDepth", 17, &[By(map)], &[("blocksize", int(2))], 1);

    for (op, apart) in &worst {
        println!("{op:24} {apart:.1e}");
    }
    let off: Vec<_> = worst.iter().filter(|(_, apart)| *apart > TOLERANCE).collect();
    assert!(off.is_empty(), "{off:?}");
    assert!(worst.len() >= 80, "{} cases", worst.len());
}
