//! The number of points of a map: `tsne`, which looks at pairs.

use super::dataset::{self, Digits};
use super::point::{Point, Sample};
use super::settled::settled;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use whyglass_engine::EventKind;

const COUNTS: [usize; 6] = [100, 316, 1000, 3162, 10_000, 100_000];
/// Iterations of a map.
const WHOLE: u32 = 1000;
/// Above so many points a whole map takes minutes: a few iterations are timed, and the rest reckoned from them.
const MANY: usize = 10_000;
const FEW: u32 = 40;

pub(crate) fn points(digits: &Digits, quick: bool) -> Result<Vec<Point>> {
    let counts = if quick { &COUNTS[..3] } else { &COUNTS[..] };
    counts.iter().map(|&count| Ok(Point::Tsne { manifest: digits.manifest(count)? })).collect()
}

pub(crate) fn at(plugins: &Path, manifest: &Path) -> Result<Sample> {
    let ours = dataset::engine(plugins)?;
    let count = dataset::count(manifest)?;
    let iterations = if count > MANY { FEW } else { WHOLE };
    let params = json!({"iterations": iterations, "every": 10});
    let (mut iteration, mut before) = (0.0, 0.0);
    let seconds = settled(|| {
        // Iterations that were behind, and when.
        let mut seen: Vec<(f64, f64)> = Vec::new();
        let spec = dataset::spec(&ours, "tsne", params.clone(), manifest);
        let (_, _, seconds) = ours.run(spec, |event| match &event.kind {
            EventKind::Progress(progress) if progress.stage == "descent" => {
                seen.push((progress.done as f64, event.elapsed.as_secs_f64()));
            }
            _ => {}
        })?;
        let (first, last) = seen.first().zip(seen.last()).context("a map without a descent")?;
        // Of few points all iterations may be over before a second one is shown.
        let between = last.0 - first.0;
        iteration = if between > 0.0 { (last.1 - first.1) / between } else { seconds / f64::from(iterations) };
        before = (first.1 - iteration * first.0).max(0.0);
        Ok(seconds + iteration * f64::from(WHOLE - iterations))
    })?;
    let more = [("iteration", iteration), ("before", before), ("iterations", f64::from(iterations))];
    Ok(Sample::new(count, seconds, &more))
}
