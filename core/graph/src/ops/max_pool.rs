//! MaxPool and GlobalMaxPool. Of equal maxima the first one, in the order of the plane, takes the cotangent, as PyTorch
//! has it.

use super::{Geometry, Operator, Step, window};
use crate::builder::{Builder, Window};
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// Below every activation, and still finite: what the kernel multiplies with zero must not be infinite.
const LOWEST: f32 = -1e30;

pub(super) struct MaxPool;

impl Operator for MaxPool {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let window = window::of_pool(b.graph(), step.node)
            .ok_or_else(|| step.no_derivative("it has no kernel_shape that fits its input"))?;
        if b.kernels().max_pool_grad && window.kernel.len() == 2 {
            let (g, x) = (step.cotangent()?, step.input(0)?);
            return Ok(vec![Some(b.max_pool_grad(g, x, &window)?)]);
        }
        let apart = (0..window.kernel.len()).all(|axis| window.extent(axis) <= window.strides[axis]);
        let indexed = b.opset() >= if apart { 11 } else { 16 } && step.node.int("storage_order", 0) == 0;
        let made = if indexed { scattered(b, step, apart)? } else { masked(b, step, window)? };
        Ok(vec![Some(made)])
    }

    fn geometry(&self, graph: &Graph, node: &Node) -> Geometry {
        window::geometry(window::of_pool(graph, node))
    }

    fn remark(&self, _op: &str) -> &'static str {
        "by its values"
    }

    #[cfg(test)]
    fn example(&self, _op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        super::pool_tests::pool("MaxPool", draw)
    }
}

/// By the indices that the operator gives itself.
fn scattered(b: &mut Builder<'_>, step: &Step<'_>, apart: bool) -> Result<ValueId, Error> {
    let (g, shape) = (step.cotangent()?, b.shape(step.input(0)?)?);
    let (pooled, total) = (b.shape(g)?, shape.iter().product());
    let indices = b.further_output(step.output()?, 1, pooled.clone())?;
    let flat = [pooled.iter().product()];
    let (indices, updates, zeros) = (b.reshape(indices, &flat)?, b.reshape(g, &flat)?, b.zeros(&[total]));
    let inputs = [zeros, indices, updates];
    let scattered = if apart {
        b.node("ScatterElements", &inputs, [("axis", 0.into())], vec![total])
    } else {
        b.node("ScatterElements", &inputs, [("axis", 0.into()), ("reduction", "add".into())], vec![total])
    };
    b.reshape(scattered, &shape)
}

/// Where there are no indices, or adding at indices does not exist: the cells of each window side by side as channels,
/// compared with the maximum, the first one kept, and laid back.
fn masked(b: &mut Builder<'_>, step: &Step<'_>, mut window: Window) -> Result<ValueId, Error> {
    let (x, y, g) = (step.input(0)?, step.output()?, step.cotangent()?);
    let (shape, pooled) = (b.shape(x)?, b.shape(y)?);
    let planes = shape[0] * shape[1];
    let plane = |first: i64, sizes: &[i64]| [&[planes, first], &sizes[2..]].concat();
    let (mut before, mut after) = (vec![0, 0], vec![0, 0]);
    for axis in 0..window.kernel.len() {
        let reached = (pooled[axis + 2] - 1) * window.strides[axis] + window.extent(axis);
        before.push(window.before[axis]);
        after.push((reached - shape[axis + 2] - window.before[axis]).max(0));
    }
    let forward =
        Window { before: vec![0; window.kernel.len()], after: vec![0; window.kernel.len()], ..window.clone() };
    window.after = after[2..].to_vec();

    let cells: i64 = window.kernel.iter().product();
    let one_hot: Vec<f32> = (0..cells * cells).map(|i| f32::from(u8::from(i % (cells + 1) == 0))).collect();
    let one_hot = b.floats(&[&[cells, 1], &*window.kernel].concat(), &one_hot);
    let x = b.reshape(x, &plane(1, &shape))?;
    let x = b.pad(x, &before, &after, LOWEST)?;
    let seen = b.conv(x, one_hot, &forward, 1)?;
    let y = b.reshape(y, &plane(1, &pooled))?;
    let equal = b.is_at_least(seen, y)?;

    let ones = vec![1; window.kernel.len()];
    let earlier: Vec<f32> = (0..cells * cells).map(|i| f32::from(u8::from(i % cells < i / cells))).collect();
    let earlier = b.tensor(Tensor::f32(&[&[cells, cells], &*ones].concat(), &earlier));
    let before_it = b.conv(equal, earlier, &Window::dense(&ones), 1)?;
    let half = b.scalar(0.5);
    let none_before = b.is_less(before_it, half)?;
    let first = b.mul(equal, none_before)?;
    let g = b.reshape(g, &plane(1, &pooled))?;
    let shares = b.mul(first, g)?;
    let laid = b.conv_transpose(shares, one_hot, &window, 1, &shape[2..])?;
    b.reshape(laid, &shape)
}

pub(super) struct GlobalMaxPool;

impl Operator for GlobalMaxPool {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, g) = (step.input(0)?, step.cotangent()?);
        let shape = b.shape(x)?;
        let cells: i64 = shape[2..].iter().product();
        let flat = b.reshape(x, &[shape[0], shape[1], cells])?;
        let attributes = [("axis", 2.into()), ("keepdims", 1.into())];
        let winner = b.node("ArgMax", &[flat], attributes, vec![shape[0], shape[1], 1]);
        let numbers: Vec<i64> = (0..cells).collect();
        let numbers = b.tensor(Tensor::i64(&[1, 1, cells], &numbers));
        let equal = b.binary("Equal", winner, numbers)?;
        let mask = b.as_float(equal)?;
        let g = b.reshape(g, &[shape[0], shape[1], 1])?;
        let made = b.mul(g, mask)?;
        Ok(vec![Some(b.reshape(made, &shape)?)])
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Global
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        super::pool_tests::global(op, draw)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, check, gradients};

    #[test]
    fn max_pools_agree_with_central_differences() {
        check(&["MaxPool", "MaxPool", "GlobalMaxPool"]);
    }

    #[test]
    fn of_equal_maxima_the_first_takes_the_cotangent() {
        let x = [3.0, 3.0, 1.0, 3.0, 3.0, 3.0, 0.0, 3.0, 3.0];
        for opset in [7, 11, 13, 16, 23] {
            let case = Case::new(opset, "MaxPool").wrt(&[1, 1, 3, 3], &x).attribute("kernel_shape", vec![2, 2]);
            let gradient = gradients(&case, &[vec![1.0, 2.0, 4.0, 8.0]]);
            assert_eq!(gradient[0], [1.0, 2.0, 0.0, 4.0, 8.0, 0.0, 0.0, 0.0, 0.0], "opset {opset}");
            let case = Case::new(opset, "GlobalMaxPool").wrt(&[1, 1, 3, 3], &x);
            assert_eq!(gradients(&case, &[vec![5.0]])[0], [5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        }
    }
}
