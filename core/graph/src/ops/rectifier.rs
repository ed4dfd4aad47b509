//! Rectifiers: Relu, Clip (ReLU6), LeakyRelu, PRelu, ThresholdedRelu. What they do backwards depends on the rule.

use super::mask::masked;
use super::{Operator, Step};
use crate::builder::Builder;
use crate::differentiate::Rule;
use crate::{Error, Node, ValueId};

/// The modified rules for a unit that is open where `lower < x < upper`; `None` under the standard rule.
fn by_rule(
    b: &mut Builder<'_>,
    step: &Step<'_>,
    x: ValueId,
    lower: Option<ValueId>,
    upper: Option<ValueId>,
) -> Result<Option<ValueId>, Error> {
    let g = step.cotangent()?;
    Ok(match step.rule {
        Rule::Standard => None,
        Rule::Deconvnet => Some(b.unary("Relu", g)?),
        Rule::Guided => {
            let positive = b.unary("Relu", g)?;
            Some(masked(b, positive, x, lower, upper)?)
        }
    })
}

pub(super) struct Relu;

impl Operator for Relu {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error> {
        // The output says as well as the input where the unit is open, and is kept in memory anyway.
        let (y, zero) = (step.output()?, Some(b.scalar(0.0)));
        let made = match by_rule(b, step, y, zero, None)? {
            Some(made) => made,
            None => masked(b, step.cotangent()?, y, zero, None)?,
        };
        Ok(vec![Some(made)])
    }

    fn remark(&self, _op: &str) -> &'static str {
        "follows the guided rules"
    }

    #[cfg(test)]
    fn example(&self, _op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = tests::shape(draw);
        let x = draw.distinct(&shape);
        super::testing::Case::new(draw.opset(7), "Relu").wrt(&shape, &x)
    }
}

/// Passes strictly inside its bounds, as ReLU6 does.
pub(super) struct Clip;

impl Clip {
    /// The bounds, where there are any, and whether the lower one is 0.
    fn bounds(b: &mut Builder<'_>, node: &Node) -> (Option<ValueId>, Option<ValueId>, bool) {
        if b.opset() >= 11 {
            let lower = node.input(1);
            let constant = lower.and_then(|lower| b.constant(lower));
            let from_zero = constant.is_some_and(|tensor| tensor.to_f64() == [0.0]);
            return (lower, node.input(2), from_zero);
        }
        let lower = node.float("min", f32::MIN);
        let upper = node.float("max", f32::MAX);
        let mut bound = |bound: f32| (bound.abs() < f32::MAX).then(|| b.scalar(bound));
        (bound(lower), bound(upper), lower == 0.0)
    }
}

impl Operator for Clip {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error> {
        if step.wants(1) || step.wants(2) {
            return Err(step.no_derivative("its bounds depend on what is differentiated by"));
        }
        let (lower, upper, from_zero) = Self::bounds(b, step.node);
        let y = step.output()?;
        let modified = if from_zero { by_rule(b, step, y, lower, upper)? } else { None };
        let made = match modified {
            Some(made) => made,
            None => masked(b, step.cotangent()?, y, lower, upper)?,
        };
        Ok(vec![Some(made)])
    }

    fn remark(&self, _op: &str) -> &'static str {
        "follows the guided rules where it is from 0; bounds are not differentiated by"
    }

    #[cfg(test)]
    fn example(&self, _op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        use super::testing::{Case, away_from};
        let shape = tests::shape(draw);
        let mut x = draw.distinct(&shape);
        let (lower, upper) = (if draw.flag() { 0.0_f32 } else { -0.5 }, 0.75_f32);
        away_from(&mut x, &[f64::from(lower), f64::from(upper)]);
        let case = Case::new(draw.opset(7), "Clip").wrt(&shape, &x);
        let scalar = |value: f32| crate::Tensor::f32(&[], &[value]);
        match (case.opset >= 11, draw.int(0, 2)) {
            (true, 0) => case.constant(scalar(lower)).constant(scalar(upper)),
            (true, 1) => case.missing().constant(scalar(upper)),
            (true, _) => case.constant(scalar(lower)),
            (false, 0) => case.attribute("min", lower).attribute("max", upper),
            (false, 1) => case.attribute("max", upper),
            (false, _) => case.attribute("min", lower),
        }
    }
}

/// Relu whose threshold is `alpha`.
pub(super) struct ThresholdedRelu;

impl Operator for ThresholdedRelu {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error> {
        let threshold = b.scalar(step.node.float("alpha", 1.0));
        Ok(vec![Some(masked(b, step.cotangent()?, step.input(0)?, Some(threshold), None)?)])
    }

    #[cfg(test)]
    fn example(&self, _op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 4);
        let mut x = draw.distinct(&shape);
        super::testing::away_from(&mut x, &[0.25]);
        let opset = draw.opset(10);
        super::testing::Case::new(opset, "ThresholdedRelu").wrt(&shape, &x).attribute("alpha", 0.25_f32)
    }
}

/// LeakyRelu, whose slope is an attribute, and PRelu, whose slope is an input.
pub(super) struct Leaky;

impl Operator for Leaky {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error> {
        let (x, g, zero) = (step.input(0)?, step.cotangent()?, b.scalar(0.0));
        let positive = b.binary("Greater", x, zero)?;
        let mut made = vec![None, None];
        if step.wants(0) {
            made[0] = Some(match by_rule(b, step, x, Some(zero), None)? {
                Some(made) => made,
                None => {
                    let one = b.scalar(1.0);
                    let below = match step.node.input(1) {
                        Some(slope) => slope,
                        None => b.scalar(step.node.float("alpha", 0.01)),
                    };
                    let slope = b.select(positive, one, below)?;
                    b.mul(g, slope)?
                }
            });
        }
        if step.wants(1) {
            let slope = step.input(1)?;
            let negative_part = b.select(positive, zero, x)?;
            let each = b.mul(g, negative_part)?;
            let shape = b.shape(slope)?;
            made[1] = Some(b.sum_to(each, &shape)?);
        }
        Ok(made)
    }

    fn remark(&self, _op: &str) -> &'static str {
        "follows the guided rules"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        use super::testing::Case;
        let shape = vec![draw.int(1, 2), draw.int(1, 3), draw.int(1, 3), draw.int(1, 3)];
        let x = draw.distinct(&shape);
        let case = Case::new(draw.opset(9), op).wrt(&shape, &x);
        if op == "LeakyRelu" {
            return case.attribute("alpha", 0.125_f32);
        }
        let slope_shape = if draw.flag() { vec![shape[1], 1, 1] } else { vec![1] };
        let slope = draw.distinct(&slope_shape);
        case.wrt(&slope_shape, &slope)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Draw, check};

    /// Any shape, or a feature map with whole blocks of channels, whose masks take another form.
    pub(super) fn shape(draw: &mut Draw) -> Vec<i64> {
        if draw.flag() { draw.shape(1, 4) } else { vec![draw.int(1, 2), 8, draw.int(1, 2), draw.int(1, 2)] }
    }

    #[test]
    fn rectifiers_agree_with_central_differences() {
        check(&["Relu", "Clip", "LeakyRelu", "PRelu", "ThresholdedRelu"]);
    }
}
