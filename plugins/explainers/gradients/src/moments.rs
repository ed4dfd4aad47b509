//! Running mean, variance and fourth moment of many numbers at once, and how far each estimate may be off.

use rayon::prelude::*;

/// Numbers that a thread takes at once, over all samples that have come.
const CHUNK: usize = 4096;

/// Moments of `len` numbers over samples that come a few at a time, in float64.
pub(crate) struct Moments {
    samples: u32,
    mean: Vec<f64>,
    /// Sums of the second powers of the deviations from the mean.
    second: Vec<f64>,
    /// Of the third and fourth powers: only what the error of a variance needs.
    higher: Option<[Vec<f64>; 2]>,
}

/// An estimate, and its standard error: NaN where that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f32,
    pub(crate) error: f32,
}

impl Moments {
    /// For means.
    pub(crate) fn new(len: usize) -> Self {
        Self { samples: 0, mean: vec![0.0; len], second: vec![0.0; len], higher: None }
    }

    /// For means and variances.
    pub(crate) fn with_variances(len: usize) -> Self {
        Self { higher: Some([vec![0.0; len], vec![0.0; len]]), ..Self::new(len) }
    }

    pub(crate) fn samples(&self) -> u32 {
        self.samples
    }

    /// Takes samples that lie one after the other in `samples`, in that order: whether they come together or one by one is
    /// the same, bit for bit (Pébay, *Formulas for Robust, One-Pass Parallel Computation of Moments*, 2008).
    pub(crate) fn add(&mut self, samples: &[f32]) {
        let (len, before) = (self.mean.len(), self.samples);
        let rows = || samples.chunks_exact(len).zip(before + 1..);
        let place = |chunk: usize, row: &[f32]| chunk * CHUNK..row.len().min((chunk + 1) * CHUNK);
        let means = self.mean.par_chunks_mut(CHUNK).zip(self.second.par_chunks_mut(CHUNK)).enumerate();
        match &mut self.higher {
            None => means.for_each(|(chunk, (mean, second))| {
                for (row, n) in rows() {
                    let values = &row[place(chunk, row)];
                    for ((mean, m2), value) in mean.iter_mut().zip(&mut *second).zip(values) {
                        let delta = f64::from(*value) - *mean;
                        let part = delta / f64::from(n);
                        *mean += part;
                        *m2 += delta * part * (f64::from(n) - 1.0);
                    }
                }
            }),
            Some([third, fourth]) => {
                let all = means.zip(third.par_chunks_mut(CHUNK)).zip(fourth.par_chunks_mut(CHUNK));
                all.for_each(|(((chunk, (mean, second)), third), fourth)| {
                    for (row, n) in rows() {
                        let (values, n) = (&row[place(chunk, row)], f64::from(n));
                        let sums = mean.iter_mut().zip(&mut *second).zip(&mut *third).zip(&mut *fourth);
                        for ((((mean, m2), m3), m4), value) in sums.zip(values) {
                            let delta = f64::from(*value) - *mean;
                            let part = delta / n;
                            let term = delta * part * (n - 1.0);
                            *mean += part;
                            *m4 += term * part * part * (n * n - 3.0 * n + 3.0) + 6.0 * part * part * *m2
                                - 4.0 * part * *m3;
                            *m3 += term * part * (n - 2.0) - 3.0 * part * *m2;
                            *m2 += term;
                        }
                    }
                });
            }
        }
        self.samples += u32::try_from(samples.len() / len).expect("samples are counted in 32 bits");
    }

    /// The mean of number `index`.
    pub(crate) fn mean(&self, index: usize) -> Estimate {
        let n = f64::from(self.samples);
        let error = if self.samples > 1 { (self.second[index] / (n - 1.0) / n).sqrt() as f32 } else { f32::NAN };
        Estimate { value: self.mean[index] as f32, error }
    }

    /// The variance of number `index` (of the samples' distribution: over n − 1); NaN before the second sample. Its error
    /// is known of moments that were made for it, from four samples on.
    pub(crate) fn variance(&self, index: usize) -> Estimate {
        let n = f64::from(self.samples);
        let variance = if self.samples > 1 { self.second[index] / (n - 1.0) } else { f64::NAN };
        let error = match &self.higher {
            Some([_, fourth]) if self.samples > 3 => {
                let squared = fourth[index] / n - variance.powi(2) * (n - 3.0) / (n - 1.0);
                (squared.max(0.0) / n).sqrt()
            }
            _ => f64::NAN,
        };
        Estimate { value: variance as f32, error: error as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::rng::Rng;

    fn moments(samples: &[&[f32]]) -> Moments {
        let mut moments = Moments::with_variances(samples[0].len());
        samples.iter().for_each(|sample| moments.add(sample));
        moments
    }

    #[test]
    fn moments_are_those_of_the_definition() {
        let samples = [1.0_f64, 2.0, 2.0, 7.0, -3.0];
        let moments = moments(&samples.map(|v| [v as f32]).each_ref().map(|v| &v[..]));
        let mean = samples.iter().sum::<f64>() / 5.0;
        let sum = |power| samples.iter().map(|v| (v - mean).powi(power)).sum::<f64>();
        assert!((moments.mean[0] - mean).abs() < 1e-12);
        let [third, fourth] = moments.higher.as_ref().unwrap();
        for (power, found) in [2, 3, 4].into_iter().zip([&moments.second, third, fourth]) {
            assert!((found[0] - sum(power)).abs() < 1e-9, "power {power}");
        }
        let error = (sum(2) / 4.0 / 5.0).sqrt();
        assert!((f64::from(moments.mean(0).error) - error).abs() < 1e-6);
        assert!((f64::from(moments.variance(0).value) - sum(2) / 4.0).abs() < 1e-5);
    }

    #[test]
    fn errors_are_not_known_before_there_are_samples_enough() {
        assert!(moments(&[&[1.0]]).mean(0).error.is_nan());
        assert!(moments(&[&[1.0]]).variance(0).value.is_nan());
        assert!(moments(&[&[1.0], &[2.0], &[4.0]]).variance(0).error.is_nan());
    }

    #[test]
    fn errors_are_as_large_as_estimates_scatter() {
        // 400 runs of 30 normal samples: the scatter of the estimates against the mean of what each says of itself.
        let runs = 400;
        let mut all = Vec::new();
        for run in 0..runs {
            let mut moments = Moments::with_variances(1);
            let mut rng = Rng::new(11, run);
            (0..30).for_each(|_| moments.add(&[rng.normal_f32()]));
            all.push([moments.mean(0), moments.variance(0)]);
        }
        for which in 0..2 {
            let of = |f: &dyn Fn(&Estimate) -> f32| {
                all.iter().map(|estimates| f64::from(f(&estimates[which]))).sum::<f64>() / f64::from(runs as u32)
            };
            let mean = of(&|e| e.value);
            let scatter = of(&|e| (e.value - mean as f32).powi(2)).sqrt();
            let claimed = of(&|e| e.error);
            assert!((claimed / scatter - 1.0).abs() < 0.15, "{claimed} against {scatter}");
        }
    }

    #[test]
    fn samples_together_are_samples_one_by_one() {
        let mut rng = Rng::new(3, 0);
        let len = CHUNK + 7;
        let samples: Vec<f32> = (0..5 * len).map(|_| rng.normal_f32()).collect();
        for new in [Moments::new, Moments::with_variances] {
            let (mut together, mut single) = (new(len), new(len));
            together.add(&samples);
            samples.chunks_exact(len).for_each(|sample| single.add(sample));
            assert_eq!((together.samples, &together.mean, &together.second), (5, &single.mean, &single.second));
            assert_eq!(together.higher, single.higher);
            let wanted = samples.iter().skip(len - 1).step_by(len).map(|v| f64::from(*v)).sum::<f64>() / 5.0;
            assert!((together.mean[len - 1] - wanted).abs() < 1e-12);
        }
    }
}
