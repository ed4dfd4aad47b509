//! Random pools, for the tests of every kind of them.

use super::testing::{Case, Draw};

pub(super) fn pool(op: &str, draw: &mut Draw) -> Case {
    let opset = draw.opset(7);
    let dilated = match op {
        "MaxPool" => opset >= 10,
        "LpPool" => opset >= 18,
        _ => opset >= 19,
    };
    let axes = if draw.int(0, 4) == 0 { 1 } else { 2 };
    let mut shape = vec![draw.int(1, 2), draw.int(1, 2)];
    let (mut kernel, mut strides, mut dilations, mut before, mut after) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..axes {
        let (size, dilation) = (draw.int(1, 3), if dilated { draw.int(1, 2) } else { 1 });
        shape.push((size - 1) * dilation + 1 + draw.int(0, 4));
        kernel.push(size);
        strides.push(draw.int(1, 3));
        dilations.push(dilation);
        before.push(draw.int(0, size - 1));
        after.push(draw.int(0, size - 1));
    }
    let x = draw.distinct(&shape);
    let mut case = Case::new(opset, op).wrt(&shape, &x).attribute("strides", strides);
    // Every window must see the input: pads may reach no further than the kernel without its dilation.
    case = match draw.int(0, 3) {
        0 => case.attribute("auto_pad", draw.pick(&["SAME_UPPER", "SAME_LOWER"])),
        _ => {
            if opset >= if op == "LpPool" { 18 } else { 10 } && draw.flag() {
                case = case.attribute("ceil_mode", 1);
            }
            if dilated {
                case = case.attribute("dilations", dilations);
            }
            case.attribute("pads", [before, after].concat())
        }
    };
    if op == "AveragePool" && draw.flag() {
        case = case.attribute("count_include_pad", 1);
    }
    case.attribute("kernel_shape", kernel)
}

pub(super) fn global(op: &str, draw: &mut Draw) -> Case {
    let shape = [draw.int(1, 2), draw.int(1, 3), draw.int(1, 4), draw.int(1, 4)];
    let x = draw.distinct(&shape);
    Case::new(draw.opset(7), op).wrt(&shape, &x)
}
