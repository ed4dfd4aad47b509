//! Conv and ConvTranspose.

use super::{Geometry, Operator, Step, conv_input, window};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// The cotangent of a bias: the sum over everything but the channels.
fn bias(b: &mut Builder<'_>, g: ValueId) -> Result<ValueId, Error> {
    let shape = b.shape(g)?;
    let axes: Vec<i64> = (0..shape.len() as i64).filter(|axis| *axis != 1).collect();
    let summed = b.reduce_sum(g, &axes)?;
    b.reshape(summed, &[shape[1]])
}

const DYNAMIC_WEIGHTS: &str = "its weights depend on what is differentiated by";

pub(super) struct Conv;

impl Operator for Conv {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, weights, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        if step.wants(1) {
            return Err(step.no_derivative(DYNAMIC_WEIGHTS));
        }
        let mut made = vec![None, None, None];
        if step.wants(0) {
            let window = window::of_conv(b.graph(), step.node)
                .ok_or_else(|| step.no_derivative("its weights do not fit its input"))?;
            let sizes = b.shape(x)?[2..].to_vec();
            made[0] = Some(conv_input::gradient(b, g, weights, &window, step.node.int("group", 1), &sizes)?);
        }
        if step.wants(2) {
            made[2] = Some(bias(b, g)?);
        }
        Ok(made)
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        window::geometry(window::of_conv(graph, node))
    }

    fn remark(&self, _op: &str) -> &'static str {
        "not by its weights"
    }

    #[cfg(test)]
    fn example(&self, _op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::conv(draw)
    }
}

pub(super) struct ConvTranspose;

impl Operator for ConvTranspose {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, weights, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        if step.wants(1) {
            return Err(step.no_derivative(DYNAMIC_WEIGHTS));
        }
        let mut made = vec![None, None, None];
        if step.wants(0) {
            let (inputs, outputs) = (b.shape(x)?[2..].to_vec(), b.shape(g)?[2..].to_vec());
            let kernel = b.shape(weights)?[2..].to_vec();
            let mut window = window::resolve(step.node, &kernel, &inputs)
                .ok_or_else(|| step.no_derivative("its weights do not fit its input"))?;
            // Its transpose is a convolution of the output; an output padding is what that one does not reach.
            for axis in 0..kernel.len() {
                let covered = (inputs[axis] - 1) * window.strides[axis] + window.extent(axis);
                if let Some(upper) = pads_follow(step.node) {
                    let extra =
                        step.node.ints("output_padding").and_then(|extra| extra.get(axis)).copied().unwrap_or(0);
                    let total = (covered + extra - outputs[axis]).max(0);
                    window.before[axis] = if upper { total / 2 } else { total - total / 2 };
                }
                window.after[axis] = covered - outputs[axis] - window.before[axis];
            }
            made[0] = Some(b.conv(g, weights, &window, step.node.int("group", 1))?);
        }
        if step.wants(2) {
            made[2] = Some(bias(b, g)?);
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn remark(&self, _op: &str) -> &'static str {
        "not by its weights"
    }

    #[cfg(test)]
    fn example(&self, _op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::conv_transpose(draw)
    }
}

/// Whether the pads of a ConvTranspose follow from the shape of its output and, if so, whether the odd cell is after it.
fn pads_follow(node: &Node) -> Option<bool> {
    let mode = node.string("auto_pad").unwrap_or("NOTSET");
    (mode.starts_with("SAME") || node.ints("output_shape").is_some()).then_some(mode == "SAME_UPPER")
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, check};

    pub(super) fn conv(draw: &mut Draw) -> Case {
        let axes = if draw.int(0, 4) == 0 { 1 } else { 2 };
        let group = draw.int(1, 3);
        let (per_group, outputs) = (draw.int(1, 2), draw.int(1, 2));
        let mut x_shape = vec![draw.int(1, 2), group * per_group];
        let mut w_shape = vec![group * outputs, per_group];
        let equal = draw.int(1, 3);
        let unequal = draw.int(0, 3) == 0;
        let (mut strides, mut dilations, mut before, mut after) = (vec![], vec![], vec![], vec![]);
        for _ in 0..axes {
            let (kernel, dilation) = (draw.int(1, 4), draw.pick(&[1, 1, 2]));
            let pads = (draw.int(0, 3), draw.int(0, 3));
            let extent = (kernel - 1) * dilation + 1;
            x_shape.push((extent - pads.0 - pads.1).max(1) + draw.int(0, 4));
            w_shape.push(kernel);
            strides.push(if unequal { draw.int(1, 3) } else { equal });
            dilations.push(dilation);
            before.push(pads.0);
            after.push(pads.1);
        }
        let x = draw.distinct(&x_shape);
        let weights = draw.weights(&w_shape);
        let mut case = Case::new(draw.opset(7), "Conv").wrt(&x_shape, &x).constant(weights);
        if draw.flag() {
            let bias = draw.distinct(&[w_shape[0]]);
            case = case.wrt(&[w_shape[0]], &bias);
        }
        case = case.attribute("strides", strides).attribute("group", group);
        if draw.int(0, 3) == 0 {
            case = case.attribute("auto_pad", draw.pick(&["SAME_UPPER", "SAME_LOWER"]));
        } else {
            case = case.attribute("pads", [before, after].concat()).attribute("dilations", dilations);
        }
        case
    }

    pub(super) fn conv_transpose(draw: &mut Draw) -> Case {
        let (group, per_group, outputs) = (draw.int(1, 2), draw.int(1, 2), draw.int(1, 2));
        let mut x_shape = vec![draw.int(1, 2), group * per_group];
        let mut w_shape = vec![group * per_group, outputs];
        let (mut strides, mut pads, mut output_padding) = (vec![], vec![], vec![]);
        for _ in 0..2 {
            let (kernel, stride) = (draw.int(1, 4), draw.int(1, 3));
            x_shape.push(draw.int(1, 3) + 2);
            w_shape.push(kernel);
            strides.push(stride);
            pads.push(draw.int(0, (kernel - 1).min(1)));
            output_padding.push(draw.int(0, stride - 1));
        }
        let pads = [pads.clone(), pads].concat();
        let x = draw.distinct(&x_shape);
        let weights = draw.weights(&w_shape);
        let bias = draw.distinct(&[group * outputs]);
        let case = Case::new(draw.opset(7), "ConvTranspose")
            .wrt(&x_shape, &x)
            .constant(weights)
            .wrt(&[group * outputs], &bias)
            .attribute("group", group)
            .attribute("strides", strides.clone());
        let covered = |axis: usize| (x_shape[axis + 2] - 1) * strides[axis] + w_shape[axis + 2];
        match draw.int(0, 3) {
            0 if (0..2).all(|axis| w_shape[axis + 2] >= strides[axis]) => {
                case.attribute("auto_pad", draw.pick(&["SAME_UPPER", "SAME_LOWER"]))
            }
            1 => {
                let sizes: Vec<i64> = (0..2).map(|axis| covered(axis) - draw.int(0, w_shape[axis + 2] - 1)).collect();
                case.attribute("output_shape", sizes)
            }
            _ => case.attribute("pads", pads).attribute("output_padding", output_padding),
        }
    }

    #[test]
    fn convolutions_agree_with_central_differences() {
        check(&["Conv", "Conv", "Conv", "ConvTranspose"]);
    }
}
