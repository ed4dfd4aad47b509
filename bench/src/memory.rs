//! Resident memory over many explanations in a row: flat after the first hundred.

use crate::ours::Ours;
use crate::report::Report;
use anyhow::{Context, Result};
use serde_json::json;

/// How often it is looked at.
const EVERY: usize = 100;

pub(crate) fn measure(ours: &Ours, runs: usize, report: &mut Report) -> Result<()> {
    let (mut first, mut last) = (0.0, 0.0);
    for index in 0..runs {
        // Nine cheap gradients and a short sweep, so that both verbs and both kinds of events are exercised.
        let spec = if index % 10 == 9 {
            ours.spec("occlusion", json!({"size": 90, "stride": 60}), None)
        } else {
            ours.spec("grad-cam", json!({}), None)
        };
        ours.run(spec, |_| ())?;
        if (index + 1) % EVERY == 0 {
            last = resident()?;
            if index + 1 == EVERY {
                first = last;
            }
            eprintln!("{} explanations: {last:.1} MiB", index + 1);
        }
    }
    report.figure(&format!("resident memory after {EVERY} explanations (MiB)"), first);
    report.figure(&format!("resident memory after {runs} explanations (MiB)"), last);
    report.figure("growth (%)", (last / first - 1.0) * 100.0);
    Ok(())
}

/// Of this process, in MiB.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("no /proc here")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS here")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
