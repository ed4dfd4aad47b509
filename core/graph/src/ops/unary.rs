//! Smooth functions of one value, elementwise: one table entry each.

use super::norm::sign;
use super::{Operator, Step};
use crate::builder::Builder;
use crate::{Error, ValueId};
use std::f32::consts::{FRAC_2_SQRT_PI, SQRT_2};

type Made = Result<ValueId, Error>;

/// What a function does backwards: from the cotangent `g` of its output to that of its input.
pub(super) struct Unary(pub(super) fn(&mut Builder<'_>, &Step<'_>, ValueId) -> Made);

impl Operator for Unary {
    fn vjp(&self, build: &mut Builder<'_>, step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error> {
        let cotangent = step.cotangent()?;
        Ok(vec![Some((self.0)(build, step, cotangent)?)])
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::example(op, draw)
    }
}

pub(super) static NEG: Unary = Unary(|b, _, g| b.unary("Neg", g));
pub(super) static EXP: Unary = Unary(|b, s, g| b.mul(g, s.output()?));
pub(super) static LOG: Unary = Unary(|b, s, g| b.div(g, s.input(0)?));
pub(super) static SQRT: Unary = Unary(|b, s, g| {
    let half = b.scale(g, 0.5)?;
    b.div(half, s.output()?)
});
pub(super) static RECIPROCAL: Unary = Unary(|b, s, g| {
    let y = s.output()?;
    let square = b.mul(y, y)?;
    let product = b.mul(g, square)?;
    b.unary("Neg", product)
});
pub(super) static ABS: Unary = Unary(|b, s, g| {
    let sign = sign(b, s.input(0)?)?;
    b.mul(g, sign)
});
pub(super) static SIGMOID: Unary = Unary(|b, s, g| {
    let y = s.output()?;
    let rest = b.complement(1.0, y)?;
    let slope = b.mul(y, rest)?;
    b.mul(g, slope)
});
pub(super) static ERF: Unary = Unary(|b, s, g| {
    let bell = bell(b, s.input(0)?, 1.0)?;
    let product = b.mul(g, bell)?;
    b.scale(product, FRAC_2_SQRT_PI)
});
pub(super) static SOFTPLUS: Unary = Unary(|b, s, g| {
    let slope = b.unary("Sigmoid", s.input(0)?)?;
    b.mul(g, slope)
});
pub(super) static SOFTSIGN: Unary = Unary(|b, s, g| {
    let magnitude = b.unary("Abs", s.input(0)?)?;
    let root = b.offset(magnitude, 1.0)?;
    let square = b.mul(root, root)?;
    b.div(g, square)
});
pub(super) static ELU: Unary = Unary(|b, s, g| {
    let alpha = s.node.float("alpha", 1.0);
    let below = b.offset(s.output()?, alpha)?;
    kinked(b, s, g, 1.0, below)
});
pub(super) static SELU: Unary = Unary(|b, s, g| {
    let gamma = s.node.float("gamma", 1.050_701);
    let below = b.offset(s.output()?, s.node.float("alpha", 1.673_263_2) * gamma)?;
    kinked(b, s, g, gamma, below)
});
pub(super) static CELU: Unary = Unary(|b, s, g| {
    let scaled = b.scale(s.output()?, 1.0 / s.node.float("alpha", 1.0))?;
    let below = b.offset(scaled, 1.0)?;
    kinked(b, s, g, 1.0, below)
});
pub(super) static HARD_SIGMOID: Unary = Unary(|b, s, g| {
    let (zero, one) = (b.scalar(0.0), b.scalar(1.0));
    let positive = b.is_greater(s.output()?, zero)?;
    let unsaturated = b.is_less(s.output()?, one)?;
    let mask = b.mul(positive, unsaturated)?;
    let slope = b.scale(mask, s.node.float("alpha", 0.2))?;
    b.mul(g, slope)
});
pub(super) static HARD_SWISH: Unary = Unary(|b, s, g| {
    let x = s.input(0)?;
    let (low, high, one) = (b.scalar(-3.0), b.scalar(3.0), b.scalar(1.0));
    let third = b.scale(x, 1.0 / 3.0)?;
    let ramp = b.offset(third, 0.5)?;
    let saturated = b.binary("Less", high, x)?;
    let slope = b.select(saturated, one, ramp)?;
    let alive = b.is_greater(x, low)?;
    let masked = b.mul(g, alive)?;
    b.mul(masked, slope)
});
/// x·Φ(x), or its approximation by tanh.
pub(super) static GELU: Unary = Unary(|b, s, g| {
    let x = s.input(0)?;
    let slope = if s.node.string("approximate") == Some("tanh") {
        let (scale, cubic) = (SQRT_2 * FRAC_2_SQRT_PI / 2.0, 0.044_715);
        let square = b.mul(x, x)?;
        let bend = b.scale(square, cubic)?;
        let bend = b.offset(bend, 1.0)?;
        let inner = b.mul(x, bend)?;
        let inner = b.scale(inner, scale)?;
        let tanh = b.unary("Tanh", inner)?;
        let inner_slope = b.scale(square, 3.0 * cubic * scale)?;
        let inner_slope = b.offset(inner_slope, scale)?;
        let rate = tanh_slope(b, tanh)?;
        let rate = b.mul(rate, inner_slope)?;
        let rate = b.mul(rate, x)?;
        let sum = b.add(tanh, rate)?;
        let sum = b.offset(sum, 1.0)?;
        b.scale(sum, 0.5)?
    } else {
        let scaled = b.scale(x, 1.0 / SQRT_2)?;
        let erf = b.unary("Erf", scaled)?;
        let cumulated = b.offset(erf, 1.0)?;
        let cumulated = b.scale(cumulated, 0.5)?;
        let density = bell(b, x, 0.5)?;
        let density = b.scale(density, FRAC_2_SQRT_PI / (2.0 * SQRT_2))?;
        let rate = b.mul(x, density)?;
        b.add(cumulated, rate)?
    };
    b.mul(g, slope)
});
/// x·tanh(softplus(x)).
pub(super) static MISH: Unary = Unary(|b, s, g| {
    let x = s.input(0)?;
    let softplus = b.unary("Softplus", x)?;
    let tanh = b.unary("Tanh", softplus)?;
    let sigmoid = b.unary("Sigmoid", x)?;
    let slope = tanh_slope(b, tanh)?;
    let rate = b.mul(slope, sigmoid)?;
    let rate = b.mul(rate, x)?;
    let total = b.add(tanh, rate)?;
    b.mul(g, total)
});

/// 0 within ±`lambd`, else moved towards 0 by `bias`.
pub(super) static SHRINK: Unary = Unary(|b, s, g| {
    let magnitude = b.unary("Abs", s.input(0)?)?;
    let bound = b.scalar(s.node.float("lambd", 0.5));
    let beyond = b.is_greater(magnitude, bound)?;
    b.mul(g, beyond)
});

/// 1 − tanh².
pub(super) fn tanh_slope(b: &mut Builder<'_>, tanh: ValueId) -> Made {
    let square = b.mul(tanh, tanh)?;
    b.complement(1.0, square)
}

/// exp(−factor·x²).
fn bell(b: &mut Builder<'_>, x: ValueId, factor: f32) -> Made {
    let square = b.mul(x, x)?;
    let exponent = b.scale(square, -factor)?;
    b.unary("Exp", exponent)
}

/// `g` times `above` where the input is positive, else times `below`.
fn kinked(b: &mut Builder<'_>, s: &Step<'_>, g: ValueId, above: f32, below: ValueId) -> Made {
    let (zero, above) = (b.scalar(0.0), b.scalar(above));
    let positive = b.binary("Greater", s.input(0)?, zero)?;
    let slope = b.select(positive, above, below)?;
    b.mul(g, slope)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, check};

    pub(super) fn example(op: &str, draw: &mut Draw) -> Case {
        let since = match op {
            "Erf" | "Sinh" | "Cosh" | "Asinh" | "Acosh" | "Atanh" | "Shrink" => 9,
            "Celu" => 12,
            "HardSwish" => 14,
            "Mish" => 18,
            "Gelu" => 20,
            _ => 7,
        };
        let shape = draw.shape(1, 4);
        let mut x = draw.distinct(&shape);
        match op {
            "Log" | "Sqrt" | "Reciprocal" => x.iter_mut().for_each(|x| *x = x.abs() + 0.2),
            "Asin" | "Acos" | "Atanh" => x.iter_mut().for_each(|x| *x *= 0.6),
            "Acosh" => x.iter_mut().for_each(|x| *x = x.abs() + 1.2),
            "Tan" => x.iter_mut().for_each(|x| *x *= 0.8),
            "HardSigmoid" | "HardSwish" => x.iter_mut().for_each(|x| *x *= 3.0),
            _ => {}
        }
        let case = Case::new(draw.opset(since), op).wrt(&shape, &x);
        match op {
            // No drawn number comes near ±0.4321.
            "Shrink" => case.attribute("lambd", 0.432_1_f32).attribute("bias", 0.25_f32),
            "Elu" | "Celu" => case.attribute("alpha", 0.7_f32),
            "Selu" => case.attribute("alpha", 1.3_f32).attribute("gamma", 0.9_f32),
            // The bounds of 0 and 1 are reached at -0.31 / 0.23 and 0.69 / 0.23, which no drawn number comes near.
            "HardSigmoid" => case.attribute("alpha", 0.23_f32).attribute("beta", 0.31_f32),
            "Gelu" if draw.flag() => case.attribute("approximate", "tanh"),
            _ => case,
        }
    }

    #[test]
    fn smooth_functions_agree_with_central_differences() {
        check(&["Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sigmoid", "Erf", "Gelu", "HardSwish", "Shrink"]);
    }
}
