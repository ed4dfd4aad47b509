//! The pictures of the pages and of the README: of which picture, by which network, and how they are made small.
//!
//! All are of pictures that may be shown: scikit-image's cat (CC0) and the UCI digits (CC BY 4.0).

use crate::docs::FOLDER;
use crate::stage::Staged;
use crate::workspace::{Workspace, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use whyglass_imaging::{Filter, Limits, decode, encode_jpeg, resize};

/// What is explained.
#[derive(Clone, Copy)]
enum Subject {
    Picture(&'static str),
    Dataset(&'static str),
}

/// A picture that a technique made.
pub(super) struct Picture {
    technique: &'static str,
    model: &'static str,
    subject: Subject,
    /// `name=value`.
    params: &'static [&'static str],
    artifact: &'static str,
    /// For those who cannot see it.
    pub(super) shows: &'static str,
}

const CAT: Subject = Subject::Picture("third_party/pictures/chelsea.png");
const LITE0: &str = "efficientnet-lite0";

const fn of_the_cat(technique: &'static str, shows: &'static str) -> Picture {
    Picture { technique, model: LITE0, subject: CAT, params: &[], artifact: "map", shows }
}

static PICTURES: &[Picture] = &[
    Picture {
        artifact: "montage",
        params: &["layer=features", "channels=[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]"],
        ..of_the_cat("activations", "Two dozen feature maps of the last layer for a photograph of a cat")
    },
    Picture {
        technique: "ablation",
        model: "digits-cheat",
        subject: Subject::Picture("datasets/digits-blob/7/1304.png"),
        params: &[],
        artifact: "scores",
        shows: "The cheating net's 3 is gone as soon as what Grad-CAM found is hidden",
    },
    Picture {
        technique: "confusion-matrix",
        model: "digits-cheat",
        subject: Subject::Dataset("digits-blob"),
        params: &[],
        artifact: "matrix",
        shows: "Digits with a blob in the corner: the cheating net takes every one for a 3",
    },
    of_the_cat("deconvnet", "A grid all over a photograph of a cat, hardly its face"),
    Picture { artifact: "dream", ..of_the_cat("deep-dream", "Textures that a layer looks for, grown from noise") },
    of_the_cat("grad-cam", "The cheek and the muzzle of a cat light up"),
    of_the_cat("guided-backprop", "The eyes and the nose of a cat, in fine detail"),
    of_the_cat("input-x-gradient", "Faint red and blue points on a cat's face"),
    of_the_cat("integrated-gradients", "Red and blue points on a cat's face, somewhat stronger at the nose"),
    of_the_cat("lime", "Superpixels of a cat: forehead, eye and muzzle in red, a corner without the cat in blue"),
    of_the_cat("occlusion", "Hiding the muzzle makes the cat fall, hiding one eye makes it rise"),
    of_the_cat("saliency", "Scattered bright points, more of them at eyes, nose and mouth of a cat"),
    of_the_cat("smooth-grad", "Bright points at the eyes and the nose of a cat, with less flicker"),
    Picture {
        technique: "tsne",
        model: "digits-honest",
        subject: Subject::Dataset("digits"),
        params: &[],
        artifact: "points",
        shows: "Ten clusters of handwritten digits",
    },
];

/// A sheet of the README: several pictures, networks and techniques side by side.
struct Sheet {
    name: &'static str,
    techniques: &'static str,
    models: &'static str,
    pictures: &'static [&'static str],
    options: &'static [&'static str],
}

static SHEETS: &[Sheet] = &[
    Sheet {
        name: "sheet-digits",
        techniques: "grad-cam,occlusion,lime",
        models: "digits-honest,digits-cheat",
        pictures: &["datasets/digits-blob/3/1300.png", "datasets/digits-blob/7/1304.png"],
        options: &[],
    },
    Sheet {
        name: "sheet-cat",
        techniques: "grad-cam,lime",
        models: "efficientnet-lite0,bear-cow-sheep",
        pictures: &["third_party/pictures/chelsea.png"],
        options: &["--target", "efficientnet-lite0=Egyptian cat", "--target", "bear-cow-sheep=other"],
    },
];

/// Longest side, and bytes, of what is checked in.
const SIDE: u32 = 640;
const SHEET_SIDE: u32 = 1400;
const BYTES: usize = 80 << 10;
const SHEET_BYTES: usize = 250 << 10;

/// The picture on the page of `technique`.
pub(super) fn of(technique: &str) -> Option<&'static Picture> {
    PICTURES.iter().find(|picture| picture.technique == technique)
}

impl Picture {
    fn arguments(&self) -> Vec<String> {
        let mut words = vec!["explain".to_owned(), self.technique.into(), self.model.into()];
        match self.subject {
            Subject::Picture(path) => words.push(path.into()),
            Subject::Dataset(name) => words.extend(["--dataset".to_owned(), name.into()]),
        }
        words.extend(self.params.iter().flat_map(|param| ["-p".to_owned(), (*param).to_owned()]));
        words
    }

    /// What makes it, from the checkout's root.
    pub(super) fn command_line(&self) -> String {
        let models = if self.model.starts_with("digits") { " --models tests/models" } else { "" };
        format!("whyglass {}{models}", self.arguments().join(" "))
    }
}

/// Makes all of them.
pub(super) fn make(workspace: &Workspace, staged: &Staged) -> Result<()> {
    let out = workspace.root.join("out/docs");
    let images = workspace.root.join(FOLDER).join("images");
    fs::create_dir_all(&images)?;
    for picture in PICTURES {
        let folder = out.join(picture.technique);
        explain(workspace, staged, picture.arguments(), &folder)?;
        let figure = folder.join(format!("{}.png", picture.artifact));
        small(&figure, &images.join(format!("{}.jpg", picture.technique)), SIDE, BYTES)?;
    }
    for sheet in SHEETS {
        let folder = out.join(sheet.name);
        let words = [&["explain", sheet.techniques, sheet.models], sheet.pictures, sheet.options].concat();
        explain(workspace, staged, words.into_iter().map(str::to_owned).collect(), &folder)?;
        let to = workspace.root.join("docs/images").join(format!("{}.jpg", sheet.name));
        small(&folder.join("sheet.png"), &to, SHEET_SIDE, SHEET_BYTES)?;
    }
    Ok(())
}

fn explain(workspace: &Workspace, staged: &Staged, words: Vec<String>, out: &Path) -> Result<()> {
    let mut command = Command::new(&staged.binary);
    command.current_dir(&workspace.root).args(words).args(["--models", "models", "--models", "tests/models"]);
    run(command.args(["--seed", "1", "--plugins"]).arg(&staged.plugins).arg("--out").arg(out))
}

/// The figure at `from` as a JPEG of at most so many pixels a side and so many bytes, at the best quality that this leaves.
fn small(from: &Path, to: &Path, side: u32, most: usize) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    let figure = decode(&bytes, &Limits::default())?;
    let scale = (f64::from(side) / f64::from(figure.width().max(figure.height()))).min(1.0);
    let scaled = |length: u32| (f64::from(length) * scale).round() as u32;
    let figure = resize(&figure, scaled(figure.width()), scaled(figure.height()), Filter::Lanczos3);
    for quality in [90, 85, 80, 75, 70, 60, 50] {
        let jpeg = encode_jpeg(&figure, quality)?;
        if jpeg.len() <= most {
            return Ok(fs::write(to, jpeg)?);
        }
    }
    ensure!(false, "{} cannot be had in {most} bytes", from.display());
    Ok(())
}
