//! A dataset as a list: `manifest.csv` with the columns `path` and `label`, or `manifest.json` with a title and items. Paths
//! are relative to the manifest and stay within its folder; an empty label means that the class is not known.

use std::collections::HashMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::Listing;

/// The files that make a folder a dataset.
pub(super) const NAMES: [&str; 2] = ["manifest.csv", "manifest.json"];

/// By its extension.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "csv" || extension == "json")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    title: String,
    items: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: String,
    #[serde(default)]
    label: Option<String>,
}

pub(super) fn read(path: &Path) -> Result<Listing, String> {
    let at = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| at(error.to_string()))?;
    let json = path.extension().is_some_and(|extension| extension == "json");
    let document = if json {
        serde_json::from_str(&text).map_err(|error| at(error.to_string()))?
    } else {
        from_csv(&text).map_err(at)?
    };
    list(document).map_err(at)
}

fn from_csv(text: &str) -> Result<Document, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    if let Some(unknown) = header.iter().find(|name| !["path", "label"].contains(name)) {
        return Err(format!("the column '{unknown}' is not known: the first line names the columns, path and label"));
    }
    let items = reader.deserialize().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok(Document { title: String::new(), items })
}

fn list(document: Document) -> Result<Listing, String> {
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut items = Vec::with_capacity(document.items.len());
    for Row { path, label } in document.items {
        let id = inside(&path).ok_or_else(|| {
            format!("'{path}' leads out of the dataset's folder: paths are relative to the manifest and stay within its folder")
        })?;
        let label = label.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
        let named = label.clone().unwrap_or_default();
        match seen.insert(id.clone(), named.clone()) {
            None => items.push((id, label)),
            Some(first) if first == named => return Err(format!("the picture '{id}' is listed twice: keep one line")),
            Some(first) => {
                return Err(format!("the picture '{id}' has two labels, '{first}' and '{named}': keep one of them"));
            }
        }
    }
    Ok(Listing { title: document.title, items })
}

/// The path with its plain parts only. `None`: it is empty, absolute or leads upwards.
fn inside(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(path.trim()).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Listing, String> {
        from_csv(text).and_then(list)
    }

    #[test]
    fn a_table_is_read_with_quotes_and_open_labels() {
        let listing = csv("path,label\n./a.png, cat\n\"b, c.png\",\nd/e.jpg,dog\n").unwrap();
        let items: Vec<_> = listing.items.iter().map(|(id, label)| (id.as_str(), label.as_deref())).collect();
        assert_eq!(items, [("a.png", Some("cat")), ("b, c.png", None), ("d/e.jpg", Some("dog"))]);
        let document =
            serde_json::from_str(r#"{"title": "Pets", "items": [{"path": "a.png", "label": "cat"}]}"#).unwrap();
        assert_eq!(list(document).unwrap().title, "Pets");
    }

    #[test]
    fn two_labels_for_one_picture_are_named() {
        let error = csv("path,label\na.png,cat\n./a.png,dog\n").unwrap_err();
        assert!(error.contains("'a.png'") && error.contains("'cat'") && error.contains("'dog'"), "{error}");
        assert!(csv("path,label\na.png,cat\na.png,cat\n").unwrap_err().contains("listed twice"));
    }

    #[test]
    fn a_path_out_of_the_folder_and_an_unknown_column_are_refused() {
        for path in ["../a.png", "/etc/passwd", "a/../../b.png", "\"\""] {
            let error = csv(&format!("path,label\n{path},cat\n")).unwrap_err();
            assert!(error.contains("leads out"), "{path}: {error}");
        }
        assert!(csv("file,label\na.png,cat\n").unwrap_err().contains("'file'"));
    }
}
