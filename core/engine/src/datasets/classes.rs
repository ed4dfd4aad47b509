//! Which class of a model a class of a dataset is: by `classes.toml`, by label, by index, or by the group that a label
//! belongs to. What matches nothing is one error that lists it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Dataset;
use crate::error::{Error, Result};
use crate::models::LoadedModel;

/// The file in a dataset's folder that says what the names do not.
const FILE: &str = "classes.toml";
/// How many names an error lists.
const LISTED: usize = 20;

/// What `classes.toml` says of one name: a label, an index, or several to be tried in order, for several models.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Meaning {
    Index(u32),
    Label(String),
    Several(Vec<Meaning>),
}

/// The model's class index for each class of the dataset.
///
/// # Errors
/// UNMATCHED_CLASSES, listing them; BAD_CLASSES for a broken `classes.toml`.
pub(super) fn matched(dataset: &Dataset, model: &LoadedModel) -> Result<Vec<i64>> {
    let said = read(&dataset.folder).map_err(|why| Error::precondition("BAD_CLASSES", why).at("dataset"))?;
    if let Some(unknown) = said.keys().find(|name| !dataset.classes.contains(name)) {
        let known = dataset.classes.iter().map(String::as_str);
        let message =
            format!("{FILE} of the dataset '{}': {}", dataset.name, crate::suggest::unknown("class", unknown, known));
        return Err(Error::precondition("BAD_CLASSES", message).at("dataset"));
    }
    let names = Names { labels: model.labels(), classes: model.descriptor().classes, groups: model.groups() };
    let (mut found, mut unmatched) = (Vec::new(), Vec::new());
    for name in &dataset.classes {
        let index = said.get(name).map_or_else(|| names.find(name), |meaning| names.meant(meaning));
        match index {
            Some(index) => found.push(i64::from(index)),
            None => unmatched.push(format!("'{name}'")),
        }
    }
    if unmatched.is_empty() {
        return Ok(found);
    }
    let more = unmatched.len().saturating_sub(LISTED);
    unmatched.truncate(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!(
        "the model '{}' has no class for {}{more} of the dataset '{}': name the folders by label or index, or say in its {FILE} \
         which class each is",
        model.name(),
        unmatched.join(", "),
        dataset.name
    );
    Err(Error::precondition("UNMATCHED_CLASSES", message).at("dataset"))
}

fn read(folder: &Path) -> Result<BTreeMap<String, Meaning>, String> {
    let path = folder.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.message())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// What a model calls its classes.
struct Names<'a> {
    labels: &'a [String],
    classes: u32,
    /// Of a derived model: a label that was put into a group, and the group's index.
    groups: &'a [(String, u32)],
}

impl Names<'_> {
    fn meant(&self, meaning: &Meaning) -> Option<u32> {
        match meaning {
            Meaning::Index(index) => Some(*index).filter(|&index| index < self.classes),
            Meaning::Label(label) => self.find(label),
            Meaning::Several(all) => all.iter().find_map(|meaning| self.meant(meaning)),
        }
    }

    /// A label comes before an index: where labels are numbers, "1" means the class that is called so.
    fn find(&self, name: &str) -> Option<u32> {
        let same = |other: &str| alike(other, name);
        let tests: [&dyn Fn(&str) -> bool; 2] = [&same, &|label: &str| label.split(',').any(same)];
        for test in tests {
            if let Some(index) = self.labels.iter().position(|label| test(label)) {
                return u32::try_from(index).ok();
            }
        }
        let index = name.trim().parse::<u32>().ok().filter(|&index| index < self.classes);
        index.or_else(|| self.groups.iter().find(|(label, _)| label.split(',').any(same)).map(|&(_, index)| index))
    }
}

/// Case, and what stands for a space in the name of a folder, make no difference.
fn alike(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.trim().to_lowercase().replace(['_', '-'], " ");
    plain(one) == plain(other)
}

/// Numbers by their value and before words, words by the alphabet.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(x), Ok(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(labels: &[String]) -> Names<'_> {
        Names { labels, classes: 3, groups: &[] }
    }

    #[test]
    fn a_name_is_a_label_one_of_its_synonyms_or_an_index() {
        let labels = ["brown bear, bruin".to_owned(), "ox".to_owned(), "ram".to_owned()];
        let names = names(&labels);
        let found = ["Brown_Bear", "bruin", "OX", "2", "3", "cat"].map(|name| names.find(name));
        assert_eq!(found, [Some(0), Some(0), Some(1), Some(2), None, None]);
    }

    #[test]
    fn where_labels_are_numbers_the_label_is_meant() {
        let labels = ["1".to_owned(), "2".to_owned(), "3".to_owned()];
        assert_eq!(["1", "3", "0"].map(|name| names(&labels).find(name)), [Some(0), Some(2), Some(0)]);
    }

    #[test]
    fn a_label_that_was_put_into_a_group_means_the_group() {
        let labels = ["bear".to_owned(), "other".to_owned()];
        let groups = [("brown bear, bruin".to_owned(), 0)];
        let names = Names { labels: &labels, classes: 2, groups: &groups };
        assert_eq!(["bear", "bruin", "ox"].map(|name| names.find(name)), [Some(0), Some(0), None]);
    }

    #[test]
    fn the_file_may_name_a_label_an_index_or_several() {
        let said: BTreeMap<String, Meaning> = toml::from_str("a = 2\nb = 'ox'\nc = ['bear', 'ox']\nd = 9").unwrap();
        let labels = ["cat".to_owned(), "ox".to_owned(), "ram".to_owned()];
        let names = names(&labels);
        assert_eq!(["a", "b", "c", "d"].map(|key| names.meant(&said[key])), [Some(2), Some(1), Some(1), None]);
    }
}
