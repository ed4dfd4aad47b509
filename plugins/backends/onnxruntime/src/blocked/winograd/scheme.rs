//! How two outputs of a line are made of fewer products, for each kind of filter.
//!
//! They are `Aᵀ[Gg ⊙ Bᵀd]`, where `d` are the `N` inputs that they see and `g` are the `R` numbers of the filter. In two dimensions
//! the same is done to the rows and to the columns.

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_fmsub_ps, _mm512_fnmadd_ps, _mm512_mul_ps, _mm512_set1_ps,
    _mm512_sub_ps,
};

/// Which convolutions: by filters of `size`×`size`, moved by `stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) size: usize,
    pub(super) stride: usize,
}

impl Kind {
    /// `None` if there is no [`Scheme`] for it.
    pub(super) fn of(size: i64, stride: i64) -> Option<Self> {
        let is_known = matches!((size, stride), (2..=4, 1) | (3, 2));
        is_known.then_some(Self { size: size as usize, stride: stride as usize })
    }

    /// Products that make up a tile.
    pub(super) fn products(self) -> usize {
        (self.size + self.stride).pow(2)
    }
}

/// Calls a function that is generic over [`Scheme`] with the one of a [`Kind`].
macro_rules! with_scheme {
    ($kind:expr, $($function:ident).+($($argument:expr),*)) => {
        match ($kind.size, $kind.stride) {
            (2, 1) => $($function).+::<Dense, 3, 2>($($argument),*),
            (3, 1) => $($function).+::<Dense, 4, 3>($($argument),*),
            (4, 1) => $($function).+::<Dense, 5, 4>($($argument),*),
            (3, 2) => $($function).+::<Strided, 5, 3>($($argument),*),
            _ => unreachable!("there is no other kind"),
        }
    };
}
pub(super) use with_scheme;

/// Two outputs of `N` inputs and `R` numbers of a filter, of 16 lines at once.
///
/// # Safety
/// The functions take AVX-512.
pub(super) trait Scheme<const N: usize, const R: usize> {
    const STRIDE: usize;
    /// `Bᵀd`.
    unsafe fn input(d: [__m512; N]) -> [__m512; N];
    /// `Gg`.
    unsafe fn filter(g: [__m512; R]) -> [__m512; N];
    /// `Aᵀm`.
    unsafe fn output(m: [__m512; N]) -> [__m512; 2];
}

/// Winograd's F(2, R), by the points 0, 1, −1, 2 as far as they are needed, and infinity.
pub(super) struct Dense;

impl Scheme<3, 2> for Dense {
    const STRIDE: usize = 1;

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn input([a, b, c]: [__m512; 3]) -> [__m512; 3] {
        [_mm512_sub_ps(a, b), b, _mm512_sub_ps(c, b)]
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn filter([a, b]: [__m512; 2]) -> [__m512; 3] {
        [a, _mm512_add_ps(a, b), b]
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn output([a, b, c]: [__m512; 3]) -> [__m512; 2] {
        [_mm512_add_ps(a, b), _mm512_add_ps(b, c)]
    }
}

impl Scheme<4, 3> for Dense {
    const STRIDE: usize = 1;

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn input([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        [_mm512_sub_ps(a, c), _mm512_add_ps(b, c), _mm512_sub_ps(c, b), _mm512_sub_ps(b, d)]
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn filter([a, b, c]: [__m512; 3]) -> [__m512; 4] {
        let half = _mm512_set1_ps(0.5);
        let (ends, middle) = (_mm512_mul_ps(half, _mm512_add_ps(a, c)), _mm512_mul_ps(half, b));
        [a, _mm512_add_ps(ends, middle), _mm512_sub_ps(ends, middle), c]
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn output([a, b, c, d]: [__m512; 4]) -> [__m512; 2] {
        [_mm512_add_ps(_mm512_add_ps(a, b), c), _mm512_sub_ps(_mm512_sub_ps(b, c), d)]
    }
}

impl Scheme<5, 4> for Dense {
    const STRIDE: usize = 1;

    /// `2(a − c) − (b − d)`, `d − c − 2b`, `d − 3c + 2b`, `d − b`, `2(b − d) − (c − e)`.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn input([a, b, c, d, e]: [__m512; 5]) -> [__m512; 5] {
        let (two, middle) = (_mm512_set1_ps(2.0), _mm512_sub_ps(b, d));
        [
            _mm512_fmsub_ps(two, _mm512_sub_ps(a, c), middle),
            _mm512_fnmadd_ps(two, b, _mm512_sub_ps(d, c)),
            _mm512_fmadd_ps(two, b, _mm512_fnmadd_ps(_mm512_set1_ps(3.0), c, d)),
            _mm512_sub_ps(d, b),
            _mm512_fmsub_ps(two, middle, _mm512_sub_ps(c, e)),
        ]
    }

    /// `a/2`, `−(a + b + c + d)/2`, `(b + d − a − c)/6`, `(a + 2b + 4c + 8d)/6`, `d`.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn filter([a, b, c, d]: [__m512; 4]) -> [__m512; 5] {
        let [half, sixth, two, four] = [0.5, 1.0 / 6.0, 2.0, 4.0].map(|number| _mm512_set1_ps(number));
        let (even, odd) = (_mm512_add_ps(a, c), _mm512_add_ps(b, d));
        let at_two = _mm512_fmadd_ps(two, _mm512_fmadd_ps(four, d, b), _mm512_fmadd_ps(four, c, a));
        [
            _mm512_mul_ps(half, a),
            _mm512_mul_ps(_mm512_set1_ps(-0.5), _mm512_add_ps(even, odd)),
            _mm512_mul_ps(sixth, _mm512_sub_ps(odd, even)),
            _mm512_mul_ps(sixth, at_two),
            d,
        ]
    }

    /// `a + b + c + d`, `b − c + 2d + e`.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn output([a, b, c, d, e]: [__m512; 5]) -> [__m512; 2] {
        let at_two = _mm512_fmadd_ps(_mm512_set1_ps(2.0), d, e);
        [_mm512_add_ps(_mm512_add_ps(a, d), _mm512_add_ps(b, c)), _mm512_add_ps(_mm512_sub_ps(b, c), at_two)]
    }
}

/// Every second output by a filter of three: the outer two of it are F(2, 2) of every second input, the middle one is multiplied
/// by itself.
pub(super) struct Strided;

impl Scheme<5, 3> for Strided {
    const STRIDE: usize = 2;

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn input([a, b, c, d, e]: [__m512; 5]) -> [__m512; 5] {
        [_mm512_sub_ps(a, c), c, _mm512_sub_ps(e, c), b, d]
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn filter([a, b, c]: [__m512; 3]) -> [__m512; 5] {
        [a, _mm512_add_ps(a, c), c, b, b]
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn output([a, b, c, d, e]: [__m512; 5]) -> [__m512; 2] {
        [_mm512_add_ps(_mm512_add_ps(a, b), d), _mm512_add_ps(_mm512_add_ps(b, c), e)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::are_known;
    use crate::blocked::lanes::{LANES, store};
    use std::array;

    /// Of each input and each number of the filter alone.
    #[target_feature(enable = "avx512f")]
    fn is_the_convolution<S: Scheme<N, R>, const N: usize, const R: usize>() {
        let one = |index: usize, other: usize| _mm512_set1_ps(if index == other { 6.0 } else { 0.0 });
        for input in 0..N {
            for tap in 0..R {
                // SAFETY: this function takes AVX-512, too.
                let made = unsafe {
                    let (d, g) = (
                        S::input(array::from_fn(|index| one(index, input))),
                        S::filter(array::from_fn(|index| one(index, tap))),
                    );
                    S::output(array::from_fn(|product| _mm512_mul_ps(d[product], g[product])))
                };
                for (output, made) in made.into_iter().enumerate() {
                    let wanted = if output * S::STRIDE + tap == input { 36.0 } else { 0.0 };
                    let mut lanes = [f32::NAN; LANES];
                    store(&mut lanes, made);
                    assert_eq!(lanes, [wanted; LANES], "{N} inputs, filter of {R}, input {input}, tap {tap}");
                }
            }
        }
    }

    #[test]
    fn the_products_make_up_the_convolution() {
        if !are_known() {
            return eprintln!("not on this processor");
        }
        // SAFETY: blocks are known, which takes AVX-512.
        unsafe {
            is_the_convolution::<Dense, 3, 2>();
            is_the_convolution::<Dense, 4, 3>();
            is_the_convolution::<Dense, 5, 4>();
            is_the_convolution::<Strided, 5, 3>();
        }
    }
}
