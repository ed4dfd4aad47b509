//! Trigonometric and hyperbolic functions and their inverses, elementwise: one table entry each.

use super::unary::{Unary, tanh_slope};

pub(super) static SIN: Unary = Unary(|b, s, g| {
    let cosine = b.unary("Cos", s.input(0)?)?;
    b.mul(g, cosine)
});
pub(super) static COS: Unary = Unary(|b, s, g| {
    let sine = b.unary("Sin", s.input(0)?)?;
    let product = b.mul(g, sine)?;
    b.unary("Neg", product)
});
pub(super) static TAN: Unary = Unary(|b, s, g| {
    let y = s.output()?;
    let square = b.mul(y, y)?;
    let slope = b.offset(square, 1.0)?;
    b.mul(g, slope)
});
pub(super) static TANH: Unary = Unary(|b, s, g| {
    let slope = tanh_slope(b, s.output()?)?;
    b.mul(g, slope)
});
/// cosh x = sinh x / tanh x would fail at 0: both come from exp.
pub(super) static SINH: Unary = Unary(|b, s, g| {
    let (rising, falling) = (b.unary("Exp", s.input(0)?)?, b.unary("Neg", s.input(0)?)?);
    let falling = b.unary("Exp", falling)?;
    let sum = b.add(rising, falling)?;
    let slope = b.scale(sum, 0.5)?;
    b.mul(g, slope)
});
pub(super) static COSH: Unary = Unary(|b, s, g| {
    let (rising, falling) = (b.unary("Exp", s.input(0)?)?, b.unary("Neg", s.input(0)?)?);
    let falling = b.unary("Exp", falling)?;
    let difference = b.sub(rising, falling)?;
    let slope = b.scale(difference, 0.5)?;
    b.mul(g, slope)
});
pub(super) static ASIN: Unary = Unary(|b, s, g| {
    let root = below_one(b, s)?;
    b.div(g, root)
});
pub(super) static ACOS: Unary = Unary(|b, s, g| {
    let root = below_one(b, s)?;
    let made = b.div(g, root)?;
    b.unary("Neg", made)
});
pub(super) static ATAN: Unary = Unary(|b, s, g| {
    let x = s.input(0)?;
    let square = b.mul(x, x)?;
    let divisor = b.offset(square, 1.0)?;
    b.div(g, divisor)
});
pub(super) static ASINH: Unary = Unary(|b, s, g| {
    let root = shifted_root(b, s, 1.0)?;
    b.div(g, root)
});
pub(super) static ACOSH: Unary = Unary(|b, s, g| {
    let root = shifted_root(b, s, -1.0)?;
    b.div(g, root)
});
pub(super) static ATANH: Unary = Unary(|b, s, g| {
    let x = s.input(0)?;
    let square = b.mul(x, x)?;
    let divisor = b.complement(1.0, square)?;
    b.div(g, divisor)
});

/// √(1 − x²).
fn below_one(b: &mut super::Builder<'_>, s: &super::Step<'_>) -> Result<crate::ValueId, crate::Error> {
    let x = s.input(0)?;
    let square = b.mul(x, x)?;
    let rest = b.complement(1.0, square)?;
    b.unary("Sqrt", rest)
}

/// √(x² + shift).
fn shifted_root(b: &mut super::Builder<'_>, s: &super::Step<'_>, shift: f32) -> Result<crate::ValueId, crate::Error> {
    let x = s.input(0)?;
    let square = b.mul(x, x)?;
    let shifted = b.offset(square, shift)?;
    b.unary("Sqrt", shifted)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::check;

    #[test]
    fn trigonometry_agrees_with_central_differences() {
        check(&["Sin", "Cos", "Tan", "Sinh", "Cosh", "Tanh"]);
        check(&["Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh"]);
    }
}
