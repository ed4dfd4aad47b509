//! Runs at once: sweeps that one request asks for, from one to as many as it may.

use super::point::{Point, Sample};
use super::settled::settled;
use crate::crowd::crowd;
use crate::measure::spread;
use crate::ours::Ours;
use anyhow::Result;
use serde_json::json;
use std::path::Path;

const COUNTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

pub(crate) fn points(quick: bool) -> Vec<Point> {
    let counts = if quick { &[1, 4, 16] } else { &COUNTS[..] };
    counts.iter().map(|&count| Point::Runs { count }).collect()
}

pub(crate) fn at(plugins: &Path, count: usize) -> Result<Sample> {
    let ours = Ours::start(plugins)?;
    let spec = || ours.spec("occlusion", json!({"size": 45, "stride": 22}), None);
    ours.run(spec(), |_| ())?;
    let mut range = (0.0, 0.0);
    let seconds = settled(|| {
        let together = crowd(&ours, (0..count).map(|_| spec()).collect())?;
        range = spread(&together.running);
        Ok(together.total)
    })?;
    Ok(Sample::new(count, seconds, &[("shortest", range.0), ("longest", range.1)]))
}
