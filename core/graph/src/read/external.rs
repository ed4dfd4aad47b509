//! Files: the model's own, and tensors that are kept beside it.
//!
//! External data has been an attack again and again, so little is allowed: a plain file name inside the model's
//! folder, a regular file, opened without following links and without waiting, and a range that lies inside it.

use crate::Error;
use crate::proto::StringStringEntryProto;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// What the format allows; larger models keep their weights beside the file.
const LARGEST_FILE: u64 = 1 << 31;

/// All of the regular file at `path`. Links are followed: the path is the user's own.
pub(super) fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path, 0)?;
    let size = file.metadata()?.len();
    if size > LARGEST_FILE {
        return Err(io::Error::other(format!("{size} bytes are too many: a model file has at most 2 GiB")));
    }
    let mut data = Vec::new();
    file.read_to_end(&mut data)?;
    Ok(data)
}

/// The `size` bytes of tensor `name`, kept where `entries` say.
pub(super) fn read_tensor(
    name: &str,
    entries: &[StringStringEntryProto],
    size: usize,
    folder: Option<&Path>,
) -> Result<Bytes, Error> {
    let external = |what: String| Error::External { tensor: name.to_owned(), what };
    let entry = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let number = |key: &str| match entry(key).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => value.parse::<u64>().map(Some).map_err(|_| external(format!("{key} {value:?} is no number"))),
    };

    let location = entry("location").ok_or_else(|| external("it names no file".into()))?;
    if !is_plain(location) {
        return Err(external(format!("{location:?} is not a plain file name in the model's folder")));
    }
    let folder = folder.ok_or_else(|| external("a model without a folder has no other files".into()))?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|length| length != size as u64) {
        return Err(external(format!("its shape wants {size} bytes, {} are said to be there", length.unwrap_or(0))));
    }

    let path = folder.join(location);
    let mut file = open(&path, NO_LINKS).map_err(|source| external(format!("cannot open {location:?}: {source}")))?;
    let available = file.metadata().map_err(|source| external(format!("cannot size {location:?}: {source}")))?.len();
    if offset.checked_add(size as u64).is_none_or(|end| end > available) {
        return Err(external(format!("{size} bytes at {offset} are not in {location:?}, which has {available}")));
    }
    let mut data = vec![0; size];
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(&mut data))
        .map_err(|source| external(format!("cannot read {location:?}: {source}")))?;
    Ok(data.into())
}

fn is_plain(location: &str) -> bool {
    let mut components = Path::new(location).components();
    let plain = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    // `components` forgives "name/" and "name/."; backslashes and colons are separators elsewhere.
    plain && !location.contains(['/', '\\', ':', '\0'])
}

#[cfg(unix)]
const NO_LINKS: i32 = libc::O_NOFOLLOW;
#[cfg(not(unix))]
const NO_LINKS: i32 = 1;

/// Opens a regular file; anything else is refused without waiting for it.
#[cfg(unix)]
fn open(path: &Path, flags: i32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Without O_NONBLOCK the opening of a pipe waits for its writer.
    let file = File::options().read(true).custom_flags(flags | libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) if flags & NO_LINKS != 0 => io::Error::other("it is a symbolic link"),
        _ => error,
    })?;
    regular(file)
}

#[cfg(not(unix))]
fn open(path: &Path, flags: i32) -> io::Result<File> {
    let metadata = if flags == NO_LINKS { path.symlink_metadata()? } else { path.metadata()? };
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    regular(File::open(path)?)
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(pairs: &[(&str, &str)]) -> Vec<StringStringEntryProto> {
        pairs.iter().map(|(key, value)| StringStringEntryProto { key: (*key).into(), value: (*value).into() }).collect()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("weights"), [1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        folder
    }

    #[test]
    fn a_range_of_a_file_beside_the_model_is_read() {
        let folder = folder();
        let at = |pairs: &[(&str, &str)]| read_tensor("w", &entries(pairs), 4, Some(folder.path()));
        assert_eq!(&at(&[("location", "weights")]).unwrap()[..], [1, 2, 3, 4]);
        let placed = at(&[("location", "weights"), ("offset", "4"), ("length", "4")]);
        assert_eq!(&placed.unwrap()[..], [5, 6, 7, 8]);
    }

    #[test]
    fn only_plain_names_inside_the_folder_are_opened() {
        let folder = folder();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/weights"), [0; 8]).unwrap();
        let absolute = folder.path().join("weights");
        let absolute = absolute.to_str().unwrap();
        for location in
            ["", ".", "..", "../weights", "inner/weights", "./weights", "weights/", "a\\b", "c:weights", absolute]
        {
            let error = read_tensor("w", &entries(&[("location", location)]), 4, Some(folder.path())).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("plain file name") && error.contains("\"w\""), "{location:?}: {error}");
        }
    }

    #[test]
    fn ranges_outside_of_the_file_are_refused() {
        let folder = folder();
        for (offset, length) in
            [("8", "4"), ("5", "4"), ("18446744073709551615", "4"), ("-1", "4"), ("0", "8"), ("x", "4"), ("0", "1e9")]
        {
            let place = entries(&[("location", "weights"), ("offset", offset), ("length", length)]);
            assert!(read_tensor("w", &place, 4, Some(folder.path())).is_err(), "{offset} {length}");
        }
        assert!(read_tensor("w", &entries(&[("location", "weights")]), usize::MAX, Some(folder.path())).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_pipes_and_folders_are_refused_at_once() {
        let folder = folder();
        std::os::unix::fs::symlink("weights", folder.path().join("link")).unwrap();
        std::fs::create_dir(folder.path().join("directory")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
        assert!(pipe.success());
        for (location, why) in [("link", "symbolic link"), ("pipe", "regular file"), ("directory", "regular file")] {
            let error = read_tensor("w", &entries(&[("location", location)]), 4, Some(folder.path())).unwrap_err();
            assert!(error.to_string().contains(why), "{location}: {error}");
        }
    }
}
