//! What a service is asked for: a mix of techniques, and what one explanation by each takes on a machine that is fully loaded:
//! core-seconds, bytes that are sent, bytes of its results.

use super::processor::core_seconds;
use crate::crowd::crowd;
use crate::memory;
use crate::ours::Ours;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use whyglass_engine::EventKind;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) works: Vec<Work>,
    /// Resident memory of the process that did it all, at its peak, in MiB.
    pub(crate) peak: f64,
    /// Bytes of the picture that was asked about.
    pub(crate) picture: f64,
}

/// One technique of the mix.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) name: String,
    /// Of all explanations.
    pub(crate) share: f64,
    /// From the request to the end, of one that runs alone.
    pub(crate) alone: f64,
    /// Processor time of one among many at once.
    pub(crate) core_seconds: f64,
    /// Bytes of all artifacts of a finished run.
    pub(crate) results: f64,
    /// Bytes of all that is shown to who watches it.
    pub(crate) sent: f64,
}

/// A name, a technique, its parameters, its share, and how many of them run together in a whole measurement.
type Part = (&'static str, &'static str, Value, f64, usize);

/// An assumption, stated on the page.
fn mix() -> [Part; 5] {
    [
        ("Grad-CAM", "grad-cam", json!({}), 0.30, 64),
        ("saliency", "saliency", json!({}), 0.30, 64),
        ("occlusion 45/22", "occlusion", json!({"size": 45, "stride": 22}), 0.25, 16),
        ("LIME, 1,000 samples", "lime", json!({"samples": 1000, "settle": false}), 0.10, 4),
        ("integrated gradients, 50 steps", "integrated-gradients", json!({"steps": 50}), 0.05, 8),
    ]
}

pub(crate) fn at(plugins: &Path, quick: bool) -> Result<Service> {
    let ours = Ours::start(plugins)?;
    let works = mix().map(|part| work(&ours, part, quick)).into_iter().collect::<Result<_>>()?;
    Ok(Service { works, peak: memory::peak()?, picture: ours.image().len() as f64 })
}

fn work(ours: &Ours, (name, technique, params, share, runs): Part, quick: bool) -> Result<Work> {
    let spec = || ours.spec(technique, params.clone(), None);
    let mut sent = 0;
    let (_, end, _) = ours.run(spec(), |event| {
        sent += match &event.kind {
            EventKind::Keyframe(frame) => frame.tensor.bytes(),
            EventKind::Tiles(tiles) => tiles.tiles.iter().map(|tile| tile.tensor.bytes()).sum(),
            _ => 0,
        };
    })?;
    let results: u64 = end.artifacts.iter().map(|artifact| artifact.size_bytes).sum();
    let alone = ours.run(spec(), |_| ())?.2;
    let runs = if quick { runs.div_ceil(4) } else { runs };
    // Once for what is compiled for fewer threads.
    crowd(ours, (0..runs.min(4)).map(|_| spec()).collect())?;
    let before = core_seconds()?;
    crowd(ours, (0..runs).map(|_| spec()).collect())?;
    let core_seconds = (core_seconds()? - before) / runs as f64;
    Ok(Work { name: name.into(), share, alone, core_seconds, results: results as f64, sent: sent as f64 })
}
