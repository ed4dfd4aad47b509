//! Normalisations: by stored statistics (BatchNormalization at inference: a scale per channel), and by the values' own
//! mean and variance (Layer-, RMS-, Instance-, Group-, MeanVarianceNormalization).

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

pub(super) struct BatchNormalization;

impl Operator for BatchNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        step.only_first_output()?;
        if step.node.int("training_mode", 0) != 0 {
            return Err(step.no_derivative("it is in training mode: export the model for inference"));
        }
        if (1..5).any(|index| step.wants(index)) {
            return Err(step.no_derivative("its parameters depend on what is differentiated by"));
        }
        let parameters = (b.constant(step.input(1)?), b.constant(step.input(4)?));
        let (Some(scale), Some(variance)) = parameters else {
            return Err(step.no_derivative("its parameters are not constant"));
        };
        let epsilon = step.node.float("epsilon", 1e-5);
        let rank = b.shape(step.input(0)?)?.len();
        let factors = b.derive(&[&scale, &variance], format!("scale, epsilon {epsilon}, rank {rank}"), || {
            let pairs = scale.to_f64().into_iter().zip(variance.to_f64());
            let factors: Vec<f32> = pairs.map(|(s, v)| (s / (v + f64::from(epsilon)).sqrt()) as f32).collect();
            let mut shape = vec![1; rank];
            shape[1] = factors.len() as i64;
            Tensor::f32(&shape, &factors)
        });
        Ok(vec![Some(b.mul(step.cotangent()?, factors)?)])
    }

    fn remark(&self, _op: &str) -> &'static str {
        "not in training mode; not by its parameters, which must be known"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(2, 4);
        let x = draw.distinct(&shape);
        let channels = &shape[1..2];
        let positive: Vec<f32> = draw.distinct(channels).iter().map(|v| v.abs() as f32 + 0.25).collect();
        super::testing::Case::new(draw.opset(7), op)
            .wrt(&shape, &x)
            .constant(draw.weights(channels))
            .constant(draw.weights(channels))
            .constant(draw.weights(channels))
            .constant(Tensor::f32(channels, &positive))
            .attribute("epsilon", 1e-3_f32)
    }
}

/// Values brought to mean 0 and variance 1 over some axes: x̂ = (x − mean) / √(variance + epsilon).
struct Standard {
    normal: ValueId,
    deviation: ValueId,
}

impl Standard {
    fn of(b: &mut Builder<'_>, x: ValueId, axes: &[i64], epsilon: f32) -> Result<Self, Error> {
        let mean = b.reduce_mean(x, axes)?;
        let centred = b.sub(x, mean)?;
        let square = b.mul(centred, centred)?;
        let variance = b.reduce_mean(square, axes)?;
        let shifted = b.offset(variance, epsilon)?;
        let deviation = b.unary("Sqrt", shifted)?;
        Ok(Self { normal: b.div(centred, deviation)?, deviation })
    }

    /// The cotangent of x, where `h` is that of x̂: (h − mean(h) − x̂·mean(h·x̂)) / √(variance + epsilon).
    fn cotangent(&self, b: &mut Builder<'_>, h: ValueId, axes: &[i64]) -> Result<ValueId, Error> {
        let mean = b.reduce_mean(h, axes)?;
        let product = b.mul(h, self.normal)?;
        let correlation = b.reduce_mean(product, axes)?;
        let part = b.mul(self.normal, correlation)?;
        let rest = b.sub(h, mean)?;
        let rest = b.sub(rest, part)?;
        b.div(rest, self.deviation)
    }
}

pub(super) struct LayerNormalization;

impl Operator for LayerNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        step.only_first_output()?;
        let (x, scale, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        let axes = trailing(step.node, b.shape(x)?.len());
        let standard = Standard::of(b, x, &axes, step.node.float("epsilon", 1e-5))?;
        let mut made = vec![None, None, None];
        if step.wants(0) {
            let h = b.mul(g, scale)?;
            made[0] = Some(standard.cotangent(b, h, &axes)?);
        }
        if step.wants(1) {
            let (each, shape) = (b.mul(g, standard.normal)?, b.shape(scale)?);
            made[1] = Some(b.sum_to(each, &shape)?);
        }
        if step.wants(2) {
            let shape = b.shape(step.input(2)?)?;
            made[2] = Some(b.sum_to(g, &shape)?);
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::layer(op, draw)
    }
}

/// The axes from the attribute `axis` on.
fn trailing(node: &Node, rank: usize) -> Vec<i64> {
    let (axis, rank) = (node.int("axis", -1), rank as i64);
    (if axis < 0 { axis + rank } else { axis }..rank).collect()
}

/// LayerNormalization without a mean: x̂ = x / √(mean(x²) + epsilon).
pub(super) struct RmsNormalization;

impl Operator for RmsNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, scale, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        let axes = trailing(step.node, b.shape(x)?.len());
        let square = b.mul(x, x)?;
        let mean = b.reduce_mean(square, &axes)?;
        let shifted = b.offset(mean, step.node.float("epsilon", 1e-5))?;
        let root = b.unary("Sqrt", shifted)?;
        let normal = b.div(x, root)?;
        let mut made = vec![None, None];
        if step.wants(0) {
            let h = b.mul(g, scale)?;
            let product = b.mul(h, normal)?;
            let correlation = b.reduce_mean(product, &axes)?;
            let part = b.mul(normal, correlation)?;
            let rest = b.sub(h, part)?;
            made[0] = Some(b.div(rest, root)?);
        }
        if step.wants(1) {
            let (each, shape) = (b.mul(g, normal)?, b.shape(scale)?);
            made[1] = Some(b.sum_to(each, &shape)?);
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::layer(op, draw)
    }
}

/// InstanceNormalization: a plane by itself. GroupNormalization: some channels together.
pub(super) struct GroupNormalization;

impl Operator for GroupNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, scale, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        let shape = b.shape(x)?;
        let instance = step.node.op == "InstanceNormalization";
        let groups = if instance { shape[1] } else { step.node.int("num_groups", 1) };
        let grouped = [shape[0], groups, shape[1..].iter().product::<i64>() / groups];
        // A scale per channel; GroupNormalization before opset 21 has one per group.
        let scales = b.shape(scale)?[0];
        let by_scale = [shape[0], scales, shape[1..].iter().product::<i64>() / scales];
        let x = b.reshape(x, &grouped)?;
        let standard = Standard::of(b, x, &[2], step.node.float("epsilon", 1e-5))?;
        let g = b.reshape(g, &by_scale)?;
        let mut made = vec![None, None, None];
        if step.wants(0) {
            let scale = b.reshape(scale, &[1, scales, 1])?;
            let h = b.mul(g, scale)?;
            let h = b.reshape(h, &grouped)?;
            let of_x = standard.cotangent(b, h, &[2])?;
            made[0] = Some(b.reshape(of_x, &shape)?);
        }
        if step.wants(1) {
            let normal = b.reshape(standard.normal, &by_scale)?;
            let each = b.mul(g, normal)?;
            let summed = b.reduce_sum(each, &[0, 2])?;
            made[1] = Some(b.reshape(summed, &[scales])?);
        }
        if step.wants(2) {
            let summed = b.reduce_sum(g, &[0, 2])?;
            made[2] = Some(b.reshape(summed, &[scales])?);
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Global
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let groups = draw.int(1, 2);
        let shape = [draw.int(1, 2), groups * draw.int(1, 2), draw.int(2, 3), draw.int(1, 3)];
        let x = draw.distinct(&shape);
        let opset = draw.opset(if op == "InstanceNormalization" { 7 } else { 18 });
        let scales = [if op == "GroupNormalization" && opset < 21 { groups } else { shape[1] }];
        let case = super::testing::Case::new(opset, op).wrt(&shape, &x).attribute("epsilon", 1e-2_f32);
        let case = tests::scale_and_bias(case, &scales, draw);
        if op == "GroupNormalization" { case.attribute("num_groups", groups) } else { case }
    }
}

/// Mean 0 and variance 1 over `axes`, by default all but the channels; next to nothing is added to the variance.
pub(super) struct MeanVarianceNormalization;

impl Operator for MeanVarianceNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let x = step.input(0)?;
        let rank = b.shape(x)?.len() as i64;
        let axes: Vec<i64> = step.node.ints("axes").unwrap_or(&[0, 2, 3]).to_vec();
        let axes: Vec<i64> = axes.into_iter().map(|axis| if axis < 0 { axis + rank } else { axis }).collect();
        let standard = Standard::of(b, x, &axes, 1e-18)?;
        Ok(vec![Some(standard.cotangent(b, step.cotangent()?, &axes)?)])
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = [draw.int(1, 2), draw.int(1, 3), draw.int(2, 3), draw.int(2, 3)];
        let x = draw.distinct(&shape);
        let case = super::testing::Case::new(draw.opset(9), op).wrt(&shape, &x);
        if draw.flag() { case.attribute("axes", vec![1, -2]) } else { case }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, check};

    /// A scale and a bias of `shape`: weights, or computed.
    pub(super) fn scale_and_bias(mut case: Case, shape: &[i64], draw: &mut Draw) -> Case {
        for _ in 0..2 {
            let numbers = draw.distinct(shape);
            case = if draw.flag() { case.wrt(shape, &numbers) } else { case.constant(draw.weights(shape)) };
        }
        case
    }

    pub(super) fn layer(op: &str, draw: &mut Draw) -> Case {
        let mut shape = draw.shape(1, 3);
        shape.push(draw.int(2, 4));
        let axis = draw.int(0, shape.len() as i64 - 1);
        let normal = shape[axis as usize..].to_vec();
        let x = draw.distinct(&shape);
        let mean = op == "LayerNormalization";
        let case = Case::new(draw.opset(if mean { 17 } else { 23 }), op)
            .wrt(&shape, &x)
            .attribute("axis", if draw.flag() { axis } else { axis - shape.len() as i64 })
            .attribute("epsilon", 1e-2_f32);
        if mean {
            return scale_and_bias(case, &normal, draw);
        }
        let scale = draw.distinct(&normal);
        if draw.flag() { case.wrt(&normal, &scale) } else { case.constant(draw.weights(&normal)) }
    }

    #[test]
    fn normalisations_agree_with_central_differences() {
        check(&["BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization"]);
        check(&["RMSNormalization", "MeanVarianceNormalization"]);
    }
}
