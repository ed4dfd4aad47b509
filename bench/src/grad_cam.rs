//! Grad-CAM of one picture, end to end, beside pytorch-grad-cam: with the gradient down to the picture, as the package has it
//! where weights have none, and at its best, with the graph begun at the layer.
//!
//! Each of our runs is of a picture that was never seen before: the same but for the last bits of one pixel. What an engine
//! remembers of a picture then helps within a run, and not from one to the next.

use crate::agreement::difference;
use crate::measure::interleave;
use crate::ours::{Ours, pixels};
use crate::report::Report;
use crate::sides::Sides;
use anyhow::{Result, ensure};
use serde_json::json;
use std::path::Path;

/// Of the largest cell: what counts as the same answer.
const TOLERANCE: f64 = 1e-4;

/// `folder` is where the peer has written its networks.
pub(crate) fn measure(
    sides: &mut Sides,
    plugins: &Path,
    folder: &Path,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    let Sides { network, peer, .. } = sides;
    let ours = Ours::remembering(network, plugins, folder)?;
    let (picture, target) = (pixels()?, peer.target);
    let mut seen = 0;
    let mut unseen = || {
        let mut pixels = picture.clone();
        pixels[0] = f32::from_bits(pixels[0].to_bits() + seen);
        seen += 1;
        ours.spec_of(pixels, "grad-cam", json!({}), Some(target))
    };
    let (run, ..) = ours.run(unseen(), |_| ())?;
    let found = ours.engine.artifact(&run, "map")?;
    for (from_layer, how) in [(false, "down to the picture"), (true, "down to the layer")] {
        let request = json!({"op": "grad-cam", "from_layer": from_layer});
        let apart = difference(&found.tensor.data, &peer.answer(request.clone())?)?;
        ensure!(apart <= TOLERANCE, "{}: Grad-CAM: {apart:.1e} apart from pytorch-grad-cam", network.title);
        let rounds = 3 * network.rounds(rounds);
        let pair = interleave(rounds, || Ok(ours.run(unseen(), |_| ())?.2), || peer.seconds(&request))?;
        report.pair(network, "Grad-CAM", &format!("pytorch-grad-cam, {how}"), &pair, apart);
    }
    Ok(())
}
