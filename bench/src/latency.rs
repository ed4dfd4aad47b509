//! How soon something is seen, and how soon a stop is felt, in units of one model batch: that of a sweep that evaluates
//! each picture whole, since what an incremental sweep recomputes at once has no fixed size.

use crate::measure::median;
use crate::ours::Ours;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};
use whyglass_engine::{Action, CreateOptions, EventKind, RunState, WatchOptions};

/// Tiles after which a sweep is stopped.
const SEEN: usize = 8;

pub(crate) fn measure(ours: &Ours, rounds: usize, report: &mut Report) -> Result<()> {
    let (mut between, mut first, mut answered, mut ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        between.extend(sweep(ours, false, Duration::ZERO)?.between);
        // In the middle of a batch: at its edge a stop costs nothing.
        let seen = sweep(ours, true, Duration::from_secs_f64(median(&between) / 2.0))?;
        first.push(seen.first);
        answered.push(seen.answered);
        ended.push(seen.ended);
    }
    let batch = median(&between);
    report.figure("one model batch (ms)", batch * 1e3);
    report.figure("first tile after `started` (batches)", median(&first) / batch);
    report.figure("a stop is answered after (ms)", median(&answered) * 1e3);
    report.figure("a stopped run is finished after (batches)", median(&ended) / batch);
    Ok(())
}

/// What was seen of one sweep, in seconds.
struct Seen {
    /// From `started` to the first tile.
    first: f64,
    /// Between the tiles.
    between: Vec<f64>,
    /// From the stop to its answer.
    answered: f64,
    /// From the stop to the end.
    ended: f64,
}

/// Sweeps until [`SEEN`] tiles have come, waits for `pause`, and stops.
fn sweep(ours: &Ours, incremental: bool, pause: Duration) -> Result<Seen> {
    let params = json!({"size": 16, "stride": 8, "incremental": incremental});
    let options = CreateOptions { linger: Duration::from_secs(60), ..CreateOptions::default() };
    let run = ours.engine.create_runs(vec![ours.spec("occlusion", params, Some(0))], options)?.remove(0).to_string();
    let mut watcher = ours.engine.watch(&run, 0, WatchOptions::default())?;
    let (mut started, mut tiles, mut asked, mut answered, mut ended) = (None, Vec::new(), None, 0.0, 0.0);
    while let Some(event) = watcher.wait() {
        match &event.kind {
            EventKind::Started(_) => started = Some(Instant::now()),
            EventKind::Tiles(new) if &*new.artifact == "windows" => tiles.push(Instant::now()),
            EventKind::Finished(finished) => {
                let asked: Instant = asked.context("the sweep ended before it was stopped")?;
                ensure!(finished.state == RunState::Stopped, "a stop ended in {:?}", finished.state);
                ended = asked.elapsed().as_secs_f64();
            }
            _ => {}
        }
        if tiles.len() == SEEN && asked.is_none() {
            std::thread::sleep(pause);
            let now = Instant::now();
            ours.engine.control(&run, Action::Stop)?;
            answered = now.elapsed().as_secs_f64();
            asked = Some(now);
        }
    }
    let started = started.context("the run did not start")?;
    let between = tiles.windows(2).take(SEEN - 2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    Ok(Seen { first: (tiles[0] - started).as_secs_f64(), between, answered, ended })
}
