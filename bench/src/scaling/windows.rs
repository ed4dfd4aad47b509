//! The number of windows: occlusion at one size, ever closer.

use super::point::{Point, Sample};
use super::settled::settled;
use crate::ours::Ours;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use whyglass_engine::EventKind;

/// Pixels a side.
pub(crate) const SIZE: u32 = 45;
/// From windows side by side (a technique leaves no gaps) to 3,721 of them.
const STRIDES: [u32; 7] = [45, 30, 22, 12, 7, 5, 3];

pub(crate) fn points(quick: bool) -> Vec<Point> {
    let strides = if quick { &[45, 22, 7] } else { &STRIDES[..] };
    strides.iter().map(|&stride| Point::Windows { stride }).collect()
}

pub(crate) fn at(plugins: &Path, stride: u32) -> Result<Sample> {
    let ours = Ours::start(plugins)?;
    let (mut windows, mut first) = (0, Vec::new());
    let seconds = settled(|| {
        let mut seen = None;
        let spec = ours.spec("occlusion", json!({"size": SIZE, "stride": stride}), None);
        let (_, end, seconds) = ours.run(spec, |event| {
            if seen.is_none() && matches!(event.kind, EventKind::Tiles(_)) {
                seen = Some(event.elapsed.as_secs_f64());
            }
        })?;
        let raw = end.artifacts.iter().find(|artifact| &*artifact.id == "windows").context("no windows")?;
        windows = raw.shape.iter().product();
        first.push(seen.unwrap_or(seconds));
        Ok(seconds)
    })?;
    // The first one compiles.
    let first = crate::measure::median(&first[1.min(first.len() - 1)..]);
    Ok(Sample::new(windows, seconds, &[("stride", f64::from(stride)), ("first", first)]))
}
