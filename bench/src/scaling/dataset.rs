//! Small pictures by the hundred thousand: the digits, each moved by up to two pixels and dimmed, so that no two are the same; in
//! one folder, with a manifest for each number of them.

use crate::network::LITE0;
use crate::ours::Ours;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use whyglass_engine::{Config, ImageSource, RunSpec};
use whyglass_imaging::{Limits, Picture, decode, encode_png};

const DIGITS: &str = "datasets/digits";
const MODEL: &str = "digits-honest";
/// Places that a picture is moved to, a row and a column of them.
const MOVES: usize = 5;

pub(crate) struct Digits {
    folder: TempDir,
    /// Of the pictures that all are made of.
    classes: Vec<usize>,
}

impl Digits {
    /// Writes `most` pictures, which go with the returned value.
    pub(crate) fn make(most: usize) -> Result<Self> {
        let originals = originals()?;
        let folder = tempfile::Builder::new().prefix("whyglass-digits-").tempdir()?;
        let threads = std::thread::available_parallelism()?.get();
        let write = &|index: usize| -> Result<()> {
            let (_, original) = &originals[index % originals.len()];
            let png = encode_png(&varied(original, index / originals.len())?)?;
            Ok(std::fs::write(folder.path().join(format!("{index}.png")), png)?)
        };
        std::thread::scope(|scope| {
            let part = |first: usize| scope.spawn(move || (first..most).step_by(threads).try_for_each(write));
            let parts: Vec<_> = (0..threads).map(part).collect();
            parts.into_iter().try_for_each(|part| part.join().expect("a writing thread does not panic"))
        })?;
        let classes = originals.iter().map(|(class, _)| *class).collect();
        Ok(Self { folder, classes })
    }

    /// Lists the first `count`, and says where.
    pub(crate) fn manifest(&self, count: usize) -> Result<PathBuf> {
        let mut text = String::from("path,label\n");
        for index in 0..count {
            writeln!(text, "{index}.png,{}", self.classes[index % self.classes.len()])?;
        }
        let path = self.folder.path().join(format!("first-{count}.csv"));
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// An engine that takes datasets by path.
pub(crate) fn engine(plugins: &Path) -> Result<Ours> {
    let models = vec!["tests/models".into()];
    let config = Config { plugins: vec![plugins.to_owned()], models, allow_dataset_paths: true, ..Config::default() };
    Ours::configured(&LITE0, config)
}

pub(crate) fn spec(ours: &Ours, technique: &str, params: Value, manifest: &Path) -> RunSpec {
    let image = ImageSource::Dataset(manifest.display().to_string());
    RunSpec { model: MODEL.into(), image, ..ours.spec(technique, params, None) }
}

/// How many pictures a manifest lists.
pub(crate) fn count(manifest: &Path) -> Result<usize> {
    Ok(std::fs::read_to_string(manifest)?.lines().count() - 1)
}

/// Class and picture, the classes in turn.
fn originals() -> Result<Vec<(usize, Picture)>> {
    let mut found = Vec::new();
    for class in 0..10 {
        let folder = Path::new(DIGITS).join(class.to_string());
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("no {}: cargo xtask setup", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let picture = decode(&std::fs::read(&path)?, &Limits::default())?;
            found.push((path.file_name().map(ToOwned::to_owned), class, picture));
        }
    }
    ensure!(!found.is_empty(), "{DIGITS} is empty: cargo xtask setup");
    // The name is the picture's number in the whole set, where the classes are mixed.
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found.into_iter().map(|(_, class, picture)| (class, picture)).collect())
}

/// The `variant`-th picture that is made of one; 0 is the picture itself.
fn varied(picture: &Picture, variant: usize) -> Result<Picture> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (right, down, dark) = (variant % MOVES, variant / MOVES % MOVES, variant / (MOVES * MOVES));
    let rgb = picture.rgb();
    let at = |index: usize| {
        let (y, x, channel) = (index / 3 / width, index / 3 % width, index % 3);
        let from = ((y + down) % height * width + (x + right) % width) * 3 + channel;
        rgb[from] - rgb[from] / 8 * u8::try_from(dark.min(7)).unwrap_or(7)
    };
    Ok(Picture::new(picture.width(), picture.height(), (0..rgb.len()).map(at).collect())?)
}
