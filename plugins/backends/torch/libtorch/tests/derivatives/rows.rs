//! Sums over axes: reductions, normalisations, products, attention.

use crate::case::{Case, case};
use crate::values::{In, any, bools, fixed, float, floats, int, ints, list, positive, scalar, text};
use whyglass_graph::Tensor;

const REDUCTIONS: [&str; 10] = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
];

pub(crate) fn cases() -> Vec<Case> {
    [reductions(), normalizations(), products(), attention()].concat()
}

fn reductions() -> Vec<Case> {
    let x = || any(&[2, 3, 4]);
    let mut cases = Vec::new();
    for op in REDUCTIONS {
        let x = || if op == "ReduceLogSum" { positive(&[2, 3, 4]) } else { any(&[2, 3, 4]) };
        cases.push(case(op, 18, [x(), list(&[1, 2])]).with("keepdims", int(0)));
        if op != "ReduceSum" {
            cases.push(case(op, 17, [x()]).with("axes", ints(&[0, -1])));
        }
    }
    for op in ["Softmax", "LogSoftmax"] {
        cases.extend([17, 11].map(|opset| case(op, opset, [x()]).with("axis", int(1))));
    }
    cases.extend([
        case("CumSum", 17, [x(), scalar(1)]),
        case("CumSum", 17, [x(), scalar(-1)]).with("reverse", int(1)).with("exclusive", int(1)),
        case("LpNormalization", 17, [x()]),
        case("LpNormalization", 17, [x()]).with("p", int(1)).with("axis", int(1)),
    ]);
    cases
}

fn normalizations() -> Vec<Case> {
    let (x, map) = (|| any(&[2, 3, 4]), || any(&[2, 4, 6, 6]));
    let channels = || fixed(floats(&[4], 3));
    let variance = || fixed(Tensor::f32(&[4], &[0.5, 1.0, 2.0, 0.7]));
    vec![
        case("BatchNormalization", 17, [map(), channels(), channels(), channels(), variance()]),
        case("InstanceNormalization", 17, [map(), channels(), channels()]),
        case("InstanceNormalization", 17, [map(), any(&[4]), any(&[4])]),
        case("GroupNormalization", 21, [map(), channels(), channels()]).with("num_groups", int(2)),
        case("GroupNormalization", 18, [map(), any(&[2]), any(&[2])]).with("num_groups", int(2)),
        case("LayerNormalization", 17, [x(), channels(), fixed(floats(&[4], 9))]),
        case("LayerNormalization", 17, [x(), any(&[3, 4]), any(&[3, 4])]).with("axis", int(1)),
        case("LayerNormalization", 17, [x(), any(&[4])]).with("axis", int(1)),
        case("RMSNormalization", 23, [x(), any(&[4])]),
        case("RMSNormalization", 23, [x(), any(&[3, 4])]).with("axis", int(-2)).with("epsilon", float(0.1)),
        case("MeanVarianceNormalization", 17, [map()]),
        case("MeanVarianceNormalization", 17, [x()]).with("axes", ints(&[0, -1])),
        case("LRN", 17, [map()]).with("size", int(3)).with("alpha", float(0.3)),
        case("LRN", 17, [map()]).with("size", int(2)).with("alpha", float(0.3)).with("bias", float(1.5)),
    ]
}

fn products() -> Vec<Case> {
    let einsum = |equation: &str, inputs: Vec<In>| case("Einsum", 17, inputs).with("equation", text(equation));
    vec![
        case("Gemm", 17, [any(&[3, 4]), any(&[5, 4]), fixed(floats(&[5], 7))])
            .with("transB", int(1))
            .with("alpha", float(0.5)),
        case("Gemm", 17, [any(&[4, 3]), any(&[4, 5]), any(&[3, 1])]).with("transA", int(1)).with("beta", float(0.5)),
        case("MatMul", 17, [any(&[2, 3, 4]), any(&[4, 5])]),
        case("MatMul", 17, [any(&[4]), any(&[2, 4, 5])]),
        einsum("bij,bjk->bik", vec![any(&[2, 3, 4]), any(&[2, 4, 5])]),
        einsum("...ij, j -> ...i", vec![any(&[2, 3, 4]), any(&[4])]),
    ]
}

fn attention() -> Vec<Case> {
    let heads = |count: i64, positions: i64, width: i64| any(&[2, count, positions, width]);
    let all = || [heads(4, 3, 5), heads(2, 6, 5), heads(2, 6, 3)];
    let masked = |mask: In| case("Attention", 23, [all().to_vec(), vec![mask]].concat());
    let angles = |seed: usize| fixed(floats(&[2, 3, 2], seed));
    vec![
        case("Attention", 23, all()),
        case("Attention", 23, all()).with("is_causal", int(1)).with("scale", float(0.7)),
        masked(any(&[3, 6])),
        masked(bools(&[2, 1, 3, 6])),
        masked(fixed(floats(&[1, 4, 3, 6], 5))),
        case("Attention", 23, [any(&[2, 3, 20]), any(&[2, 6, 10]), any(&[2, 6, 6])])
            .with("q_num_heads", int(4))
            .with("kv_num_heads", int(2)),
        case("RotaryEmbedding", 23, [heads(3, 3, 4), angles(1), angles(2)]),
        case("RotaryEmbedding", 23, [heads(3, 3, 4), angles(1), angles(2)]).with("interleaved", int(1)),
        case("RotaryEmbedding", 23, [any(&[2, 3, 8]), angles(1), angles(2)]).with("num_heads", int(2)),
    ]
}
