//! Moving elements.

use crate::case::{Case, case};
use crate::values::{any, fixed, int, ints, list, scalar, text};
use whyglass_graph::Tensor;

pub(crate) fn cases() -> Vec<Case> {
    let x = || any(&[2, 3, 4]);
    let map = || any(&[2, 4, 6, 6]);
    let pads = || list(&[0, 1, 2, 0, 0, 1]);
    let mut cases = vec![
        case("Reshape", 17, [x(), list(&[0, -1])]),
        case("Flatten", 17, [x()]),
        case("Squeeze", 17, [any(&[2, 1, 3]), list(&[1])]),
        case("Squeeze", 11, [any(&[2, 1, 3])]).with("axes", ints(&[-2])),
        case("Unsqueeze", 17, [x(), list(&[0, -1])]),
        case("Unsqueeze", 11, [x()]).with("axes", ints(&[0, -1])),
        case("Transpose", 17, [x()]).with("perm", ints(&[2, 0, 1])),
        case("Expand", 17, [any(&[3, 1]), list(&[2, 1, 4])]),
        case("Tile", 17, [x(), list(&[1, 2, 3])]),
        case("Concat", 17, [x(), any(&[2, 1, 4])]).with("axis", int(1)),
        case("Split", 17, [x(), list(&[1, 2])]).with("axis", int(1)).outputs(2),
        case("Split", 18, [x()]).with("axis", int(-1)).with("num_outputs", int(3)).outputs(3),
        case("Slice", 17, [x(), list(&[3, 0]), list(&[-9, 2]), list(&[2, 1]), list(&[-2, 1])]),
        case("Slice", 9, [x()]).with("starts", ints(&[1, -2])).with("ends", ints(&[3, 9])).with("axes", ints(&[1, 2])),
        case("Pad", 17, [x(), pads()]),
        case("Pad", 17, [x(), pads(), fixed(Tensor::f32(&[], &[0.5]))]),
        case("DepthToSpace", 17, [map()]).with("blocksize", int(2)).with("mode", text("CRD")),
        case("DepthToSpace", 17, [map()]).with("blocksize", int(2)),
        case("SpaceToDepth", 17, [map()]).with("blocksize", int(2)),
        case("Trilu", 17, [x()]),
        case("Trilu", 17, [x(), scalar(-1)]).with("upper", int(0)),
    ];
    for mode in ["reflect", "edge", "wrap"] {
        cases.push(case("Pad", 19, [x(), pads()]).with("mode", text(mode)));
    }
    cases
}
