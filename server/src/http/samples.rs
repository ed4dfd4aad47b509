//! Pictures that a newcomer can click on: the files of a configured folder. A request chooses among their names; it never
//! forms a path.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{CHANGING, File};

/// Of one sample, and how many are offered.
const MAX_BYTES: u64 = 8 << 20;
const MAX_SAMPLES: usize = 24;

#[derive(Debug)]
pub(super) struct Samples {
    folders: Vec<PathBuf>,
}

impl Samples {
    /// Folders may be missing: then there are no samples.
    pub(super) fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// A JSON list of names.
    pub(super) fn list(&self) -> File {
        let names: Vec<String> = self.found().into_keys().collect();
        File { bytes: serde_json::json!(names).to_string().into(), media_type: "application/json", cache: CHANGING }
    }

    pub(super) fn read(&self, name: &str) -> Option<File> {
        let media_type = media_type(name)?;
        let bytes = std::fs::read(self.found().remove(name)?).ok()?;
        Some(File { bytes, media_type, cache: CHANGING })
    }

    /// By name; of two with one name the first folder's.
    fn found(&self) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        for entry in self.folders.iter().rev().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
            let small = entry.metadata().is_ok_and(|file| file.is_file() && file.len() <= MAX_BYTES);
            if let Ok(name) = entry.file_name().into_string()
                && small
                && is_plain(&name)
                && media_type(&name).is_some()
            {
                found.insert(name, entry.path());
            }
        }
        found.into_iter().take(MAX_SAMPLES).collect()
    }
}

/// A name that is the same in an address as on disk.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_of_the_folder_are_offered_and_read() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["cat.png", "dog.jpg", "notes.txt", "with space.png"] {
            std::fs::write(folder.path().join(name), name).expect("it is ours");
        }
        std::fs::create_dir(folder.path().join("folder.png")).expect("it is ours");
        let samples = Samples::new(vec![folder.path().join("missing"), folder.path().to_owned()]);
        assert_eq!(samples.list().bytes, br#"["cat.png","dog.jpg"]"#);
        let cat = samples.read("cat.png").expect("a sample");
        assert_eq!((cat.bytes.as_slice(), cat.media_type), (&b"cat.png"[..], "image/png"));
        for name in ["notes.txt", "../cat.png", "folder.png", "no.png", "with space.png", ""] {
            assert!(samples.read(name).is_none(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("cat.png")).expect("it is ours");
        assert_eq!(Samples::new(vec![folder.path().to_owned()]).list().bytes, b"[]");
    }
}
