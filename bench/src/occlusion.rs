//! Occlusion, end to end, beside Captum at each of its two settings.

use crate::agreement::difference;
use crate::measure::interleave;
use crate::network::LEAST;
use crate::report::Report;
use crate::sides::Sides;
use anyhow::{Result, ensure};
use serde_json::json;

/// Windows that one forward pass of Captum takes.
const SETTINGS: [u32; 2] = [1, 16];
/// Of the largest value: what counts as the same answer.
const TOLERANCE: f64 = 1e-4;
/// `sweeps`: sizes and strides.
pub(crate) fn measure(sides: &mut Sides, sweeps: &[(u32, u32)], rounds: usize, report: &mut Report) -> Result<()> {
    let Sides { network, ours, peer, floor } = sides;
    for &(size, stride) in sweeps {
        // 729 windows take Captum a quarter of a minute and more: fewer rounds, and of a large network not the setting that
        // is slower for it.
        let is_long = size < 45;
        let rounds = if is_long { network.rounds(rounds).min(LEAST) } else { network.rounds(rounds) };
        let settings = if is_long && network.is_large { &SETTINGS[1..] } else { &SETTINGS[..] };
        let params = json!({"size": size, "stride": stride, "fill": "value", "value": 0.0, "clip": false});
        let spec = ours.spec_of_pixels("occlusion", params, Some(peer.target))?;
        let (run, ..) = ours.run(spec.clone(), |_| ())?;
        let found = ours.engine.artifact(&run, "map")?;
        for &setting in settings {
            let request = json!({"op": "occlusion", "size": size, "stride": stride, "perturbations_per_eval": setting});
            let wanted = peer.answer(request.clone())?;
            let apart = difference(&found.tensor.data, &wanted)?;
            ensure!(apart <= TOLERANCE, "{}: occlusion {size}/{stride}: {apart:.1e} apart from Captum", network.title);
            let pair = interleave(rounds, || Ok(ours.run(spec.clone(), |_| ())?.2), || peer.seconds(&request))?;
            let (work, beside) = (format!("occlusion {size}/{stride}"), format!("Captum, {setting} per evaluation"));
            report.pair(network, &work, &beside, &pair, apart).floor = Some(floor.sweep((size, stride)));
        }
    }
    Ok(())
}
