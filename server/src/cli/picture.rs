//! Pictures named on the command line: read, bounded and checked before anything else is done.

use std::path::Path;

use bytes::Bytes;
use whyglass_imaging::{Limits, Picture};

use super::failure::Failure;

/// A file, and the picture in it.
#[derive(Clone, Debug)]
pub(crate) struct PictureFile {
    /// As it was typed.
    pub(crate) name: String,
    pub(crate) encoded: Bytes,
    /// Upright.
    pub(crate) picture: Picture,
}

/// Reads and decodes a picture.
pub(crate) fn read(path: &Path, limits: &Limits) -> Result<PictureFile, Failure> {
    let name = path.display().to_string();
    let refused = |message: String| Failure::refused(format!("{name}: {message}"));
    let metadata = std::fs::metadata(path).map_err(|error| refused(explain(&error)))?;
    if metadata.is_dir() {
        return Err(refused("is a folder, not a picture".to_owned()));
    }
    if metadata.len() > limits.encoded_bytes as u64 {
        let bytes = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let error = whyglass_imaging::Error::TooManyBytes { bytes, limit: limits.encoded_bytes };
        return Err(refused(error.to_string()));
    }
    let encoded = Bytes::from(std::fs::read(path).map_err(|error| refused(explain(&error)))?);
    let picture = whyglass_imaging::decode(&encoded, limits).map_err(|error| refused(error.to_string()))?;
    Ok(PictureFile { name, encoded, picture })
}

fn explain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission to read it is denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.jpg");
        std::fs::write(&text, "just text").unwrap();
        let message = |path: &Path| read(path, &Limits::default()).unwrap_err().to_string();
        assert!(message(&text).contains("notes.jpg: not a picture"), "{}", message(&text));
        assert!(message(folder.path()).contains("is a folder"));
        assert!(message(Path::new("nowhere.png")).contains("nowhere.png: no such file"));
    }
}
