//! Convolutions by small filters with fewer multiplications: a kernel of our own in the place of the engine's, in its blocked layout.
//!
//! Where it stands in a file ([`mod@replace`]), what the engine sees of it ([`operator`]), its filters ([`filter`]), and the
//! arithmetic: by which matrices ([`scheme`]), how an image is cut into tiles ([`tiles`]), which are multiplied ([`multiply`]). Which
//! convolutions there are, and what they are for, is not known here. Decided in ADR 12.
//!
//! Two by two outputs of a convolution are `Aᵀ[(GgGᵀ) ⊙ (BᵀdB)]A`, where `d` are the inputs that they see and `g` is the filter. By
//! filters of 2×2 they take 9 multiplications instead of 16, of 3×3 they take 16 instead of 36, of 4×4 they take 25 instead of 64, and of
//! 3×3 at every second cell 25 instead of 36; and sums instead. For 3×3
//!
//! ```text
//!      1  0 −1  0          1   0   0           1  1  1  0
//! Bᵀ = 0  1  1  0     G =  ½   ½   ½      Aᵀ = 0  1 −1 −1
//!      0 −1  1  0          ½  −½   ½
//!      0  1  0 −1          0   0   1
//! ```
//!
//! sums are of few numbers of about the same size, and the answer is as near as the engine's own; of 4×4 it is off by up to six times
//! as much. One number that is not finite makes the outputs of its tile NaN, where the engine might have kept an infinity.
//!
//! Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks* (2016), F(2×2, 3×3); after Winograd, *Arithmetic
//! Complexity of Computations* (1980).

mod filter;
mod multiply;
mod operator;
mod replace;
mod scheme;
#[cfg(test)]
mod tests;
mod tiles;

pub(crate) use operator::Winograd;
pub(crate) use replace::replace;

/// The operator's name, in the domain of our own.
const NAME: &str = "Winograd";
