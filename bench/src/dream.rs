//! Deep dream, per iteration, beside torch-lucent: one channel of a layer grows in the picture, without pyramid, shifts or
//! smoothing, so that both take the same steps.

use crate::agreement::relative;
use crate::gradient::TOLERANCE;
use crate::measure::{Pair, interleave};
use crate::ours::pixels;
use crate::report::Report;
use crate::sides::Sides;
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// In one run, whose beginning and end are shared out among them.
const ITERATIONS: u32 = 20;
const CHANNEL: u32 = 0;
const STEP: f64 = 0.01;

pub(crate) fn measure(sides: &mut Sides, rounds: usize, report: &mut Report) -> Result<()> {
    let Sides { network, ours, peer, .. } = sides;
    let layer = network.dreaming.context("a network without a layer that dreams")?;
    let dream = |iterations: u32| -> Result<_> {
        let params = json!({
            "layer": layer, "channels": [CHANNEL], "iterations": iterations, "step": STEP, "start": "image",
            "levels": 1, "jitter": 0, "smoothing": 0,
        });
        let request = json!({"op": "deep-dream", "channel": CHANNEL, "iterations": iterations, "step": STEP});
        Ok((ours.spec_of_pixels("deep-dream", params, None)?, request))
    };
    // After the first step pictures drift apart, as ascents do; so what one step has changed is compared.
    let (spec, request) = dream(1)?;
    let (run, ..) = ours.run(spec, |_| ())?;
    let before = pixels()?;
    let changed = |after: &[f32]| after.iter().zip(&before).map(|(after, before)| after - before).collect::<Vec<_>>();
    let found = changed(&ours.engine.artifact(&run, "dream")?.tensor.data);
    let apart = relative(&found, &changed(&peer.answer(request)?))?;
    ensure!(apart <= TOLERANCE, "{}: deep dream: {apart:.1e} apart from torch-lucent", network.title);

    let (spec, request) = dream(ITERATIONS)?;
    let rounds = network.rounds(rounds);
    let pair = interleave(rounds, || Ok(ours.run(spec.clone(), |_| ())?.2), || peer.seconds(&request))?;
    let each =
        |seconds: &[f64]| -> Vec<f64> { seconds.iter().map(|seconds| seconds / f64::from(ITERATIONS)).collect() };
    let pair = Pair { ours: each(&pair.ours), theirs: each(&pair.theirs) };
    report.pair(network, "deep dream, an iteration", "torch-lucent", &pair, apart);
    Ok(())
}
