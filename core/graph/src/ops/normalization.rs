//! Normalisations: by stored statistics (BatchNormalization at inference: a scale per channel), and by the values' own
//! (LayerNormalization, InstanceNormalization, GroupNormalization).

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

const DYNAMIC: &str = "its parameters depend on what is differentiated by";

pub(super) struct BatchNormalization;

impl Operator for BatchNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        if step.node.int("training_mode", 0) != 0 {
            return Err(step.no_derivative("it is in training mode: export the model for inference"));
        }
        if (1..5).any(|index| step.wants(index)) {
            return Err(step.no_derivative(DYNAMIC));
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

/// The cotangent of `x`, where `h` is that of x̂ = (x − mean) / √(variance + epsilon) over `axes`:
/// (h − mean(h) − x̂·mean(h·x̂)) / √(variance + epsilon).
fn standardised(b: &mut Builder<'_>, x: ValueId, h: ValueId, axes: &[i64], epsilon: f32) -> Result<ValueId, Error> {
    let mean = b.reduce_mean(x, axes)?;
    let centred = b.sub(x, mean)?;
    let square = b.mul(centred, centred)?;
    let variance = b.reduce_mean(square, axes)?;
    let shifted = b.offset(variance, epsilon)?;
    let deviation = b.unary("Sqrt", shifted)?;
    let normal = b.div(centred, deviation)?;
    let mean = b.reduce_mean(h, axes)?;
    let product = b.mul(h, normal)?;
    let correlation = b.reduce_mean(product, axes)?;
    let part = b.mul(normal, correlation)?;
    let rest = b.sub(h, mean)?;
    let rest = b.sub(rest, part)?;
    b.div(rest, deviation)
}

pub(super) struct LayerNormalization;

impl Operator for LayerNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        if step.wants(1) {
            return Err(step.no_derivative(DYNAMIC));
        }
        let (x, g) = (step.input(0)?, step.cotangent()?);
        let rank = b.shape(x)?.len() as i64;
        let axis = step.node.int("axis", -1);
        let axes: Vec<i64> = (if axis < 0 { axis + rank } else { axis }..rank).collect();
        let h = b.mul(g, step.input(1)?)?;
        Ok(vec![Some(standardised(b, x, h, &axes, step.node.float("epsilon", 1e-5))?)])
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let mut shape = draw.shape(1, 3);
        shape.push(draw.int(2, 4));
        let axis = draw.int(0, shape.len() as i64 - 1);
        let normal = shape[axis as usize..].to_vec();
        let x = draw.distinct(&shape);
        super::testing::Case::new(draw.opset(17), op)
            .wrt(&shape, &x)
            .constant(draw.weights(&normal))
            .constant(draw.weights(&normal))
            .attribute("axis", if draw.flag() { axis } else { axis - shape.len() as i64 })
            .attribute("epsilon", 1e-2_f32)
    }
}

/// InstanceNormalization: a plane by itself. GroupNormalization: some channels together.
pub(super) struct GroupNormalization;

impl Operator for GroupNormalization {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        if step.wants(1) || step.wants(2) {
            return Err(step.no_derivative(DYNAMIC));
        }
        let (x, scale, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        let shape = b.shape(x)?;
        let instance = step.node.op == "InstanceNormalization";
        let groups = if instance { shape[1] } else { step.node.int("num_groups", 1) };
        let cells: i64 = shape[1..].iter().product::<i64>() / groups;
        // A scale per channel; GroupNormalization before opset 21 has one per group.
        let scales = b.shape(scale)?[0];
        let per_scale = [shape[0], scales, shape[1..].iter().product::<i64>() / scales];
        let by_scale = b.reshape(g, &per_scale)?;
        let scale = b.reshape(scale, &[1, scales, 1])?;
        let h = b.mul(by_scale, scale)?;
        let (h, x) = (b.reshape(h, &[shape[0], groups, cells])?, b.reshape(x, &[shape[0], groups, cells])?);
        let made = standardised(b, x, h, &[2], step.node.float("epsilon", 1e-5))?;
        Ok(vec![Some(b.reshape(made, &shape)?)])
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
        let case = super::testing::Case::new(opset, op)
            .wrt(&shape, &x)
            .constant(draw.weights(&scales))
            .constant(draw.weights(&scales))
            .attribute("epsilon", 1e-2_f32);
        if op == "GroupNormalization" { case.attribute("num_groups", groups) } else { case }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn normalisations_agree_with_central_differences() {
        check(&["BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization"]);
    }
}
