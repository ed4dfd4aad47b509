//! The only randomness of techniques: Philox4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*,
//! 2011), a counter-based generator. Keyed by (seed, sample index), each sample draws the same numbers whatever the
//! batch size and the number of threads.

use wide::f32x8;

/// A stream of random numbers, fixed by its seed and its stream (the index of the sample, say).
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u32; 2],
    /// Block number in the lower half, stream in the upper.
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Rng {
    /// The stream `stream` of `seed`. Streams of one seed are independent.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let ([k0, k1], [s0, s1]) = (halves(seed), halves(stream));
        Self { key: [k0, k1], counter: [0, 0, s0, s1], block: [0; 4], used: 4 }
    }

    /// Uniform over all 32-bit numbers.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == self.block.len() {
            [self.block] = self.blocks();
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next `N` blocks of the stream, made side by side.
    fn blocks<const N: usize>(&mut self) -> [[u32; 4]; N] {
        let [low, high, s0, s1] = self.counter;
        let first = u64::from(high) << 32 | u64::from(low);
        let numbers: [_; N] = core::array::from_fn(|block| halves(first.wrapping_add(block as u64)));
        [self.counter[0], self.counter[1]] = halves(first.wrapping_add(N as u64));
        let made = philox([numbers.map(|[low, _]| low), numbers.map(|[_, high]| high), [s0; N], [s1; N]], self.key);
        core::array::from_fn(|block| made.each_ref().map(|words| words[block]))
    }

    /// Uniform over all 64-bit numbers.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub fn uniform_f32(&mut self) -> f32 {
        unit(self.next_u32())
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a float64 exactly")]
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in 0..`bound`, without bias.
    ///
    /// # Panics
    /// Where `bound` is 0.
    #[track_caller]
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "nothing lies below 0");
        let bound = bound as u64;
        // Of the 2⁶⁴ draws, the first 2⁶⁴ mod bound would come up once too often.
        let reject = bound.wrapping_neg() % bound;
        loop {
            let draw = self.next_u64();
            if draw >= reject {
                return usize::try_from(draw % bound).expect("below a usize");
            }
        }
    }

    /// Standard normal (Box–Muller, in float64).
    pub fn normal_f64(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        radius * (core::f64::consts::TAU * self.uniform_f64()).cos()
    }

    /// Standard normal.
    #[expect(clippy::cast_possible_truncation, reason = "rounding to float32 is what is wanted")]
    pub fn normal_f32(&mut self) -> f32 {
        self.normal_f64() as f32
    }

    /// Fills `out` with standard normal numbers, in pairs and in float32: for noise by the picture.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        /// That make so many pairs: two each.
        const BLOCKS: usize = PAIRS / 2;
        let whole = if self.used == self.block.len() { out.len() / (2 * PAIRS) * (2 * PAIRS) } else { 0 };
        let (whole, rest) = out.split_at_mut(whole);
        for numbers in whole.chunks_exact_mut(2 * PAIRS) {
            let words = self.blocks::<BLOCKS>();
            let words = words.as_flattened().as_chunks().0;
            numbers.copy_from_slice(normal_pairs(core::array::from_fn(|pair| words[pair])).as_flattened());
        }
        for pair in rest.chunks_mut(2) {
            let [made, ..] = normal_pairs([[self.next_u32(), self.next_u32()]; PAIRS]);
            pair.copy_from_slice(&made[..pair.len()]);
        }
    }

    /// Puts `items` into a uniformly random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// Pairs of normal numbers that are made at once.
const PAIRS: usize = 8;

/// Two independent standard normal numbers of each two uniform words (Box–Muller).
#[expect(clippy::cast_precision_loss, reason = "float32 is what is wanted")]
fn normal_pairs(words: [[u32; 2]; PAIRS]) -> [[f32; 2]; PAIRS] {
    // Never 0, whose logarithm is infinite; at most 1.
    let uniform = f32x8::from(words.map(|[radius, _]| radius as f32 + 0.5)) * (1.0 / 4_294_967_296.0);
    let radius = (uniform.ln() * -2.0).max(f32x8::ZERO).sqrt();
    let (sin, cos) = (f32x8::from(words.map(|[_, angle]| unit(angle))) * core::f32::consts::TAU).sin_cos();
    let (first, second) = ((radius * cos).to_array(), (radius * sin).to_array());
    core::array::from_fn(|pair| [first[pair], second[pair]])
}

/// In [0, 1), a multiple of 2⁻²⁴.
#[expect(clippy::cast_precision_loss, reason = "24 bits fit a float32 exactly")]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// `N` blocks at once: word for word, so that a processor takes several in one go.
fn philox<const N: usize>(mut counter: [[u32; N]; 4], mut key: [u32; 2]) -> [[u32; N]; 4] {
    for _ in 0..10 {
        let mut next = [[0; N]; 4];
        for block in 0..N {
            let [low0, high0] = halves(u64::from(counter[0][block]) * 0xD251_1F53);
            let [low1, high1] = halves(u64::from(counter[2][block]) * 0xCD9E_8D57);
            next[0][block] = high1 ^ counter[1][block] ^ key[0];
            next[1][block] = low1;
            next[2][block] = high0 ^ counter[3][block] ^ key[1];
            next[3][block] = low0;
        }
        counter = next;
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_known_answers_of_its_authors() {
        let philox = |counter: [u32; 4], key| super::philox(counter.map(|word| [word]), key).map(|[word]| word);
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        );
    }

    #[test]
    fn a_stream_is_fixed_by_seed_and_stream_and_differs_from_its_neighbours() {
        let draw = |seed, stream| {
            let mut rng = Rng::new(seed, stream);
            [(); 9].map(|()| rng.next_u32())
        };
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
        let philox = |first| philox([[first], [0], [0], [0]], [0; 2]).map(|[word]| word);
        assert_eq!(draw(0, 0)[..4], philox(0));
        assert_eq!(draw(0, 0)[4..8], philox(1));
    }

    #[test]
    fn uniform_and_normal_numbers_have_their_moments() {
        let mut rng = Rng::new(1, 0);
        let n = 20_000;
        let uniform: Vec<f64> = (0..n).map(|_| f64::from(rng.uniform_f32())).collect();
        assert!(uniform.iter().all(|u| (0.0..1.0).contains(u)));
        assert!((uniform.iter().sum::<f64>() / f64::from(n) - 0.5).abs() < 0.01);
        let normal: Vec<f64> = (0..n).map(|_| f64::from(rng.normal_f32())).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let variance = normal.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn noise_by_the_picture_is_normal_and_a_prefix_does_not_depend_on_the_length() {
        let mut noise = vec![0.0; 40_001];
        Rng::new(5, 9).fill_normal(&mut noise);
        assert!(noise.iter().all(|z| z.is_finite()));
        let n = noise.len() as f64;
        let moment = |power: i32| noise.iter().map(|z| f64::from(*z).powi(power)).sum::<f64>() / n;
        let (mean, variance, kurtosis) = (moment(1), moment(2), moment(4));
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03 && (kurtosis - 3.0).abs() < 0.25);
        let pairs: f64 = noise.chunks_exact(2).map(|pair| f64::from(pair[0] * pair[1])).sum::<f64>() / (n / 2.0);
        assert!(pairs.abs() < 0.03, "the two of a pair are independent: {pairs}");
        for len in [10, 33, 97] {
            let mut prefix = vec![0.0; len];
            Rng::new(5, 9).fill_normal(&mut prefix);
            assert_eq!(prefix[..], noise[..len]);
        }
        // Many at once after a pair: the rest of the first block comes first.
        let (mut rng, mut pair, mut many) = (Rng::new(5, 9), [0.0; 2], [0.0; 64]);
        rng.fill_normal(&mut pair);
        rng.fill_normal(&mut many);
        assert_eq!((pair[..] == noise[..2], many[..] == noise[2..66]), (true, true));
        // Pair by pair, or many at once.
        let mut rng = Rng::new(5, 9);
        for pair in noise[..200].chunks_exact(2) {
            let mut one = [0.0; 2];
            rng.fill_normal(&mut one);
            assert_eq!(pair, one);
        }
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_below_reaches_every_number() {
        let mut rng = Rng::new(2, 0);
        let mut items: Vec<usize> = (0..50).collect();
        rng.shuffle(&mut items);
        assert!(items.windows(2).any(|pair| pair[0] > pair[1]));
        items.sort_unstable();
        assert!(items.into_iter().eq(0..50));
        let mut seen = [false; 6];
        (0..200).for_each(|_| seen[rng.below(6)] = true);
        assert_eq!(seen, [true; 6]);
    }
}
