//! Integrated gradients and SmoothGrad, end to end, beside Captum with as many gradients at once as suit it best.

use crate::agreement::{pearson, relative};
use crate::gradient::TOLERANCE;
use crate::measure::interleave;
use crate::ours::{SIDE, pixels};
use crate::peer::Peer;
use crate::report::Report;
use crate::sides::Sides;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use whyglass_engine::RunSpec;
use whyglass_imaging::write_npy;
use whyglass_sdk::rng::Rng;

const GRADIENTS: usize = 50;
/// Gradients at once from which Captum's best is chosen, by the shortest of all tries.
const AT_ONCE: [u32; 3] = [1, 5, 10];
/// Of SmoothGrad's noise, in the picture's range.
const NOISE: f64 = 0.15;
/// How much less alike than two runs of ours, of two seeds, one of ours and one of Captum's may be: correlation.
const LESS_ALIKE: f64 = 0.05;

pub(crate) fn integrated_gradients(sides: &mut Sides, rounds: usize, report: &mut Report) -> Result<()> {
    let params = json!({"steps": GRADIENTS, "baseline": "black", "rule": "gauss-legendre", "reduce": "sum"});
    let spec = sides.ours.spec_of_pixels("integrated-gradients", params, Some(sides.peer.target))?;
    let found = map(sides, &spec)?;
    let request = json!({"op": "integrated-gradients", "steps": GRADIENTS});
    let request = best(sides, request)?;
    let wanted = channels(&sides.peer.answer(request.clone())?).map(|colours| colours.iter().sum()).collect::<Vec<_>>();
    let apart = relative(&found, &wanted)?;
    ensure!(apart <= TOLERANCE, "{}: integrated gradients: {apart:.1e} apart from Captum", sides.network.title);
    measure(sides, &format!("integrated gradients, {GRADIENTS} steps"), &spec, &request, apart, rounds, report)
}

/// Both sides draw noise of their own, of which much is left in the mean of 50 gradients. So our answer is compared with the
/// mean of PyTorch's gradients at the very pictures that ours are taken at; and Captum's is to be as much like ours as ours is
/// when it is drawn anew.
pub(crate) fn smooth_grad(sides: &mut Sides, rounds: usize, report: &mut Report) -> Result<()> {
    let params = json!({"samples": GRADIENTS, "noise": NOISE, "kind": "mean", "reduce": "abs-max"});
    let spec = sides.ours.spec_of_pixels("smooth-grad", params, Some(sides.peer.target))?;
    let found = map(sides, &spec)?;
    let picture = pixels()?;
    let (low, high) = picture.iter().fold((f32::INFINITY, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
    let deviation = (NOISE * f64::from(high - low)) as f32;
    let samples = noisy(&picture, deviation, spec.seed.context("the seed is given")?);
    let apart = relative(&found, &largest(&mean_gradient(&mut sides.peer, &samples)?))?;
    let title = sides.network.title;
    ensure!(apart <= TOLERANCE, "{title}: SmoothGrad: {apart:.1e} apart from PyTorch's at the same noise");
    let request = json!({"op": "smooth-grad", "samples": GRADIENTS, "deviation": deviation, "seed": 1});
    let request = best(sides, request)?;
    let exact = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let alike = |other: &[f32]| pearson(&exact(&found), &exact(other));
    let ours = alike(&map(sides, &RunSpec { seed: Some(2), ..spec.clone() })?);
    let theirs = alike(&largest(&sides.peer.answer(request.clone())?));
    eprintln!(
        "{title}: SmoothGrad correlates at {ours:.3} with itself under another seed, at {theirs:.3} with Captum's"
    );
    ensure!(
        theirs >= ours - LESS_ALIKE,
        "{title}: SmoothGrad correlates at {theirs:.2} with Captum's, at {ours:.2} with itself"
    );
    measure(sides, &format!("SmoothGrad, {GRADIENTS} samples"), &spec, &request, apart, rounds, report)
}

fn measure(
    sides: &mut Sides,
    work: &str,
    spec: &RunSpec,
    request: &Value,
    apart: f64,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    let Sides { network, ours, peer, floor } = sides;
    let pair = interleave(network.rounds(rounds), || Ok(ours.run(spec.clone(), |_| ())?.2), || peer.seconds(request))?;
    let row = report.pair(network, work, &format!("Captum, {} at once", request["at_once"]), &pair, apart);
    row.floor = Some(floor.gradients(GRADIENTS));
    Ok(())
}

fn map(sides: &Sides, spec: &RunSpec) -> Result<Vec<f32>> {
    let (run, ..) = sides.ours.run(spec.clone(), |_| ())?;
    Ok(sides.ours.engine.artifact(&run, "map")?.tensor.data.to_vec())
}

/// `request` with as many gradients at once as the peer is fastest with.
fn best(sides: &mut Sides, mut request: Value) -> Result<Value> {
    let mut shortest = (f64::INFINITY, 0);
    // What takes seconds scatters less, and has its price.
    for _ in 0..if sides.network.is_large { 1 } else { 3 } {
        for at_once in AT_ONCE {
            request["at_once"] = json!(at_once);
            let seconds = sides.peer.seconds(&request)?;
            if seconds < shortest.0 {
                shortest = (seconds, at_once);
            }
        }
    }
    request["at_once"] = json!(shortest.1);
    eprintln!("{}: the peer is fastest with {} at once", request["op"], shortest.1);
    Ok(request)
}

/// The samples of the technique: the picture with the noise that it draws for each.
fn noisy(picture: &[f32], deviation: f32, seed: u64) -> Vec<f32> {
    let mut samples = vec![0.0; GRADIENTS * picture.len()];
    for (index, row) in samples.chunks_exact_mut(picture.len()).enumerate() {
        Rng::new(seed, index as u64).fill_normal(row);
        row.iter_mut().zip(picture).for_each(|(pixel, original)| *pixel = original + deviation * *pixel);
    }
    samples
}

fn mean_gradient(peer: &mut Peer, samples: &[f32]) -> Result<Vec<f32>> {
    let file = tempfile::Builder::new().prefix("whyglass-bench-").suffix(".npy").tempfile()?;
    std::fs::write(file.path(), write_npy(&[GRADIENTS, 3, SIDE, SIDE], samples))?;
    peer.answer(json!({"op": "mean-gradient", "pictures": file.path()}))
}

/// The largest absolute value of the three channels.
fn largest(attribution: &[f32]) -> Vec<f32> {
    channels(attribution).map(|colours| colours.into_iter().fold(0.0, |most, v| v.abs().max(most))).collect()
}

/// The three values of each pixel of a 3×H×W attribution.
fn channels(attribution: &[f32]) -> impl Iterator<Item = [f32; 3]> {
    let cells = attribution.len() / 3;
    (0..cells).map(move |cell| [0, 1, 2].map(|channel| attribution[channel * cells + cell]))
}
