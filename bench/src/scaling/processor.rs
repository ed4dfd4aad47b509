//! How long processors have worked for this process, which other processes and waiting do not lengthen.

use anyhow::{Context, Result};

/// Of a second, on Linux, for every program.
const TICKS: f64 = 100.0;

/// Core-seconds of all threads so far, those that have ended too.
pub(crate) fn core_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("no /proc here")?;
    // The name of the program, in brackets, may hold anything; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat without a name")?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = times.next().zip(times.next()).context("/proc/self/stat is short")?;
    Ok((user? + system?) / TICKS)
}
