//! The datasets of an engine: found by name in the configured folders, by path only where the configuration allows it. A
//! listing is kept for a few seconds, so that a page of thumbnails reads a folder once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Dataset, DatasetInfo};
use crate::config::Limits;
use crate::error::{Error, Result};
use crate::runs::spec::ImageSource;
use crate::suggest;

/// How long a folder is not read again.
const FRESH: Duration = Duration::from_secs(5);

type Listed = Result<Arc<Dataset>, String>;

pub(crate) struct Registry {
    directories: Vec<PathBuf>,
    by_path: bool,
    listed: Mutex<BTreeMap<String, (Instant, Listed)>>,
}

impl Registry {
    pub(crate) fn new(directories: Vec<PathBuf>, by_path: bool) -> Self {
        Self { directories, by_path, listed: Mutex::default() }
    }

    /// Sorted by name; those that cannot be used say why.
    pub(crate) fn list(&self) -> Vec<DatasetInfo> {
        let info = |(name, path): (String, PathBuf)| match self.open(&name, &path) {
            Ok(set) => DatasetInfo {
                name,
                title: set.title.clone(),
                items: set.items.len(),
                classes: set.classes.clone(),
                problem: String::new(),
            },
            Err(problem) => DatasetInfo { title: name.clone(), name, items: 0, classes: Vec::new(), problem },
        };
        self.folders().into_iter().map(info).collect()
    }

    /// # Errors
    /// UNKNOWN_DATASET, with the nearest name; BAD_DATASET with what is wrong with it. The field is `dataset`.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Dataset>> {
        let bad = |why: String| Error::precondition("BAD_DATASET", why).at("dataset");
        let folders = self.folders();
        if let Some(path) = folders.get(name) {
            return self.open(name, path).map_err(bad);
        }
        let path = Path::new(name);
        if self.by_path && path.exists() {
            return self.open(name, path).map_err(bad);
        }
        let message = suggest::unknown("dataset", name, folders.keys().map(String::as_str));
        Err(Error::not_found("dataset", "UNKNOWN_DATASET", message))
    }

    /// The same source, a picture of a dataset replaced by what its file holds.
    ///
    /// # Errors
    /// UNKNOWN_DATASET, UNKNOWN_ITEM, UNREADABLE_IMAGE; the field is `image`.
    pub(crate) fn fetch(&self, image: ImageSource, limits: &Limits) -> Result<ImageSource> {
        let ImageSource::DatasetItem { dataset, item } = image else { return Ok(image) };
        let fetched = self.get(&dataset).and_then(|set| set.encoded(set.item(&item)?, limits));
        fetched.map(ImageSource::Encoded).map_err(|error| error.at("image"))
    }

    /// What may be a dataset: the first folder of each name.
    fn folders(&self) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        for directory in &self.directories {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name());
                if let Some(name) = name.to_str().filter(|name| !name.starts_with('.') && path.is_dir()) {
                    found.entry(name.to_owned()).or_insert(path);
                }
            }
        }
        found
    }

    fn open(&self, name: &str, path: &Path) -> Listed {
        if let Some((_, listed)) = self.listed.lock().get(name).filter(|(when, _)| when.elapsed() < FRESH) {
            return listed.clone();
        }
        let listed = Dataset::open(path, name).map(Arc::new);
        let mut all = self.listed.lock();
        all.retain(|_, (when, _)| when.elapsed() < FRESH);
        all.insert(name.to_owned(), (Instant::now(), listed.clone()));
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_go_by_name_and_by_path_only_where_that_is_allowed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("pets/cat")).unwrap();
        std::fs::create_dir_all(root.path().join("empty")).unwrap();
        std::fs::write(root.path().join("pets/cat/a.png"), "x").unwrap();
        let registry = |by_path| Registry::new(vec![root.path().to_owned()], by_path);
        assert_eq!(registry(false).get("pets").unwrap().items.len(), 1);
        let path = root.path().join("pets").display().to_string();
        assert_eq!(registry(true).get(&path).unwrap().classes, ["cat"]);
        for name in [path.as_str(), "../pets", "pets/cat", ""] {
            assert_eq!(registry(false).get(name).unwrap_err().reason, "UNKNOWN_DATASET", "{name}");
        }
        assert!(registry(false).get("pests").unwrap_err().message.contains("did you mean 'pets'"));
        let listed = registry(false).list();
        assert_eq!(listed.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["empty", "pets"]);
        assert!(listed[0].problem.contains("folder per class") && listed[1].problem.is_empty());
    }
}
