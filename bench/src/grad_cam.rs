//! Grad-CAM of one picture, end to end, beside pytorch-grad-cam: with the gradient down to the picture, as the package has it
//! where weights have none, and at its best, with the graph begun at the layer.

use crate::agreement::difference;
use crate::measure::interleave;
use crate::report::Report;
use crate::sides::Sides;
use anyhow::{Result, ensure};
use serde_json::json;

/// Of the largest cell: what counts as the same answer.
const TOLERANCE: f64 = 1e-4;

pub(crate) fn measure(sides: &mut Sides, rounds: usize, report: &mut Report) -> Result<()> {
    let Sides { network, ours, peer, .. } = sides;
    let spec = ours.spec_of_pixels("grad-cam", json!({}), Some(peer.target))?;
    let (run, ..) = ours.run(spec.clone(), |_| ())?;
    let found = ours.engine.artifact(&run, "map")?;
    for (from_layer, how) in [(false, "down to the picture"), (true, "down to the layer")] {
        let request = json!({"op": "grad-cam", "from_layer": from_layer});
        let apart = difference(&found.tensor.data, &peer.answer(request.clone())?)?;
        ensure!(apart <= TOLERANCE, "{}: Grad-CAM: {apart:.1e} apart from pytorch-grad-cam", network.title);
        let rounds = 3 * network.rounds(rounds);
        let pair = interleave(rounds, || Ok(ours.run(spec.clone(), |_| ())?.2), || peer.seconds(&request))?;
        report.pair(network, "Grad-CAM", &format!("pytorch-grad-cam, {how}"), &pair, apart);
    }
    Ok(())
}
