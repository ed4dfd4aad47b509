//! Which runs there are, and which folder each writes into.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use whyglass_engine::ImageSource;
use whyglass_imaging::Picture;

use crate::cli::failure::Failure;
use crate::cli::picture::PictureFile;

/// What a run is about.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Picture(PictureFile),
    /// Its name or path.
    Dataset(String),
}

impl Subject {
    /// As it was typed.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Picture(file) => &file.name,
            Self::Dataset(name) => name,
        }
    }

    pub(crate) fn picture(&self) -> Option<&Picture> {
        match self {
            Self::Picture(file) => Some(&file.picture),
            Self::Dataset(_) => None,
        }
    }

    pub(crate) fn source(&self) -> ImageSource {
        match self {
            Self::Picture(file) => ImageSource::Encoded(file.encoded.clone()),
            Self::Dataset(name) => ImageSource::Dataset(name.clone()),
        }
    }
}

/// The pictures (or the dataset), and every technique × model × picture.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) subjects: Vec<Subject>,
    /// Picture by picture, model by model, technique by technique: the order of the sheet.
    pub(crate) jobs: Vec<Job>,
    /// How many runs there are of each subject.
    pub(crate) columns: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) technique: String,
    pub(crate) model: String,
    /// Its place in [`Plan::subjects`].
    pub(crate) subject: usize,
    /// Within the output folder; empty for a single run.
    pub(crate) folder: PathBuf,
}

impl Plan {
    pub(crate) fn new(techniques: &[String], models: &[String], subjects: Vec<Subject>) -> Result<Self, Failure> {
        for (what, names) in [("technique", techniques), ("model", models)] {
            let mut seen = BTreeSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(Failure::refused(format!("the {what} '{twice}' is named twice")));
            }
        }
        let subject_folders = distinct(subjects.iter().map(|subject| stem(Path::new(subject.name()))));
        let model_folders = distinct(models.iter().map(|model| model_folder(model)));
        let single = techniques.len() * models.len() * subjects.len() == 1;
        let mut jobs = Vec::new();
        for (subject, subject_folder) in subject_folders.iter().enumerate() {
            for (model, model_folder) in models.iter().zip(&model_folders) {
                for technique in techniques {
                    let folder = PathBuf::from_iter([subject_folder, model_folder, technique]);
                    let folder = if single { PathBuf::new() } else { folder };
                    jobs.push(Job { technique: technique.clone(), model: model.clone(), subject, folder });
                }
            }
        }
        Ok(Self { subjects, jobs, columns: models.len() * techniques.len() })
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

    fn pictures(names: &[&str]) -> Vec<Subject> {
        let grey = whyglass_imaging::Picture::new(4, 4, vec![128; 48]).unwrap();
        let file = |name: &&str| {
            Subject::Picture(PictureFile {
                name: (*name).to_owned(),
                encoded: whyglass_imaging::encode_png(&grey).unwrap().into(),
                picture: grey.clone(),
            })
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
    fn a_dataset_is_one_subject() {
        let subjects = vec![Subject::Dataset("sets/animals".to_owned())];
        let plan = Plan::new(&own(&["tsne", "confusion-matrix"]), &own(&["lite"]), subjects).unwrap();
        assert_eq!(plan.jobs[1].folder, PathBuf::from("animals/lite/confusion-matrix"));
        assert!(plan.subjects[0].picture().is_none());
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
