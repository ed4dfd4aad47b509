//! The folder that results are written into: known to be writable before anything is computed, and every file in it is
//! either whole or not there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder and tries to write into it.
    pub(crate) fn create(root: &Path) -> Result<Self, Failure> {
        let probe = root.join(format!(".whyglass-{}", std::process::id()));
        let tried =
            fs::create_dir_all(root).and_then(|()| fs::write(&probe, [])).and_then(|()| fs::remove_file(&probe));
        tried.map_err(|error| Failure::refused(format!("--out {}: cannot be written: {error}", root.display())))?;
        Ok(Self { root: root.to_owned() })
    }

    /// A folder inside of this one; it is made with the first file.
    pub(crate) fn inside(&self, path: &Path) -> Self {
        // Joining an empty path would add a slash.
        Self { root: if path.as_os_str().is_empty() { self.root.clone() } else { self.root.join(path) } }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file under another name and renames it, so that no reader finds half of one.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        let temporary = path.with_file_name(format!(
            ".{}.{}.part",
            path.file_name().unwrap_or_default().to_string_lossy(),
            std::process::id()
        ));
        let write = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            fs::write(&temporary, bytes)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|error| {
            // What is left of it is of no use; that it cannot be removed either adds nothing.
            let _ = fs::remove_file(&temporary);
            Failure::failed(format!("{}: cannot be written: {error}", path.display()))
        })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn files_are_written_whole_and_replace_older_ones() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::create(&temporary.path().join("a/b")).unwrap();
        folder.write("x.json", b"1").unwrap();
        let path = folder.write("x.json", b"2").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"2");
        assert_eq!(names(&temporary.path().join("a/b")), ["x.json"]);
        folder.inside(Path::new("c")).write("frames/y.png", b"3").unwrap();
        assert!(temporary.path().join("a/b/c/frames/y.png").is_file());
    }

    #[test]
    fn a_file_in_the_way_is_found_before_anything_is_computed() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("taken");
        fs::write(&file, "").unwrap();
        let failure = Folder::create(&file.join("deeper")).unwrap_err();
        assert_eq!(failure.exit, crate::cli::failure::Exit::Refused);
        assert!(failure.to_string().contains("taken/deeper: cannot be written"), "{failure}");
    }
}
