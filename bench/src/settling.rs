//! LIME's stop rule: whether what it stops at agrees with an independent run of 10,000 samples, and how many samples plain
//! sampling (the lime package's, on the same segments) needs to agree as well.

use crate::agreement::{shared, spearman};
use crate::lime::Segments;
use crate::measure::median;
use crate::ours::{Ours, SIDE};
use crate::peer::Peer;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use whyglass_engine::EventKind;
use whyglass_imaging::{Filter, Fit, FitPolicy, Limits, decode, fit, write_npy};

/// Of the run that all are compared with.
const REFERENCE: u32 = 10_000;
/// How many of the strongest segments are compared.
const STRONGEST: usize = 10;
/// What agreement means, in the median over the pictures.
const SHARED: f64 = 8.0;
const ALIKE: f64 = 0.95;
/// Numbers of samples at which plain sampling is looked at.
const LOOKS: [u32; 40] = {
    let mut looks = [0; 40];
    let mut look = 0;
    while look < looks.len() {
        looks[look] = 100 * (look as u32 + 1) + 1;
        look += 1;
    }
    looks
};

pub(crate) fn measure(ours: &Ours, peer: &mut Peer, places: &[PathBuf], report: &mut Report) -> Result<()> {
    let pictures = pictures(places)?;
    ensure!(!pictures.is_empty(), "no pictures in {places:?}: name some with --pictures");
    let (mut settled, mut plain) = (Vec::new(), vec![Vec::new(); LOOKS.len()]);
    let mut samples = Vec::new();
    for path in &pictures {
        let pixels = pixels(path)?;
        let spec = |params| ours.spec_of(pixels.clone(), "lime", params, None);
        let reference = spec(json!({"samples": REFERENCE, "settle": false}));
        let (run, ..) = ours.run(whyglass_engine::RunSpec { seed: Some(2), ..reference }, |_| ())?;
        let wanted = ours.engine.artifact(&run, "weights")?.tensor.data;
        let (mut used, mut target) = (0.0, 0);
        let (run, ..) = ours.run(spec(json!({"samples": REFERENCE})), |event| match &event.kind {
            EventKind::Started(started) => target = started.resolved.target.as_ref().map_or(0, |target| target.0),
            EventKind::Metrics(metrics) => used = metrics.get("samples").copied().unwrap_or(used),
            _ => {}
        })?;
        let agreement = Agreement::of(&ours.engine.artifact(&run, "weights")?.tensor.data, &wanted);
        eprintln!("{}: {used} samples, {agreement:?}", path.display());
        samples.push(used);
        settled.push(agreement);

        let segments = Segments::of(ours, &run)?;
        let file = std::env::temp_dir().join(format!("whyglass-bench-picture-{}.npy", std::process::id()));
        std::fs::write(&file, write_npy(&[3, SIDE, SIDE], &pixels))?;
        let more = json!({"pixels": file, "target": target, "counts": &LOOKS[..], "runtime": "onnxruntime"});
        let answer = peer.answer(segments.request(&more));
        std::fs::remove_file(&file)?;
        for (found, weights) in plain.iter_mut().zip(answer?.chunks_exact(wanted.len())) {
            found.push(Agreement::of(weights, &wanted));
        }
    }
    let (shared, alike) = Agreement::medians(&settled);
    let used = median(&samples);
    let needs = |shared: f64, alike: f64| {
        let enough = |found: &&Vec<Agreement>| {
            let medians = Agreement::medians(found);
            medians.0 >= shared && medians.1 >= alike
        };
        plain.iter().zip(LOOKS).find(|(found, _)| enough(found)).map_or(f64::INFINITY, |(_, look)| f64::from(look))
    };
    report.figure(&format!("LIME stops after so many samples (median of {} pictures)", pictures.len()), used);
    report.figure("… of the 10 strongest segments shared with 10,000 samples (median)", shared);
    report.figure("… rank correlation with 10,000 samples (median)", alike);
    report.figure("plain sampling needs for 8 of 10 and 0.95", needs(SHARED, ALIKE));
    report.figure("… times as many", needs(SHARED, ALIKE) / used);
    report.figure("plain sampling needs for the same rank correlation", needs(0.0, alike));
    Ok(())
}

/// How well weights agree with the reference's.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    shared: usize,
    alike: f64,
}

impl Agreement {
    fn of(weights: &[f32], wanted: &[f32]) -> Self {
        Self { shared: shared(weights, wanted, STRONGEST), alike: spearman(weights, wanted) }
    }

    fn medians(of: &[Self]) -> (f64, f64) {
        let all = |value: &dyn Fn(&Self) -> f64| median(&of.iter().map(value).collect::<Vec<_>>());
        (all(&|one| one.shared as f64), all(&|one| one.alike))
    }
}

/// The pictures in files and folders, by name.
fn pictures(places: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for place in places {
        if !place.is_dir() {
            found.push(place.clone());
            continue;
        }
        let mut inside = std::fs::read_dir(place)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "png" || extension == "jpg"));
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}

/// As the model sees it.
fn pixels(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let side = u32::try_from(SIDE)?;
    let policy = Fit::new(FitPolicy::ShortSideCentreCrop(256), Filter::Bicubic, side, side)?;
    Ok(fit(&decode(&bytes, &Limits::default())?, &policy).0.data)
}
