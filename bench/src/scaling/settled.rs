//! How often something is timed that may take a millisecond or a minute.

use crate::measure::median;
use anyhow::Result;

/// Seconds of timing that are enough for what is short, and above which not even three times are asked for.
const ENOUGH: (f64, f64) = (1.5, 6.0);
const MOST: usize = 25;
const LEAST: usize = 3;
/// What takes longer is timed the first time: compiling is a small part of it.
const LONG: f64 = 10.0;

/// The median of what `work` says that it took, once it has compiled what it needs.
pub(crate) fn settled(mut work: impl FnMut() -> Result<f64>) -> Result<f64> {
    let first = work()?;
    if first > LONG {
        return Ok(first);
    }
    let (mut times, mut total) = (Vec::new(), 0.0);
    while times.len() < MOST && total < ENOUGH.1 && (times.len() < LEAST || total < ENOUGH.0) {
        times.push(work()?);
        total += times[times.len() - 1];
    }
    Ok(median(&times))
}
