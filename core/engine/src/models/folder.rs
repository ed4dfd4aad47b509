//! Where models are: folders with a `model.toml`, or the bare file that a command line names. Loads nothing.

use std::path::{Path, PathBuf};

use super::toml::ModelToml;

/// A model that could be loaded.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub name: String,
    pub file: PathBuf,
    /// What model.toml says, or why it cannot be read.
    pub toml: Result<ModelToml, String>,
    pub labels: Option<PathBuf>,
    /// No model.toml says how pixels become what the file expects.
    pub bare: bool,
}

/// The models in `directory`, sorted by name. A directory that is not there holds none.
pub(super) fn list(directory: &Path) -> Vec<Source> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("model.toml").is_file())
        .collect();
    folders.sort();
    folders.iter().filter_map(|folder| read(folder)).collect()
}

/// The model in `folder`. `None`: its name is no name.
fn read(folder: &Path) -> Option<Source> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let path = folder.join("model.toml");
    let toml = std::fs::read_to_string(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| ModelToml::parse(&text))
        .map_err(|error| format!("{}: {error}", path.display()));
    let (toml, folder) = match toml {
        Ok(own) if own.extends.is_some() => extended(own, folder),
        other => (other, folder.to_owned()),
    };
    let folder = folder.as_path();
    let said = toml.as_ref().ok();
    let file = folder.join(said.and_then(|toml| toml.file.as_deref()).unwrap_or("model.onnx"));
    let labels = match said.and_then(|toml| toml.labels.as_deref()) {
        Some(labels) => Some(folder.join(labels)),
        None => Some(folder.join("labels.txt")).filter(|path| path.is_file()),
    };
    Some(Source { name, file, toml, labels, bare: false })
}

/// A derived model: what it says over what the model beside it says, and that model's folder.
fn extended(own: ModelToml, folder: &Path) -> (Result<ModelToml, String>, PathBuf) {
    let base = own.extends.clone().unwrap_or_default();
    let place = folder.with_file_name(&base);
    let path = place.join("model.toml");
    let read =
        std::fs::read_to_string(&path).map_err(|error| format!("extends = '{base}': {}: {error}", path.display()));
    let merged = read.and_then(|text| ModelToml::parse(&text)).and_then(|other| match other.extends {
        None => Ok(own.over(other)),
        Some(_) => Err(format!("extends = '{base}', which is derived itself: extend what that one extends")),
    });
    (merged, place)
}

/// A model by its path: a folder, the file in a folder with a model.toml, or a bare file. `None`: no path.
pub(super) fn at(path: &str) -> Option<Source> {
    let place = Path::new(path);
    let named = |folder: &Path| read(folder).map(|source| Source { name: path.to_owned(), ..source });
    if place.join("model.toml").is_file() {
        return named(&place.canonicalize().ok()?);
    }
    if let Some(folder) = place.canonicalize().ok().as_deref().and_then(Path::parent)
        && folder.join("model.toml").is_file()
        && let Some(source) = named(folder)
        && source.file.canonicalize().ok() == place.canonicalize().ok()
    {
        return Some(source);
    }
    place.is_file().then(|| Source {
        name: path.to_owned(),
        file: place.to_owned(),
        toml: Ok(ModelToml::default()),
        labels: None,
        bare: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_the_model_toml_beside_it_says_and_bare_where_that_names_another() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        write("model.toml", "title = 'A'\nfile = 'a.onnx'");
        write("a.onnx", "");
        write("b.onnx", "");
        let at = |name: &str| at(root.path().join(name).to_str().unwrap());
        assert_eq!(at("a.onnx").map(|source| (source.bare, source.toml.unwrap().title)), Some((false, "A".to_owned())));
        assert_eq!(at("b.onnx").map(|source| source.bare), Some(true));
        assert!(at("c.onnx").is_none());
    }

    #[test]
    fn folders_are_models_and_a_broken_one_is_still_listed() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [("b", "title = 'B'\nfile = 'b.onnx'"), ("a", "titel = 'A'")] {
            std::fs::create_dir(root.path().join(name)).unwrap();
            std::fs::write(root.path().join(name).join("model.toml"), text).unwrap();
        }
        std::fs::create_dir(root.path().join("not-a-model")).unwrap();
        let found = list(root.path());
        assert_eq!(found.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(found[0].toml.as_ref().unwrap_err().contains("titel"));
        assert!(found[1].file.ends_with("b/b.onnx"));
    }
}
