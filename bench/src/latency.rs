//! How soon something is seen, and how soon a stop is felt, in units of one model batch.

use crate::measure::median;
use crate::ours::Ours;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};
use whyglass_engine::{Action, CreateOptions, EventKind, RunState, WatchOptions};

pub(crate) fn measure(ours: &Ours, rounds: usize, report: &mut Report) -> Result<()> {
    let (mut first, mut between, mut answered, mut ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let params = json!({"size": 16, "stride": 8});
        let options = CreateOptions { linger: Duration::from_secs(60), ..CreateOptions::default() };
        let run =
            ours.engine.create_runs(vec![ours.spec("occlusion", params, Some(0))], options)?.remove(0).to_string();
        let mut watcher = ours.engine.watch(&run, 0, WatchOptions::default())?;
        let (mut started, mut tiles, mut asked) = (None, Vec::new(), None);
        while let Some(event) = watcher.wait() {
            match &event.kind {
                EventKind::Started(_) => started = Some(Instant::now()),
                EventKind::Tiles(new) if &*new.artifact == "windows" => tiles.push(Instant::now()),
                EventKind::Finished(finished) => {
                    let asked: Instant = asked.context("the sweep ended before it was stopped")?;
                    ensure!(finished.state == RunState::Stopped, "a stop ended in {:?}", finished.state);
                    ended.push(asked.elapsed().as_secs_f64());
                }
                _ => {}
            }
            if tiles.len() == 8 && asked.is_none() {
                // In the middle of the next batch: at its edge a stop costs nothing.
                std::thread::sleep((tiles[7] - tiles[6]) / 2);
                asked = Some(Instant::now());
                ours.engine.control(&run, Action::Stop)?;
                answered.extend(asked.map(|asked| asked.elapsed().as_secs_f64()));
            }
        }
        let started = started.context("the run did not start")?;
        first.push((tiles[0] - started).as_secs_f64());
        between.extend(tiles.windows(2).take(6).map(|pair| (pair[1] - pair[0]).as_secs_f64()));
    }
    let batch = median(&between);
    report.figure("one batch of an occlusion sweep (ms)", batch * 1e3);
    report.figure("first tile after `started` (batches)", median(&first) / batch);
    report.figure("a stop is answered after (ms)", median(&answered) * 1e3);
    report.figure("a stopped run is finished after (batches)", median(&ended) / batch);
    Ok(())
}
