//! The number of pictures that are classified: `confusion-matrix`.

use super::dataset::{self, Digits};
use super::point::{Point, Sample};
use super::settled::settled;
use anyhow::Result;
use serde_json::json;
use std::path::Path;

const COUNTS: [usize; 4] = [100, 1000, 10_000, 100_000];

/// The most pictures that a curve needs.
pub(crate) fn most(quick: bool) -> usize {
    if quick { COUNTS[2] } else { COUNTS[3] }
}

pub(crate) fn points(digits: &Digits, quick: bool) -> Result<Vec<Point>> {
    let counts = COUNTS.into_iter().filter(|&count| count <= most(quick));
    counts.map(|count| Ok(Point::Confusion { manifest: digits.manifest(count)? })).collect()
}

pub(crate) fn at(plugins: &Path, manifest: &Path) -> Result<Sample> {
    let ours = dataset::engine(plugins)?;
    let spec = || dataset::spec(&ours, "confusion-matrix", json!({}), manifest);
    let seconds = settled(|| Ok(ours.run(spec(), |_| ())?.2))?;
    Ok(Sample::new(dataset::count(manifest)?, seconds, &[]))
}
