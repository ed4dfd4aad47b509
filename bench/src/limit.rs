//! LIME in the limit: 10,000 samples of ours beside 10,000 of the lime package's, on the same segments. Both converge to the
//! same weights, so they differ by what sampling leaves: by our standard errors, and by as much again of theirs.

use crate::agreement::pearson;
use crate::lime::Segments;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::report::Report;
use anyhow::{Context, Result};
use serde_json::json;

const SAMPLES: u32 = 10_000;

pub(crate) fn measure(ours: &Ours, peer: &mut Peer, report: &mut Report) -> Result<()> {
    let params = json!({"samples": SAMPLES, "settle": false});
    let (run, ..) = ours.run(ours.spec_of_pixels("lime", params, Some(peer.target))?, |_| ())?;
    let weights = ours.engine.artifact(&run, "weights")?;
    let errors = weights.standard_error.as_ref().context("ridge regression has standard errors")?;
    let segments = Segments::of(ours, &run)?;
    let theirs = peer.answer(segments.request(&json!({"samples": SAMPLES, "runtime": "onnxruntime"})))?;
    let exact = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let found = exact(&weights.tensor.data);
    let apart = found.iter().zip(&theirs).zip(errors.data.iter());
    let apart = apart.map(|((ours, theirs), error)| (ours - f64::from(*theirs)).abs() / f64::from(*error));
    report.figure("LIME, 10,000 samples of ours and of lime: Pearson's correlation", pearson(&found, &exact(&theirs)));
    report.figure("… the weight farthest apart, in our standard errors", apart.fold(0.0, f64::max));
    Ok(())
}
