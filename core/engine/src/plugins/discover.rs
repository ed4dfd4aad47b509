//! Which folders may hold a plugin: the children of configured directories that nobody but their owner can change.
//! Loads nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A folder with a `plugin.toml`, or why a place is not used.
pub(super) struct Found {
    pub folder: PathBuf,
    pub usable: Result<(), String>,
}

/// The plugin folders of `directory`, sorted by name. A directory that is not there holds none.
pub(super) fn folders(directory: &Path) -> Vec<Found> {
    if !directory.exists() {
        tracing::warn!(directory = %directory.display(), "the plugin directory does not exist");
        return Vec::new();
    }
    if let Err(reason) = not_world_writable(directory) {
        return vec![Found { folder: directory.to_owned(), usable: Err(reason) }];
    }
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            let reason = format!("cannot list {}: {error}", directory.display());
            return vec![Found { folder: directory.to_owned(), usable: Err(reason) }];
        }
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("plugin.toml").exists())
        .collect();
    folders.sort();
    folders.into_iter().map(|folder| Found { usable: not_world_writable(&folder), folder }).collect()
}

/// Refuses what everybody may write: whoever can change a plugin can run code as us.
pub(super) fn not_world_writable(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot look at {}: {error}", path.display()))?;
    if metadata.permissions().mode() & 0o002 != 0 {
        return Err(format!("{} is world-writable: chmod o-w it", path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir, set_permissions, write};

    #[test]
    fn a_world_writable_directory_is_refused_whole_and_a_folder_alone() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            create_dir(root.path().join(name)).unwrap();
            write(root.path().join(name).join("plugin.toml"), "").unwrap();
        }
        set_permissions(root.path().join("b"), Permissions::from_mode(0o777)).unwrap();
        let found = folders(root.path());
        assert_eq!(found.len(), 2);
        assert!(found[0].usable.is_ok());
        assert!(found[1].usable.as_ref().unwrap_err().contains("world-writable"));

        set_permissions(root.path(), Permissions::from_mode(0o777)).unwrap();
        let found = folders(root.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].usable.is_err());
    }

    #[test]
    fn a_directory_that_is_missing_holds_nothing() {
        assert!(folders(Path::new("/nowhere/at/all")).is_empty());
    }
}
