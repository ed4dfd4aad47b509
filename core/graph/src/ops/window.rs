//! Reads how a window moves (kernel, strides, dilations, pads, `auto_pad`) off the attributes of Conv and the pools.

use super::Geometry;
use crate::builder::Window;
use crate::{Graph, Node};

/// The window of `node` with the spatial `kernel` over spatial `sizes`, `auto_pad` resolved.
pub(super) fn resolve(node: &Node, kernel: &[i64], sizes: &[i64]) -> Option<Window> {
    let axes = kernel.len();
    if sizes.len() != axes {
        return None;
    }
    let mut window = Window::dense(kernel);
    if let Some(strides) = node.ints("strides").filter(|strides| strides.len() == axes) {
        window.strides = strides.to_vec();
    }
    if let Some(dilations) = node.ints("dilations").filter(|dilations| dilations.len() == axes) {
        window.dilations = dilations.to_vec();
    }
    match node.string("auto_pad").unwrap_or("NOTSET") {
        mode @ ("SAME_UPPER" | "SAME_LOWER") => {
            for (axis, size) in sizes.iter().enumerate() {
                let stride = window.strides[axis];
                let outputs = (size + stride - 1) / stride;
                let total = ((outputs - 1) * stride + window.extent(axis) - size).max(0);
                let less = total / 2;
                window.before[axis] = if mode == "SAME_UPPER" { less } else { total - less };
                window.after[axis] = total - window.before[axis];
            }
        }
        "VALID" => {}
        _ => {
            if let Some(pads) = node.ints("pads").filter(|pads| pads.len() == 2 * axes) {
                window.before = pads[..axes].to_vec();
                window.after = pads[axes..].to_vec();
            }
        }
    }
    Some(window)
}

/// The window of a convolution: weights are input 1.
pub(super) fn of_conv(graph: &Graph, node: &Node) -> Option<Window> {
    let weights = node.input(1)?;
    let kernel = graph.shape(weights).or_else(|| graph.constant(weights).map(|tensor| tensor.shape()))?.get(2..)?;
    resolve(node, kernel, graph.shape(node.input(0)?)?.get(2..)?)
}

/// The window of a pool.
pub(super) fn of_pool(graph: &Graph, node: &Node) -> Option<Window> {
    resolve(node, node.ints("kernel_shape")?, graph.shape(node.input(0)?)?.get(2..)?)
}

/// The geometry of a window, where there are two spatial axes.
pub(super) fn geometry(window: Option<Window>) -> Geometry {
    let pair = |values: &[i64]| <[i64; 2]>::try_from(values).ok();
    let two_axes = window.and_then(|window| {
        let ([top, left], [bottom, right]) = (pair(&window.before)?, pair(&window.after)?);
        Some(Geometry::Window {
            kernel: pair(&window.kernel)?,
            strides: pair(&window.strides)?,
            pads: [top, left, bottom, right],
            dilations: pair(&window.dilations)?,
        })
    });
    two_axes.unwrap_or(Geometry::Opaque)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Attribute;
    use std::collections::BTreeMap;

    fn node(auto_pad: &str) -> Node {
        Node {
            name: "conv".into(),
            domain: String::new(),
            op: "Conv".into(),
            inputs: vec![],
            outputs: vec![],
            attributes: BTreeMap::from([
                ("auto_pad".into(), Attribute::from(auto_pad)),
                ("strides".into(), Attribute::from(vec![2])),
            ]),
        }
    }

    #[test]
    fn same_padding_puts_the_odd_cell_at_the_end_or_at_the_beginning() {
        let window = resolve(&node("SAME_UPPER"), &[4], &[7]).expect("one axis");
        assert_eq!((window.before[0], window.after[0]), (1, 2));
        let window = resolve(&node("SAME_LOWER"), &[4], &[7]).expect("one axis");
        assert_eq!((window.before[0], window.after[0]), (2, 1));
        let window = resolve(&node("VALID"), &[4], &[7]).expect("one axis");
        assert_eq!((window.before[0], window.after[0]), (0, 0));
    }
}
