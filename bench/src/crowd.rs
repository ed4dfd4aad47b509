//! Many runs at once: whether they take longer than in turn, and whether the machine is shared fairly between them.

use crate::measure::median;
use crate::ours::Ours;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use whyglass_engine::{CreateOptions, Cursor, EventKind, RunSpec, RunState, WatchOptions};

/// As many as compute at the same time.
const SLOTS: usize = 8;
/// As many as one request may create.
const MANY: usize = 64;

pub(crate) fn measure(ours: &Ours, rounds: usize, report: &mut Report) -> Result<()> {
    let spec = || ours.spec("occlusion", json!({"size": 45, "stride": 22}), None);
    ours.run(spec(), |_| ())?;
    let (mut ratios, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..SLOTS {
            alone.push(ours.run(spec(), |_| ())?.2);
        }
        let in_turn = start.elapsed().as_secs_f64();
        let together = crowd(ours, vec![spec(); SLOTS])?;
        ratios.push(together.total / in_turn);
    }
    report.figure(&format!("{SLOTS} sweeps at once, of the time in turn"), median(&ratios));

    let together = crowd(ours, vec![spec(); MANY])?;
    let share = median(&alone) * SLOTS as f64;
    let longest = together.running.iter().fold(0.0_f64, |longest, time| longest.max(*time));
    report.figure(
        &format!("{MANY} sweeps at once, of the time in turn"),
        together.total / (median(&alone) * MANY as f64),
    );
    report.figure("… the longest, from its slot on, of its fair share", longest / share);
    Ok(())
}

/// Runs that were created by one request.
pub(crate) struct Together {
    /// Seconds until the last has finished.
    pub(crate) total: f64,
    /// Seconds of each, from its first to its last event that is not of the queue.
    pub(crate) running: Vec<f64>,
}

pub(crate) fn crowd(ours: &Ours, specs: Vec<RunSpec>) -> Result<Together> {
    let count = specs.len();
    let options = CreateOptions { linger: Duration::from_secs(60), ..CreateOptions::default() };
    let start = Instant::now();
    let runs = ours.engine.create_runs(specs, options)?;
    let cursors: Vec<Cursor> = runs.iter().map(|run| Cursor { run: run.to_string(), after_sequence: 0 }).collect();
    let mut watcher = ours.engine.watch_all(&cursors, WatchOptions::default())?;
    let mut started: HashMap<Arc<str>, Duration> = HashMap::new();
    let mut running = Vec::with_capacity(count);
    while let Some(event) = watcher.wait() {
        match &event.kind {
            EventKind::Started(_) => {
                started.insert(Arc::clone(&event.run), event.elapsed);
            }
            EventKind::Finished(finished) => {
                ensure!(
                    finished.state == RunState::Succeeded,
                    "{}: {}",
                    finished.status.reason,
                    finished.status.message
                );
                let since = started.get(&event.run).context("a run finished that had not started")?;
                running.push((event.elapsed - *since).as_secs_f64());
            }
            _ => {}
        }
    }
    ensure!(running.len() == count, "{} of {count} runs have finished", running.len());
    Ok(Together { total: start.elapsed().as_secs_f64(), running })
}
