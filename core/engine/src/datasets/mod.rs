//! Datasets: labelled pictures in a folder, which are listed here and decoded when somebody asks. What their classes are
//! for a model is in [`bound`].

pub(crate) mod bound;
mod classes;
mod folder;
mod manifest;
pub(crate) mod registry;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::config::Limits;
use crate::error::{Error, Result};

/// Pictures with classes. Only their names are in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The name of its folder: what requests call it.
    pub name: String,
    /// For people.
    pub title: String,
    /// The names of its classes, in order.
    pub classes: Vec<String>,
    pub items: Vec<Item>,
    pub(crate) folder: PathBuf,
}

/// A picture of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its path within the dataset: `bear/brown-1.jpg`.
    pub id: String,
    /// The index of its class in [`Dataset::classes`]; `None` where a manifest leaves it open.
    pub class: Option<usize>,
}

/// A dataset that may be asked for, or why it cannot be.
#[derive(Clone, Debug)]
pub struct DatasetInfo {
    pub name: String,
    pub title: String,
    pub items: usize,
    pub classes: Vec<String>,
    /// What is wrong with it; empty where nothing is.
    pub problem: String,
}

impl Dataset {
    /// Lists the dataset at `path`: a folder with a folder per class, a folder with a `manifest.csv` or `manifest.json`, or
    /// such a file itself.
    ///
    /// # Errors
    /// A sentence that names what is wrong and what to do.
    pub(crate) fn open(path: &Path, name: &str) -> Result<Self, String> {
        let manifest = |path: &Path| path.is_file() && manifest::is_manifest(path);
        if manifest(path) {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return manifest::read(path).and_then(|read| Self::put_together(folder, name, read));
        }
        if !path.is_dir() {
            return Err(format!("{}: there is no such dataset", path.display()));
        }
        let manifests: Vec<PathBuf> =
            manifest::NAMES.iter().map(|name| path.join(name)).filter(|p| p.is_file()).collect();
        let read = match &manifests[..] {
            [] => folder::read(path)?,
            [one] => manifest::read(one)?,
            _ => return Err(format!("{}: has {} both: keep one", path.display(), manifest::NAMES.join(" and "))),
        };
        Self::put_together(path, name, read)
    }

    fn put_together(folder: &Path, name: &str, read: Listing) -> Result<Self, String> {
        let mut classes: Vec<String> = read.items.iter().filter_map(|(_, class)| class.clone()).collect();
        classes.sort_by(|a, b| classes::order(a, b));
        classes.dedup();
        let index: HashMap<&str, usize> =
            classes.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        let items = read.items.iter().map(|(id, class)| Item {
            id: id.clone(),
            class: class.as_deref().and_then(|class| index.get(class).copied()),
        });
        let items: Vec<Item> = items.collect();
        if items.is_empty() {
            return Err(format!("{}: has no pictures", folder.display()));
        }
        let own = folder.file_name().and_then(|name| name.to_str()).unwrap_or(name);
        let title = if read.title.is_empty() { own.to_owned() } else { read.title };
        Ok(Self { name: name.to_owned(), title, classes, items, folder: folder.to_owned() })
    }

    /// The file of a picture, with its size bounded.
    ///
    /// # Errors
    /// UNREADABLE_IMAGE naming the item.
    pub(crate) fn encoded(&self, item: &Item, limits: &Limits) -> Result<Bytes> {
        let unreadable = |why: String| {
            Error::new(
                crate::Code::DataLoss,
                "UNREADABLE_IMAGE",
                format!("the picture '{}' cannot be read: {why}", item.id),
            )
        };
        let path = self.folder.join(&item.id);
        let size = std::fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > limits.image_bytes {
            return Err(unreadable(format!("it has {size} bytes, more than the limit of {}", limits.image_bytes)));
        }
        std::fs::read(&path).map(Bytes::from).map_err(|error| unreadable(error.to_string()))
    }

    /// The item called `id`.
    ///
    /// # Errors
    /// UNKNOWN_ITEM, with the nearest name.
    pub(crate) fn item(&self, id: &str) -> Result<&Item> {
        self.items.iter().find(|item| item.id == id).ok_or_else(|| {
            let mut message = crate::suggest::unknown("item", id, self.items.iter().map(|item| item.id.as_str()));
            message.push_str(&format!(" (of the dataset '{}')", self.name));
            Error::not_found("item", "UNKNOWN_ITEM", message)
        })
    }
}

/// What a folder or a manifest lists, before classes have numbers.
#[derive(Debug, Default)]
struct Listing {
    title: String,
    /// Path within the dataset, and class.
    items: Vec<(String, Option<String>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        root
    }

    #[test]
    fn a_folder_per_class_is_a_dataset_in_a_fixed_order() {
        let root = folder(&["10/a.png", "2/b.JPG", "2/a.webp", "2/notes.txt", "2/.hidden.png", "readme.md"]);
        let set = Dataset::open(root.path(), "numbers").unwrap();
        assert_eq!(set.classes, ["2", "10"], "numbers are sorted as numbers");
        let items: Vec<(&str, Option<usize>)> = set.items.iter().map(|item| (item.id.as_str(), item.class)).collect();
        assert_eq!(items, [("2/a.webp", Some(0)), ("2/b.JPG", Some(0)), ("10/a.png", Some(1))]);
        assert_eq!(Some(set.title.as_str()), root.path().file_name().and_then(|name| name.to_str()));
    }

    #[test]
    fn a_class_without_pictures_and_a_folder_without_classes_are_named() {
        let root = folder(&["cat/a.png", "dog/readme.txt"]);
        let error = Dataset::open(root.path(), "pets").unwrap_err();
        assert!(error.contains("'dog'") && error.contains("no pictures"), "{error}");
        let root = folder(&["a.png"]);
        assert!(Dataset::open(root.path(), "pets").unwrap_err().contains("a folder per class"));
        assert!(Dataset::open(&root.path().join("none"), "pets").unwrap_err().contains("no such dataset"));
    }

    #[cfg(unix)]
    #[test]
    fn one_picture_in_two_classes_is_named_with_both() {
        let root = folder(&["cat/a.png", "dog/b.png"]);
        std::os::unix::fs::symlink(root.path().join("cat/a.png"), root.path().join("dog/c.png")).unwrap();
        let error = Dataset::open(root.path(), "pets").unwrap_err();
        assert!(error.contains("cat/a.png") && error.contains("dog/c.png"), "{error}");
    }

    #[test]
    fn a_picture_is_read_when_it_is_asked_for_and_missing_ones_are_named() {
        let root = folder(&["cat/a.png", "cat/b.png"]);
        let set = Dataset::open(root.path(), "pets").unwrap();
        assert_eq!(set.encoded(&set.items[0], &Limits::default()).unwrap(), "x");
        std::fs::remove_file(root.path().join("cat/b.png")).unwrap();
        let error = set.encoded(set.item("cat/b.png").unwrap(), &Limits::default()).unwrap_err();
        assert_eq!(error.reason, "UNREADABLE_IMAGE");
        assert!(error.message.contains("'cat/b.png'"), "{error}");
        assert!(set.item("cat/a.pgn").unwrap_err().message.contains("cat/a.png"));
    }
}
