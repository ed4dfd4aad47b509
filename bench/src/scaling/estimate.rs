//! What the measured core-seconds and bytes say for a service: rates, cores, machines, memory, storage, network, cost. Arithmetic
//! only; its assumptions are the constants at the top.

use super::service::Service;

/// Explanations a day, and how much more than on average in the busiest hour.
pub(super) const A_DAY: f64 = 1e7;
pub(super) const PEAK: f64 = 3.0;
/// Of the cores, so that few requests wait.
pub(super) const UTILISATION: f64 = 0.6;
pub(super) const CORES: f64 = 16.0;
/// As many cores as a process has slots: each run has one to itself.
pub(super) const PROCESSES: f64 = 2.0;
/// Of one core for an hour, in whatever currency.
pub(super) const PRICE: f64 = 0.04;

const DAY: f64 = 86_400.0;
const MIB: f64 = 1_048_576.0;

/// Means are over the mix.
pub(super) struct Estimate {
    /// Explanations a second.
    pub(super) average: f64,
    pub(super) peak: f64,
    /// Of one explanation.
    pub(super) core_seconds: f64,
    /// Cores for the average and for the peak.
    pub(super) cores: f64,
    pub(super) cores_at_peak: f64,
    /// For the peak.
    pub(super) machines: f64,
    /// Bytes of one explanation's results, and of all that is sent while it is watched.
    pub(super) results: f64,
    pub(super) sent: f64,
    /// Bytes of memory that one process needs.
    pub(super) process: f64,
    /// Seconds that the last in a full queue waits.
    pub(super) wait: f64,
    /// Seconds after which the bounds on finished runs let the first one go, at the average rate.
    pub(super) kept: f64,
}

impl Estimate {
    pub(super) fn of(service: &Service) -> Self {
        let limits = whyglass_engine::Limits::default();
        let mean = |value: fn(&super::service::Work) -> f64| -> f64 {
            service.works.iter().map(|work| work.share * value(work)).sum()
        };
        let (core_seconds, results) = (mean(|work| work.core_seconds), mean(|work| work.results));
        let average = A_DAY / DAY;
        let cores_for = |rate: f64| rate * core_seconds / UTILISATION;
        let machines = (cores_for(average * PEAK) / CORES).ceil();
        let fit = (limits.result_bytes as f64 / results).min(limits.results as f64);
        Self {
            average,
            peak: average * PEAK,
            core_seconds,
            cores: cores_for(average),
            cores_at_peak: cores_for(average * PEAK),
            machines,
            results,
            sent: mean(|work| work.sent),
            process: service.peak * MIB + limits.result_bytes as f64,
            wait: limits.queue as f64 * core_seconds / (CORES / PROCESSES),
            kept: (fit * machines * PROCESSES / average).min(limits.result_age.as_secs_f64()),
        }
    }

    /// Of a day, for so many cores all day long.
    pub(super) fn cost(cores: f64) -> f64 {
        cores * 24.0 * PRICE
    }
}

#[cfg(test)]
mod tests {
    use super::super::service::Work;
    use super::*;

    #[test]
    fn cores_follow_from_rate_core_seconds_and_utilisation() {
        let work = |share, core_seconds, results| Work {
            name: String::new(),
            share,
            alone: 0.0,
            core_seconds,
            results,
            sent: 2.0 * results,
        };
        let works = vec![work(0.75, 0.2, 1000.0), work(0.25, 1.8, 3000.0)];
        let estimate = Estimate::of(&Service { works, peak: 512.0, picture: 1.0 });
        assert!((estimate.core_seconds - 0.6).abs() < 1e-12);
        // 10⁷ a day are 115.74 a second; at 0.6 core-seconds and 60 %, as many cores.
        assert!((estimate.cores - 115.740_74).abs() < 1e-4 && (estimate.cores_at_peak - 347.222_22).abs() < 1e-4);
        assert!((estimate.machines - 22.0).abs() < 1e-12);
        assert!((estimate.results - 1500.0).abs() < 1e-9 && (estimate.sent - 3000.0).abs() < 1e-9);
        assert!((estimate.process - 1.5 * 1024.0 * MIB).abs() < 1e-3);
        assert!((estimate.wait - 4.8).abs() < 1e-9);
        assert!((Estimate::cost(100.0) - 96.0).abs() < 1e-9);
        assert!((estimate.kept - 3600.0).abs() < 1e-9, "10,000 in each of 44 processes are more than an hour's");
    }
}
