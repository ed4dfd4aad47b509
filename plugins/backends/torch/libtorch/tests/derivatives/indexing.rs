//! Reading and writing at indices, and what is picked.

use crate::case::{Case, case};
use crate::values::{any, bools, fixed, int, list, text};
use whyglass_graph::Tensor;

pub(crate) fn cases() -> Vec<Case> {
    let x = || any(&[2, 3, 4]);
    let at = |shape: &[i64], values: &[i64]| fixed(Tensor::i64(shape, values));
    let mut cases = vec![
        case("Gather", 17, [x(), at(&[2, 2], &[0, -1, 2, 0])]).with("axis", int(1)),
        case("GatherElements", 17, [x(), at(&[2, 2, 4], &[0, -1, 2, 0, 1, 1, 2, -3, 0, 1, 2, 0, 0, 2, 1, -1])])
            .with("axis", int(1)),
        case("GatherND", 17, [x(), at(&[3, 2], &[0, -1, 1, 0, 0, -1])]),
        case("GatherND", 17, [x(), at(&[2, 2, 1], &[0, -1, 1, 1])]).with("batch_dims", int(1)),
        case("Compress", 17, [x(), bools(&[3])]).with("axis", int(-2)),
        case("Compress", 17, [x(), bools(&[2])]).with("axis", int(2)),
        case("Compress", 17, [x(), bools(&[20])]),
        case("TopK", 17, [x(), list(&[2])]).with("axis", int(-1)).outputs(1),
        case("TopK", 17, [x(), list(&[2])]).with("axis", int(1)).with("largest", int(0)).outputs(1),
    ];
    for reduction in ["none", "add"] {
        // Where the same place is written twice, none does not say which is left.
        let (rows, tuples) = if reduction == "none" { ([2, 0], [1, 2, 0, -1]) } else { ([2, 2], [1, 2, 1, -1]) };
        cases.extend([
            case("ScatterElements", 18, [x(), at(&[1, 2, 2], &[rows[0], 1, rows[1], 0]), any(&[1, 2, 2])])
                .with("axis", int(1))
                .with("reduction", text(reduction)),
            case("ScatterND", 18, [x(), at(&[2, 2], &tuples), any(&[2, 4])]).with("reduction", text(reduction)),
        ]);
    }
    cases
}
