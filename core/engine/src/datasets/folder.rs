//! A folder with a folder per class: the folder's name is the class, every picture in it an item. Folders within are not
//! looked into.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Listing, classes};

/// What is taken for a picture, by its name.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "gif"];

pub(super) fn read(root: &Path) -> Result<Listing, String> {
    let shown = root.display();
    let mut folders: Vec<String> = names(root)?.into_iter().filter(|name| root.join(name).is_dir()).collect();
    folders.sort_by(|a, b| classes::order(a, b));
    if folders.is_empty() {
        return Err(format!("{shown}: is no dataset: it wants a folder per class, or a manifest.csv or manifest.json"));
    }
    let mut listing = Listing::default();
    let mut seen: HashMap<PathBuf, String> = HashMap::new();
    for class in folders {
        let folder = root.join(&class);
        let mut pictures: Vec<String> = names(&folder)?.into_iter().filter(|name| is_picture(name)).collect();
        if pictures.is_empty() {
            return Err(format!("{shown}: the class folder '{class}' has no pictures: put some in, or remove it"));
        }
        pictures.sort();
        for name in pictures {
            let id = format!("{class}/{name}");
            // A link shows the same picture under another name; one that leads nowhere is unreadable when its turn comes.
            if let Ok(file) = folder.join(&name).canonicalize()
                && let Some(first) = seen.insert(file, id.clone())
            {
                return Err(format!("{shown}: '{first}' and '{id}' are one picture with two labels: keep one of them"));
            }
            listing.items.push((id, Some(class.clone())));
        }
    }
    Ok(listing)
}

/// The names in a folder, without hidden ones and those that are not UTF-8.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}

fn is_picture(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}
