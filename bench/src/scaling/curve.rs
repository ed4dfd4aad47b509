//! A curve: what was measured, and the laws that fit it.

use super::fit::{Fit, affine, power};
use super::point::Sample;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// What n counts: `windows`.
    pub(crate) counts: String,
    pub(crate) samples: Vec<Sample>,
    /// Of the seconds.
    pub(crate) time: Laws,
    /// Of the peak of resident memory, in MiB.
    pub(crate) memory: Laws,
}

/// The same points by two laws.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Laws {
    pub(crate) power: Fit,
    pub(crate) affine: Fit,
}

impl Curve {
    /// At least two samples, whose n differ.
    pub(crate) fn new(counts: &str, samples: Vec<Sample>) -> Self {
        let laws = |value: fn(&Sample) -> f64| Laws::of(&samples, value);
        let (time, memory) = (laws(|sample| sample.seconds), laws(|sample| sample.peak));
        Self { counts: counts.into(), samples, time, memory }
    }

    /// A figure that only this curve has, by n.
    pub(crate) fn more(&self, name: &str) -> Vec<(f64, f64)> {
        self.samples.iter().map(|sample| (sample.n, sample.figure(name))).collect()
    }

    pub(crate) fn seconds(&self) -> Vec<(f64, f64)> {
        self.samples.iter().map(|sample| (sample.n, sample.seconds)).collect()
    }

    pub(crate) fn peaks(&self) -> Vec<(f64, f64)> {
        self.samples.iter().map(|sample| (sample.n, sample.peak)).collect()
    }
}

impl Laws {
    fn of(samples: &[Sample], value: fn(&Sample) -> f64) -> Self {
        let points: Vec<(f64, f64)> = samples.iter().map(|sample| (sample.n, value(sample))).collect();
        Self { power: power(&points), affine: affine(&points) }
    }
}
