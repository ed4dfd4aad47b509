//! Occlusion of EfficientNet-Lite0, end to end, beside Captum at each of its two settings.

use crate::measure::interleave;
use crate::ours::{Ours, difference};
use crate::peer::Peer;
use crate::report::Report;
use anyhow::{Result, ensure};
use serde_json::json;

/// Windows that one forward pass of Captum takes.
const SETTINGS: [u32; 2] = [1, 16];
/// Of the largest value: what counts as the same answer.
const TOLERANCE: f64 = 1e-4;

pub(crate) fn measure(ours: &Ours, peer: &mut Peer, rounds: usize, quick: bool, report: &mut Report) -> Result<()> {
    for (size, stride) in [(45, 22), (16, 8)] {
        // 729 windows take Captum a quarter of a minute: fewer rounds, and the faster setting is known by then.
        let rounds = if size == 16 { 5 } else { rounds };
        let params = json!({"size": size, "stride": stride, "fill": "value", "value": 0.0, "clip": false});
        let spec = ours.spec_of_pixels("occlusion", params, Some(peer.target))?;
        let (run, ..) = ours.run(spec.clone(), |_| ())?;
        let found = ours.engine.artifact(&run, "map")?;
        // The slower setting of the long sweep takes half of all the time: a quick run leaves it out.
        let settings = if quick && size == 16 { &SETTINGS[1..] } else { &SETTINGS[..] };
        for &setting in settings {
            let request = json!({"op": "occlusion", "size": size, "stride": stride, "perturbations_per_eval": setting});
            let wanted = peer.answer(request.clone())?;
            let apart = difference(&found.tensor.data, &wanted)?;
            ensure!(apart <= TOLERANCE, "occlusion {size}/{stride}: {apart:.1e} apart from Captum");
            let pair = interleave(rounds, || Ok(ours.run(spec.clone(), |_| ())?.2), || peer.seconds(&request))?;
            report.pair(
                &format!("occlusion {size}/{stride}"),
                &format!("Captum, {setting} per evaluation"),
                &pair,
                apart,
            );
        }
    }
    Ok(())
}
