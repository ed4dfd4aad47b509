//! Which runs there are, and which folder each writes into.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::picture::PictureFile;

/// The pictures, and every technique × model × picture.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) pictures: Vec<PictureFile>,
    /// Picture by picture, model by model, technique by technique: the order of the sheet.
    pub(crate) jobs: Vec<Job>,
    pub(crate) techniques: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) technique: String,
    pub(crate) model: String,
    /// Its place in [`Plan::pictures`].
    pub(crate) picture: usize,
    /// Within the output folder; empty for a single run.
    pub(crate) folder: PathBuf,
}

impl Plan {
    pub(crate) fn new(techniques: &[String], models: &[String], pictures: Vec<PictureFile>) -> Result<Self, Failure> {
        for (what, names) in [("technique", techniques), ("model", models)] {
            let mut seen = BTreeSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(Failure::refused(format!("the {what} '{twice}' is named twice")));
            }
        }
        let picture_folders = distinct(pictures.iter().map(|picture| stem(Path::new(&picture.name))));
        let model_folders = distinct(models.iter().map(|model| model_folder(model)));
        let single = techniques.len() * models.len() * pictures.len() == 1;
        let mut jobs = Vec::new();
        for (picture, picture_folder) in picture_folders.iter().enumerate() {
            for (model, model_folder) in models.iter().zip(&model_folders) {
                for technique in techniques {
                    let folder = PathBuf::from_iter([picture_folder, model_folder, technique]);
                    let folder = if single { PathBuf::new() } else { folder };
                    jobs.push(Job { technique: technique.clone(), model: model.clone(), picture, folder });
                }
            }
        }
        Ok(Self { pictures, jobs, techniques: techniques.to_vec() })
    }
}

/// A model file is mostly called model.onnx: then its folder says more.
fn model_folder(model: &str) -> String {
    let path = Path::new(model);
    if path.extension().is_none() {
        return stem(path);
    }
    let folder = path.parent().filter(|_| path.file_stem().is_some_and(|stem| stem == "model")).map(stem);
    folder.filter(|folder| folder != "_").unwrap_or_else(|| stem(path))
}

/// A name without its extension, harmless as the name of a folder.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let harmless = |c: char| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' };
    let name: String = stem.chars().map(harmless).collect();
    let name = name.trim_matches(['.', ' ']).to_owned();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The same names with `-2`, `-3` … where one comes again.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    names
        .map(|name| {
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
            let free = free.expect("numbers do not end");
            taken.insert(free.clone());
            free
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn pictures(names: &[&str]) -> Vec<PictureFile> {
        let grey = whyglass_imaging::Picture::new(4, 4, vec![128; 48]).unwrap();
        let file = |name: &&str| PictureFile {
            name: (*name).to_owned(),
            encoded: whyglass_imaging::encode_png(&grey).unwrap().into(),
            picture: grey.clone(),
        };
        names.iter().map(file).collect()
    }

    fn own(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_single_run_writes_into_the_folder_itself() {
        let plan = Plan::new(&own(&["occlusion"]), &own(&["lite"]), pictures(&["a/bear.jpg"])).unwrap();
        assert_eq!(plan.jobs.len(), 1);
        assert_eq!(plan.jobs[0].folder, PathBuf::new());
    }

    #[test]
    fn several_runs_have_folders_of_their_own() {
        let names = pictures(&["a/bear.jpg", "b/bear.png", "../..", ".hidden"]);
        let plan = Plan::new(&own(&["occlusion", "grad-cam"]), &own(&["m/resnet/model.onnx"]), names).unwrap();
        let folders: Vec<_> = plan.jobs.iter().map(|job| job.folder.to_str().unwrap()).collect();
        assert_eq!(folders[..3], ["bear/resnet/occlusion", "bear/resnet/grad-cam", "bear-2/resnet/occlusion"]);
        assert!(folders.iter().all(|folder| !folder.contains("..")), "{folders:?}");
        assert_eq!(BTreeSet::from_iter(&folders).len(), 8);
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let failure = Plan::new(&own(&["lime", "lime"]), &own(&["m"]), pictures(&["a.png"])).unwrap_err();
        assert!(failure.to_string().contains("'lime' is named twice"));
    }
}
