//! Through which nothing flows: steps, comparisons, integers, shapes.

use crate::case::{Case, case};
use crate::values::{any, bools, fixed, floats, int, list, scalar, text};
use whyglass_graph::{Dtype, Tensor};

pub(crate) fn cases() -> Vec<Case> {
    let x = || fixed(floats(&[2, 3, 4], 5));
    // Each number several times.
    let equal = || fixed(Tensor::f32(&[2, 3, 4], &(0..24).map(|i| (i * 7 % 5) as f32).collect::<Vec<_>>()));
    let odd = || fixed(Tensor::f32(&[3], &[f32::NAN, f32::NEG_INFINITY, f32::INFINITY]));
    let bytes = |values: [u8; 4]| fixed(Tensor::new(Dtype::U8, vec![4], values.to_vec().into()));
    let mut cases: Vec<Case> = ["Floor", "Ceil", "Round", "Sign"].map(|op| case(op, 17, [any(&[2, 3, 4])])).into();
    for op in ["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"] {
        cases.push(case(op, 17, [equal(), fixed(Tensor::f32(&[3, 1], &[0.0, 2.0, 4.0]))]));
    }
    for op in ["And", "Or", "Xor"] {
        cases.push(case(op, 17, [bools(&[2, 4]), bools(&[4])]));
    }
    for op in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"] {
        cases.push(case(op, 18, [list(&[1, 6, -3, 255]), scalar(10)]));
    }
    for direction in ["LEFT", "RIGHT"] {
        let shift = case("BitShift", 17, [bytes([1, 6, 16, 31]), bytes([0, 1, 2, 3])]);
        cases.push(shift.with("direction", text(direction)));
    }
    for op in ["ArgMax", "ArgMin"] {
        cases.push(case(op, 17, [equal()]).with("axis", int(1)));
        cases.push(
            case(op, 17, [equal()]).with("axis", int(-1)).with("select_last_index", int(1)).with("keepdims", int(0)),
        );
    }
    cases.extend([
        case("Not", 17, [bools(&[2, 4])]),
        case("BitwiseNot", 18, [list(&[1, 6, -3])]),
        case("IsNaN", 17, [odd()]),
        case("IsInf", 17, [odd()]),
        case("Hardmax", 17, [equal()]),
        case("Hardmax", 17, [equal()]).with("axis", int(0)),
        case("Hardmax", 11, [equal()]),
        case("TopK", 17, [equal(), list(&[3])]).outputs(2),
        case("TopK", 17, [equal(), list(&[3])]).with("largest", int(0)).outputs(2),
        case("NonZero", 17, [equal()]),
        case("OneHot", 17, [list(&[0, -1, 2]), scalar(4), fixed(Tensor::f32(&[2], &[-0.5, 1.5]))]),
        case("Shape", 17, [x()]).with("start", int(1)),
        case("Size", 17, [x()]),
        case("ConstantOfShape", 17, [list(&[2, 3])]),
        case("EyeLike", 17, [fixed(floats(&[3, 4], 1))]).with("k", int(1)),
        case("Range", 17, [scalar(3), scalar(-6), scalar(-2)]),
        case("Range", 17, [0.5_f32, 3.1, 0.7].map(|number| fixed(Tensor::f32(&[], &[number])))),
    ]);
    cases
}
