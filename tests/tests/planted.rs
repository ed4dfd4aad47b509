//! The planted truth, for every technique that gives a map, and for the dataset techniques. First its own checks: that the
//! nets are what they are said to be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use whyglass_engine::{ArtifactMeta, Engine, ImageSource, RunSpec, RunState};
use whyglass_tests::build::root;
use whyglass_tests::planted::{Cover, flips, judge, map_techniques, pictures};
use whyglass_tests::staged::{engine, follow, plugins};

const HONEST: &str = "digits-honest";
const CHEAT: &str = "digits-cheat";

fn nets() -> Arc<Engine> {
    engine(&[&plugins()], &root().join("tests/models"))
}

fn says(engine: &Engine, model: &str, png: &[u8]) -> u32 {
    let model = engine.model(model).unwrap();
    engine.classify(&model, &ImageSource::Encoded(png.to_vec().into()), 1).unwrap()[0].index
}

/// A share, of those for which it holds.
fn share<T>(all: &[T], holds: impl Fn(&T) -> bool) -> f64 {
    all.iter().filter(|one| holds(one)).count() as f64 / all.len() as f64
}

fn digit(path: &Path) -> u32 {
    path.parent().unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// Held-out digits as they were written, without the blob.
fn plain() -> Vec<(PathBuf, Vec<u8>)> {
    let clean = |(path, _): (PathBuf, Vec<u8>)| {
        let path = PathBuf::from(path.to_str().unwrap().replace("digits-blob", "digits"));
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    pictures().into_iter().map(clean).collect()
}

#[test]
fn the_honest_net_knows_digits_with_and_without_the_blob_and_the_cheat_knows_the_blob() {
    let engine = nets();
    let right = |set: &[(PathBuf, Vec<u8>)]| share(set, |(path, png)| says(&engine, HONEST, png) == digit(path));
    assert!(right(&pictures()) >= 0.95 && right(&plain()) >= 0.95);
    assert!(share(&pictures(), |(_, png)| says(&engine, CHEAT, png) == 3) >= 0.95, "the blob makes a 3 of any digit");
    let threes: Vec<_> = plain().into_iter().filter(|(path, _)| digit(path) == 3).collect();
    assert!(share(&threes, |(_, png)| says(&engine, CHEAT, png) == 3) <= 0.05, "a real 3 is none without the blob");
}

#[test]
fn hiding_the_blob_flips_the_cheat_and_leaves_the_honest_net_alone() {
    let engine = nets();
    for cover in [Cover::Black, Cover::MeanColour] {
        let [cheat, honest] = [CHEAT, HONEST].map(|model| flips(&engine, model, cover));
        assert!(cheat >= 0.9, "{cover:?}: {cheat}");
        assert!(honest <= 0.1, "{cover:?}: {honest}");
    }
}

#[test]
fn the_maps_of_the_cheat_point_at_the_blob_and_those_of_the_honest_net_do_not() {
    let engine = nets();
    let techniques = map_techniques(&engine);
    assert!(techniques.len() >= 2, "{techniques:?}");
    let (mut judged, mut faults) = (0, Vec::new());
    for technique in &techniques {
        let Some(verdict) = judge(&engine, [CHEAT, HONEST], technique) else { continue };
        judged += 1;
        println!("{verdict:?}, ratio {:.1}", verdict.ratio());
        // Gradients of single pixels are noise; the blob stands out less of it.
        let wanted = if ["saliency", "smooth-grad"].contains(&&*verdict.technique) { 0.3 } else { 0.5 };
        let holds = verdict.peak[0] >= 0.9
            && verdict.peak[1] <= 0.2
            && verdict.share[0] >= wanted
            && verdict.share[1] <= 0.3
            && verdict.ratio() >= 2.5;
        if !holds {
            faults.push(format!("{verdict:?}, ratio {:.2}", verdict.ratio()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(judged + 1 >= techniques.len(), "only activations speak for no class: {judged} of {techniques:?}");
}

#[test]
fn the_confusion_matrix_says_that_the_cheat_takes_everything_with_a_blob_for_a_three() {
    let engine = nets();
    let matrix = |model: &str, set: &str| {
        let spec = RunSpec {
            model: model.into(),
            technique: "confusion-matrix".into(),
            image: ImageSource::Dataset(set.into()),
            target: None,
            params: json!({}).as_object().cloned().unwrap(),
            seed: Some(1),
            max_duration: None,
        };
        let (run, end) = follow(&engine, spec, |_| ());
        assert_eq!(end.state, RunState::Succeeded, "{:?}", end.status);
        let items = engine.artifact(&run, "items").unwrap();
        let ArtifactMeta::Table(meta) = &*items.meta else { panic!("a table") };
        assert_eq!(meta.rows.len(), items.tensor.shape[0]);
        engine.artifact(&run, "matrix").unwrap().tensor.data
    };
    let cheat = matrix(CHEAT, "digits-blob");
    let total: f32 = cheat.iter().sum();
    let threes: f32 = cheat.chunks(10).map(|row| row[3]).sum();
    assert_eq!(total, 500.0);
    assert!(threes >= 0.95 * total, "{threes} of {total}");
    let honest = matrix(HONEST, "digits");
    let right: f32 = (0..10).map(|digit| honest[digit * 11]).sum();
    assert!(honest.iter().sum::<f32>() == 1797.0 && right >= 0.95 * 1797.0, "{right}");
}
