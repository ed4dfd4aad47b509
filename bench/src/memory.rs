//! Resident memory and time over many explanations in a row: flat after the first hundred.

use crate::ours::Ours;
use crate::report::Report;
use anyhow::{Context, Result};
use serde_json::json;
use whyglass_engine::RunSpec;

/// How often it is looked at.
const EVERY: usize = 100;

pub(crate) fn measure(ours: &Ours, runs: usize, report: &mut Report) -> Result<()> {
    // Nine cheap gradients and a short sweep, so that both verbs and both kinds of events are exercised.
    in_a_row(
        runs,
        report,
        |index| match index % 10 {
            9 => ours.spec("occlusion", json!({"size": 90, "stride": 60}), None),
            _ => ours.spec("grad-cam", json!({}), None),
        },
        ours,
    )
}

/// The same with many techniques in turn, and whether the last take as long as the first.
pub(crate) fn mixed(ours: &Ours, runs: usize, report: &mut Report) -> Result<()> {
    let mix = [
        ("grad-cam", json!({})),
        ("saliency", json!({})),
        ("occlusion", json!({"size": 90, "stride": 60})),
        ("guided-backprop", json!({})),
        ("integrated-gradients", json!({"steps": 4})),
        ("smooth-grad", json!({"samples": 4})),
        ("lime", json!({"samples": 60, "segments": 16})),
        ("activations", json!({})),
        ("deep-dream", json!({"iterations": 2, "levels": 1})),
        ("input-x-gradient", json!({})),
    ];
    in_a_row(
        runs,
        report,
        |index| {
            let (technique, params) = &mix[index % mix.len()];
            ours.spec(technique, params.clone(), None)
        },
        ours,
    )
}

fn in_a_row(runs: usize, report: &mut Report, spec: impl Fn(usize) -> RunSpec, ours: &Ours) -> Result<()> {
    let (mut first, mut last) = ((0.0, 0.0), (0.0, 0.0));
    let mut seconds = 0.0;
    for index in 0..runs {
        seconds += ours.run(spec(index), |_| ())?.2;
        if (index + 1) % EVERY == 0 {
            last = (resident()?, seconds);
            // What is compiled for the first time is not counted.
            if index + 1 == EVERY {
                first.0 = last.0;
            } else if index + 1 == 2 * EVERY {
                first.1 = seconds;
            }
            eprintln!("{} explanations: {:.1} MiB, the last {EVERY} in {seconds:.2} s", index + 1, last.0);
            seconds = 0.0;
        }
    }
    report.figure(&format!("resident memory after {EVERY} explanations (MiB)"), first.0);
    report.figure(&format!("resident memory after {runs} explanations (MiB)"), last.0);
    report.figure("growth (%)", (last.0 / first.0 - 1.0) * 100.0);
    report.figure(&format!("the last {EVERY} took, of the second {EVERY}"), last.1 / first.1);
    Ok(())
}

/// Of this process, in MiB.
fn resident() -> Result<f64> {
    status("VmRSS:")
}

/// The most that was ever resident in this process, in MiB.
pub(crate) fn peak() -> Result<f64> {
    status("VmHWM:")
}

fn status(field: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("no /proc here")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field} here"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
