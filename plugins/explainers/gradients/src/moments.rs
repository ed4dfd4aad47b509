//! Running mean, variance and fourth moment of many numbers at once, and how far each estimate may be off.

/// Moments of `len` numbers over samples that come one by one, in float64.
pub(crate) struct Moments {
    samples: u32,
    mean: Vec<f64>,
    /// Sums of the second, third and fourth powers of the deviations from the mean.
    powers: [Vec<f64>; 3],
}

/// An estimate of each number, and its standard error: NaN where that is not known yet.
pub(crate) struct Estimate {
    pub(crate) values: Vec<f32>,
    pub(crate) errors: Vec<f32>,
}

impl Moments {
    pub(crate) fn new(len: usize) -> Self {
        Self { samples: 0, mean: vec![0.0; len], powers: [vec![0.0; len], vec![0.0; len], vec![0.0; len]] }
    }

    pub(crate) fn samples(&self) -> u32 {
        self.samples
    }

    /// Takes one sample (Pébay, *Formulas for Robust, One-Pass Parallel Computation of Moments*, 2008).
    pub(crate) fn add(&mut self, sample: impl Iterator<Item = f32>) {
        self.samples += 1;
        let n = f64::from(self.samples);
        let [second, third, fourth] = &mut self.powers;
        let sums = self.mean.iter_mut().zip(second).zip(third).zip(fourth);
        for ((((mean, m2), m3), m4), value) in sums.zip(sample) {
            let delta = f64::from(value) - *mean;
            let part = delta / n;
            let term = delta * part * (n - 1.0);
            *mean += part;
            *m4 += term * part * part * (n * n - 3.0 * n + 3.0) + 6.0 * part * part * *m2 - 4.0 * part * *m3;
            *m3 += term * part * (n - 2.0) - 3.0 * part * *m2;
            *m2 += term;
        }
    }

    /// The means.
    pub(crate) fn mean(&self) -> Estimate {
        let n = f64::from(self.samples);
        let error = |m2: &f64| if self.samples > 1 { (m2 / (n - 1.0) / n).sqrt() as f32 } else { f32::NAN };
        Estimate {
            values: self.mean.iter().map(|mean| *mean as f32).collect(),
            errors: self.powers[0].iter().map(error).collect(),
        }
    }

    /// The variances (of the samples' distribution: over n − 1); NaN before the second sample.
    pub(crate) fn variance(&self) -> Estimate {
        let n = f64::from(self.samples);
        let variance = |m2: f64| m2 / (n - 1.0);
        let error = |(m2, m4): (&f64, &f64)| {
            if self.samples < 4 {
                return f32::NAN;
            }
            let squared = m4 / n - variance(*m2).powi(2) * (n - 3.0) / (n - 1.0);
            (squared.max(0.0) / n).sqrt() as f32
        };
        let [second, _, fourth] = &self.powers;
        Estimate {
            values: second.iter().map(|m2| if self.samples > 1 { variance(*m2) as f32 } else { f32::NAN }).collect(),
            errors: second.iter().zip(fourth).map(error).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::rng::Rng;

    fn moments(samples: &[&[f32]]) -> Moments {
        let mut moments = Moments::new(samples[0].len());
        samples.iter().for_each(|sample| moments.add(sample.iter().copied()));
        moments
    }

    #[test]
    fn moments_are_those_of_the_definition() {
        let samples = [1.0_f64, 2.0, 2.0, 7.0, -3.0];
        let moments = moments(&samples.map(|v| [v as f32]).each_ref().map(|v| &v[..]));
        let mean = samples.iter().sum::<f64>() / 5.0;
        let sum = |power| samples.iter().map(|v| (v - mean).powi(power)).sum::<f64>();
        assert!((moments.mean[0] - mean).abs() < 1e-12);
        for (power, found) in [2, 3, 4].into_iter().zip(&moments.powers) {
            assert!((found[0] - sum(power)).abs() < 1e-9, "power {power}");
        }
        let error = (sum(2) / 4.0 / 5.0).sqrt();
        assert!((f64::from(moments.mean().errors[0]) - error).abs() < 1e-6);
        assert!((f64::from(moments.variance().values[0]) - sum(2) / 4.0).abs() < 1e-5);
    }

    #[test]
    fn errors_are_not_known_before_there_are_samples_enough() {
        assert!(moments(&[&[1.0]]).mean().errors[0].is_nan());
        assert!(moments(&[&[1.0]]).variance().values[0].is_nan());
        assert!(moments(&[&[1.0], &[2.0], &[4.0]]).variance().errors[0].is_nan());
    }

    #[test]
    fn errors_are_as_large_as_estimates_scatter() {
        // 400 runs of 30 normal samples: the scatter of the estimates against the mean of what each says of itself.
        let runs = 400;
        let mut all = Vec::new();
        for run in 0..runs {
            let mut moments = Moments::new(1);
            let mut rng = Rng::new(11, run);
            (0..30).for_each(|_| moments.add(std::iter::once(rng.normal_f32())));
            all.push([moments.mean(), moments.variance()]);
        }
        for which in 0..2 {
            let of = |f: &dyn Fn(&Estimate) -> f32| {
                all.iter().map(|estimates| f64::from(f(&estimates[which]))).sum::<f64>() / f64::from(runs as u32)
            };
            let mean = of(&|e| e.values[0]);
            let scatter = of(&|e| (e.values[0] - mean as f32).powi(2)).sqrt();
            let claimed = of(&|e| e.errors[0]);
            assert!((claimed / scatter - 1.0).abs() < 0.15, "{claimed} against {scatter}");
        }
    }
}
