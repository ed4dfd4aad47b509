//! Elementwise arithmetic of several values that broadcast.

use super::{Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// Sums `g` to the shape of input `index`, scaled by `factor`.
fn reduced(b: &mut Builder<'_>, step: &Step<'_>, index: usize, g: ValueId, factor: f32) -> Result<ValueId, Error> {
    let shape = b.shape(step.input(index)?)?;
    let summed = b.sum_to(g, &shape)?;
    if factor == -1.0 { b.unary("Neg", summed) } else { b.scale(summed, factor) }
}

/// Add, Sum, Sub and Mean: a constant factor per input.
pub(super) struct Linear(fn(index: usize, count: usize) -> f32);

pub(super) static SUM: Linear = Linear(|_, _| 1.0);
pub(super) static SUB: Linear = Linear(|index, _| if index == 0 { 1.0 } else { -1.0 });
pub(super) static MEAN: Linear = Linear(|_, count| 1.0 / count as f32);

impl Operator for Linear {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let g = step.cotangent()?;
        let count = step.node.inputs.len();
        (0..count).map(|i| step.wants(i).then(|| reduced(b, step, i, g, (self.0)(i, count))).transpose()).collect()
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let inputs = if matches!(op, "Sum" | "Mean") { draw.int(1, 3) } else { 2 };
        tests::operands(op, draw, inputs, |x| x)
    }
}

pub(super) struct Mul;

impl Operator for Mul {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let g = step.cotangent()?;
        let mut made = vec![None, None];
        for index in [0, 1] {
            if step.wants(index) {
                let each = b.mul(g, step.input(1 - index)?)?;
                made[index] = Some(reduced(b, step, index, each, 1.0)?);
            }
        }
        Ok(made)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::operands(op, draw, 2, |x| x)
    }
}

pub(super) struct Div;

impl Operator for Div {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let divisor = step.input(1)?;
        let over = b.div(step.cotangent()?, divisor)?;
        let mut made = vec![None, None];
        if step.wants(0) {
            made[0] = Some(reduced(b, step, 0, over, 1.0)?);
        }
        if step.wants(1) {
            let each = b.mul(over, step.output()?)?;
            made[1] = Some(reduced(b, step, 1, each, -1.0)?);
        }
        Ok(made)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::operands(op, draw, 2, |x| if x < 0.0 { x - 0.5 } else { x + 0.5 })
    }
}

pub(super) struct Pow;

impl Pow {
    /// exponent · base^(exponent − 1).
    fn slope(b: &mut Builder<'_>, base: ValueId, exponent: ValueId) -> Result<ValueId, Error> {
        let Some(constant) = b.constant(exponent) else {
            let lower = b.offset(exponent, -1.0)?;
            let power = b.binary("Pow", base, lower)?;
            return b.mul(power, exponent);
        };
        let exponents = constant.to_f64();
        if exponents.len() == 1 && constant.shape().len() <= b.shape(base)?.len() {
            let power = match exponents[0] {
                1.0 => return Ok(b.scalar(1.0)),
                2.0 => base,
                exponent => {
                    let lower = b.scalar((exponent - 1.0) as f32);
                    b.binary("Pow", base, lower)?
                }
            };
            return b.scale(power, exponents[0] as f32);
        }
        let as_floats = |shift: f64| -> Tensor {
            let shifted: Vec<f32> = exponents.iter().map(|exponent| (exponent + shift) as f32).collect();
            Tensor::f32(constant.shape(), &shifted)
        };
        let lower = b.tensor(as_floats(-1.0));
        let power = b.binary("Pow", base, lower)?;
        let factor = b.tensor(as_floats(0.0));
        b.mul(power, factor)
    }
}

impl Operator for Pow {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (base, exponent, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        let mut made = vec![None, None];
        if step.wants(0) {
            let slope = Self::slope(b, base, exponent)?;
            let each = b.mul(g, slope)?;
            made[0] = Some(reduced(b, step, 0, each, 1.0)?);
        }
        if step.wants(1) {
            let log = b.unary("Log", base)?;
            let slope = b.mul(step.output()?, log)?;
            let each = b.mul(g, slope)?;
            made[1] = Some(reduced(b, step, 1, each, 1.0)?);
        }
        Ok(made)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        if draw.flag() {
            return tests::operands(op, draw, 2, |x| x.abs() + 0.3);
        }
        let shape = draw.shape(1, 3);
        let x: Vec<f64> = draw.distinct(&shape).into_iter().map(|x| x.abs() + 0.3).collect();
        let exponent = draw.pick(&[1.0_f32, 2.0, 3.0, 0.5, -1.5]);
        let case = super::testing::Case::new(draw.opset(7), op).wrt(&shape, &x);
        if draw.flag() {
            let exponents = draw.weights(&shape[shape.len() - 1..]);
            return case.constant(exponents);
        }
        case.constant(Tensor::f32(&[], &[exponent]))
    }
}

/// The remainder with the sign of the dividend: x − y·trunc(x / y). Of integers nothing flows.
pub(super) struct Mod;

impl Operator for Mod {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (x, y, g) = (step.input(0)?, step.input(1)?, step.cotangent()?);
        let mut made = vec![None, None];
        if step.wants(0) {
            made[0] = Some(reduced(b, step, 0, g, 1.0)?);
        }
        if step.wants(1) {
            let rest = b.sub(x, step.output()?)?;
            let times = b.div(rest, y)?;
            let each = b.mul(g, times)?;
            made[1] = Some(reduced(b, step, 1, each, -1.0)?);
        }
        Ok(made)
    }

    fn carries(&self, _graph: &Graph, node: &Node, _index: usize) -> bool {
        node.int("fmod", 0) != 0
    }

    fn remark(&self, _op: &str) -> &'static str {
        "of floats (`fmod`)"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        // Quotients from 2.37 to 2.69 in size: none comes near a whole number.
        let shape = draw.shape(1, 3);
        let (a, b) = (draw.broadcastable(&shape), draw.broadcastable(&shape));
        let x: Vec<f64> = draw.distinct(&a).into_iter().map(|x| 5.3 * x.signum() + 0.1 * x).collect();
        let y: Vec<f64> = draw.distinct(&b).into_iter().map(|y| 2.1 * y.signum() + 0.05 * y).collect();
        super::testing::Case::new(draw.opset(10), op).wrt(&a, &x).wrt(&b, &y).attribute("fmod", 1)
    }
}

/// Max and Min. Where several inputs are equal they share the cotangent.
pub(super) struct Extremum;

impl Operator for Extremum {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let y = step.output()?;
        let mut masks = Vec::new();
        for index in 0..step.node.inputs.len() {
            let x = step.input(index)?;
            masks.push(if step.node.op == "Max" { b.is_at_least(x, y)? } else { b.is_at_least(y, x)? });
        }
        let winners = b.sum(&masks)?;
        let share = b.div(step.cotangent()?, winners)?;
        let mut made = vec![None; masks.len()];
        for (index, mask) in masks.into_iter().enumerate() {
            if step.wants(index) {
                let each = b.mul(share, mask)?;
                made[index] = Some(reduced(b, step, index, each, 1.0)?);
            }
        }
        Ok(made)
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        // Two inputs of the same numbers would meet at kinks: each input is moved by its own bit.
        let inputs = draw.int(1, 3);
        let mut moved = 0.0;
        tests::operands(op, draw, inputs, |x| {
            moved += 0.000_37;
            x + moved
        })
    }
}

pub(super) struct Where;

impl Operator for Where {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let (condition, g, zero) = (step.input(0)?, step.cotangent()?, b.scalar(0.0));
        let mut made = vec![None, None, None];
        if step.wants(1) {
            let each = b.select(condition, g, zero)?;
            made[1] = Some(reduced(b, step, 1, each, 1.0)?);
        }
        if step.wants(2) {
            let each = b.select(condition, zero, g)?;
            made[2] = Some(reduced(b, step, 2, each, 1.0)?);
        }
        Ok(made)
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index > 0
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        let shape = draw.shape(1, 3);
        let condition: Vec<u8> = (0..shape.iter().product::<i64>()).map(|_| u8::from(draw.flag())).collect();
        let condition = Tensor::new(crate::Dtype::Bool, shape.clone(), condition.into());
        let (a, b) = (draw.broadcastable(&shape), draw.broadcastable(&shape));
        let (x, y) = (draw.distinct(&a), draw.distinct(&b));
        super::testing::Case::new(draw.opset(9), op).constant(condition).wrt(&a, &x).wrt(&b, &y)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, check};

    /// `inputs` values that broadcast, each element passed through `map`.
    pub(super) fn operands(op: &str, draw: &mut Draw, inputs: i64, mut map: impl FnMut(f64) -> f64) -> Case {
        let shape = draw.shape(1, 4);
        let mut case = Case::new(draw.opset(8), op);
        for _ in 0..inputs {
            let shape = draw.broadcastable(&shape);
            let x: Vec<f64> = draw.distinct(&shape).into_iter().map(&mut map).collect();
            case = case.wrt(&shape, &x);
        }
        case
    }

    #[test]
    fn arithmetic_agrees_with_central_differences() {
        check(&["Add", "Sub", "Mul", "Div", "Pow", "Sum", "Mean", "Max", "Min", "Where", "Mod"]);
    }
}
