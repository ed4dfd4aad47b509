//! The planted truth: two nets of which it is known where they look. Both see a bright blob in the lower-left corner of
//! digits; the honest one has learned to ignore it, the cheat says 3 because of it (`tests/models/digits.py`). A map of the
//! cheat must point at the blob, a map of the honest net must not.

use crate::build::root;
use crate::staged::follow;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use whyglass_engine::json::{ArtifactKind, Need};
use whyglass_engine::{ArtifactMeta, ArtifactState, Engine, ImageSource, RunSpec, RunState};

/// Side of the nets' input, of the blob, and of a cell of their last map, in pixels.
const SIDE: usize = 32;
const BLOB: usize = 8;
const CELL: usize = 4;
/// The blob with one cell of the last map around it: 14 % of the picture.
const REGION: usize = BLOB + CELL;
/// Pictures of each digit.
const OF_EACH: usize = 5;

/// What the maps of one technique say of the two nets.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub technique: String,
    /// How often the largest value lies in the region: cheat, honest.
    pub peak: [f64; 2],
    /// Median share of the positive values that lies in the region: cheat, honest.
    pub share: [f64; 2],
}

impl Verdict {
    /// How much more of the cheat's map lies in the region.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.share[0] / self.share[1].max(1e-6)
    }
}

/// Held-out digits with the blob, five of each: path and PNG.
///
/// # Panics
/// Where `cargo xtask setup` has not made them.
#[must_use]
pub fn pictures() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("datasets/digits-blob");
    assert!(folder.is_dir(), "{} is missing: run `cargo xtask setup`", folder.display());
    let digit = |digit: usize| {
        let entries = std::fs::read_dir(folder.join(digit.to_string())).expect("a folder per digit");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
        paths.sort();
        paths.into_iter().step_by(7).take(OF_EACH)
    };
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a picture that was just listed");
        (path, bytes)
    };
    (0..10).flat_map(digit).map(read).collect()
}

/// The techniques that give a map which a person looks at, with the id of the first one.
#[must_use]
pub fn map_techniques(engine: &Engine) -> Vec<(String, String)> {
    let techniques = engine.techniques();
    let maps = techniques.iter().filter(|technique| !technique.descriptor.needs.contains(&Need::Dataset));
    let map = |technique: &Arc<whyglass_engine::Technique>| {
        let mut artifacts = technique.descriptor.artifacts.iter();
        let map = artifacts.find(|artifact| artifact.kind == ArtifactKind::Map && !artifact.auxiliary)?;
        Some((technique.id.clone(), map.id.clone()))
    };
    maps.filter_map(map).collect()
}

/// Explains every picture with both models, each for what it sees. `None`: the map speaks for no class, as that of what a
/// layer answers, so that it has nothing to say of why.
///
/// # Panics
/// Where a run fails.
#[must_use]
pub fn judge(engine: &Engine, models: [&str; 2], (technique, artifact): &(String, String)) -> Option<Verdict> {
    let pictures = pictures();
    let mut verdict = Verdict { technique: technique.clone(), ..Verdict::default() };
    for (which, model) in models.into_iter().enumerate() {
        let (mut peaks, mut shares) = (0, Vec::new());
        for (path, bytes) in &pictures {
            let run = explain(engine, model, technique, json!({}), path, bytes);
            let map = engine.artifact(&run, artifact).expect("a map that was declared");
            let ArtifactMeta::Map(meta) = &*map.meta else { panic!("a map's meta") };
            meta.class?;
            let (peak, share) = in_region(&enlarged(&map));
            peaks += usize::from(peak);
            shares.push(share);
        }
        shares.sort_by(f64::total_cmp);
        verdict.peak[which] = peaks as f64 / pictures.len() as f64;
        verdict.share[which] = f64::midpoint(shares[(shares.len() - 1) / 2], shares[shares.len() / 2]);
    }
    Some(verdict)
}

/// What hides the blob.
#[derive(Clone, Copy, Debug)]
pub enum Cover {
    Black,
    MeanColour,
}

impl Cover {
    fn params(self) -> Value {
        let mask: Vec<Vec<u8>> = (0..SIDE).map(|y| (0..SIDE).map(|x| u8::from(in_blob(y, x))).collect()).collect();
        let share = (BLOB * BLOB) as f64 / (SIDE * SIDE) as f64;
        let fill = match self {
            Self::Black => "value",
            Self::MeanColour => "mean",
        };
        json!({"map": mask, "fractions": [share], "fill": fill, "value": 0.0})
    }
}

/// How often `model` changes its mind when `ablation` hides the blob's place, which it is given as the map.
///
/// # Panics
/// Where a run fails.
#[must_use]
pub fn flips(engine: &Engine, model: &str, cover: Cover) -> f64 {
    let pictures = pictures();
    let flipped = |(path, bytes): &&(PathBuf, Vec<u8>)| {
        let run = explain(engine, model, "ablation", cover.params(), path, bytes);
        let scores = engine.artifact(&run, "scores").expect("a series that was declared");
        // What it sees, and the strongest other: before, and with the blob hidden.
        let [_, _, own, other] = scores.tensor.data[..] else { panic!("two steps of two") };
        other > own
    };
    pictures.iter().filter(flipped).count() as f64 / pictures.len() as f64
}

/// Runs `technique` for what `model` sees; the run's name.
fn explain(engine: &Engine, model: &str, technique: &str, params: Value, path: &Path, bytes: &[u8]) -> String {
    let spec = RunSpec {
        model: model.into(),
        technique: technique.into(),
        image: ImageSource::Encoded(bytes.to_vec().into()),
        target: None,
        params: params.as_object().cloned().unwrap_or_default(),
        seed: Some(1),
        max_duration: None,
    };
    let (run, end) = follow(engine, spec, |_| ());
    assert_eq!(end.state, RunState::Succeeded, "{technique}, {model}, {}: {:?}", path.display(), end.status);
    run
}

fn in_blob(y: usize, x: usize) -> bool {
    y >= SIDE - BLOB && x < BLOB
}

/// The map at the input's size, each cell as large as it says.
fn enlarged(state: &ArtifactState) -> Vec<f64> {
    let &[height, width] = state.tensor.shape.as_slice() else { panic!("a map has two dimensions") };
    let ArtifactMeta::Map(meta) = &*state.meta else { panic!("a map's meta") };
    let cell =
        |pixel: usize, size: f64, count: usize| ((pixel as f64 + 0.5) / size).floor().min(count as f64 - 1.0) as usize;
    let pixel = |at: usize| {
        let (y, x) = (cell(at / SIDE, meta.cell[0], height), cell(at % SIDE, meta.cell[1], width));
        f64::from(state.tensor.data[y * width + x])
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

/// Whether the largest value lies in the region, and the share of the positive ones that does.
fn in_region(map: &[f64]) -> (bool, f64) {
    let inside = |at: usize| at / SIDE >= SIDE - REGION && at % SIDE < REGION;
    let largest = map.iter().enumerate().fold(0, |best, (at, value)| if *value > map[best] { at } else { best });
    let positive = |at: &usize| map[*at].max(0.0);
    let all: f64 = (0..map.len()).map(|at| positive(&at)).sum();
    let within: f64 = (0..map.len()).filter(|at| inside(*at)).map(|at| positive(&at)).sum();
    (map[largest] > 0.0 && inside(largest), if all > 0.0 { within / all } else { 0.0 })
}
