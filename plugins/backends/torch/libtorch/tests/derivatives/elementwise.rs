//! Element by element.

use crate::case::{Case, case};
use crate::values::{above_one, any, bools, fixed, float, int, positive, text, within_one};
use whyglass_graph::Tensor;

const SHAPE: [i64; 3] = [2, 3, 4];
const ANYWHERE: [&str; 28] = [
    "Abs",
    "Neg",
    "Exp",
    "Sin",
    "Cos",
    "Tan",
    "Atan",
    "Sinh",
    "Cosh",
    "Asinh",
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
    "Dropout",
    "Reciprocal",
    "Shrink",
    "Clip",
];

pub(crate) fn cases() -> Vec<Case> {
    let x = || any(&SHAPE);
    let mut cases: Vec<Case> = ANYWHERE.iter().map(|op| case(op, 17, [x()])).collect();
    for op in ["Log", "Sqrt"] {
        cases.push(case(op, 17, [positive(&SHAPE)]));
    }
    for op in ["Asin", "Acos", "Atanh"] {
        cases.push(case(op, 17, [within_one(&SHAPE)]));
    }
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"] {
        cases.push(case(op, 17, [x(), any(&[3, 1])]));
    }
    for op in ["Elu", "Celu", "LeakyRelu", "ThresholdedRelu", "Selu", "HardSigmoid"] {
        cases.push(case(op, 17, [x()]).with("alpha", float(0.4)));
    }
    let bound = |value: f32| fixed(Tensor::f32(&[], &[value]));
    cases.extend([
        case("Acosh", 17, [above_one(&SHAPE)]),
        case("Mish", 18, [x()]),
        case("Gelu", 20, [x()]),
        case("Gelu", 20, [x()]).with("approximate", text("tanh")),
        case("Shrink", 17, [x()]).with("lambd", float(0.8)).with("bias", float(0.3)),
        case("Pow", 17, [positive(&SHAPE), any(&[4])]),
        case("Mod", 17, [x(), any(&[3, 1])]).with("fmod", int(1)),
        case("PRelu", 17, [x(), any(&[3, 1])]),
        case("Where", 17, [bools(&[3, 4]), x(), any(&[1])]),
        case("Clip", 17, [x(), bound(-0.7), bound(0.9)]),
        case("Clip", 10, [x()]).with("min", float(-0.7)).with("max", float(0.9)),
        case("Cast", 17, [x()]).with("to", int(1)),
        case("CastLike", 17, [x(), bound(0.0)]),
    ]);
    cases
}
