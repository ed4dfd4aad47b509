//! LIME with 1,000 samples on the same segments, beside the lime package: with the PyTorch model as people run it and at
//! its best, and with a session of ONNX Runtime.

use crate::agreement::spearman;
use crate::measure::interleave;
use crate::network::LITE0;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::report::Report;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SAMPLES: u32 = 1000;
/// The model's mean colour, which hides a segment.
pub(crate) const GREY: f64 = 127.0 / 255.0;
/// Both sides draw 1,000 masks of their own: ranks of small weights differ.
const ALIKE: f64 = 0.8;

pub(crate) fn measure(ours: &Ours, tuned: &mut Peer, python: &Path, rounds: usize, report: &mut Report) -> Result<()> {
    let params = json!({"samples": SAMPLES, "settle": false});
    let spec = ours.spec_of_pixels("lime", params, Some(tuned.target))?;
    let (run, ..) = ours.run(spec.clone(), |_| ())?;
    let weights = ours.engine.artifact(&run, "weights")?.tensor.data;
    let segments = Segments::of(ours, &run)?;
    let mut plain = Peer::start_plain(python)?;
    for (beside, runtime, is_tuned) in [
        ("lime, PyTorch as people run it", "torch", false),
        ("lime, PyTorch at its best", "torch", true),
        ("lime, ONNX Runtime", "onnxruntime", true),
    ] {
        let peer = if is_tuned { &mut *tuned } else { &mut plain };
        let request = segments.request(&json!({"samples": SAMPLES, "runtime": runtime}));
        let alike = spearman(&weights, &peer.answer(request.clone())?);
        ensure!(alike >= ALIKE, "lime: ranks correlate at {alike:.2} with those of {beside}");
        let pair = interleave(rounds, || Ok(ours.run(spec.clone(), |_| ())?.2), || peer.seconds(&request))?;
        report.pair(&LITE0, &format!("LIME, {SAMPLES} samples"), beside, &pair, 1.0 - alike);
    }
    Ok(())
}

/// The segments of a run, in a file that the peer can read; removed when dropped.
pub(crate) struct Segments {
    path: PathBuf,
}

impl Segments {
    pub(crate) fn of(ours: &Ours, run: &str) -> Result<Self> {
        let tensor = ours.engine.artifact(run, "segments")?.tensor;
        let path = std::env::temp_dir().join(format!("whyglass-bench-segments-{}.npy", std::process::id()));
        std::fs::write(&path, whyglass_imaging::write_npy(&tensor.shape, &tensor.data))?;
        Ok(Self { path })
    }

    /// A request for the lime package, with `more` beside what never changes.
    pub(crate) fn request(&self, more: &Value) -> Value {
        let mut request = json!({"op": "lime", "segments": self.path, "grey": GREY});
        for (name, value) in more.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        request
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        // A file that is gone already is no loss.
        drop(std::fs::remove_file(&self.path));
    }
}
