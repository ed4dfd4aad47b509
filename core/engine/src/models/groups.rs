//! Derived models: which classes of the file each group of `model.toml` stands for, by the labels of the model that is
//! extended.

use super::folder::Source;
use super::load::broken;
use super::toml::ModelToml;
use crate::error::Result;
use crate::json::{ClassGroup, ModelDescriptor};
use crate::suggest;

/// The class that completes the groups.
pub(super) const OTHER: &str = "other";

/// The groups of a derived model; none for any other.
#[derive(Debug, Default)]
pub(super) struct Derived {
    pub groups: Vec<ClassGroup>,
    /// Labels of the file's classes, and the group that each is a part of.
    pub members: Vec<(String, u32)>,
}

/// # Errors
/// MODEL_FAILED naming a label that the extended model does not have, or that is in two groups.
pub(super) fn read(source: &Source, toml: &ModelToml) -> Result<Derived> {
    if toml.classes.is_empty() {
        return Ok(Derived::default());
    }
    let mut known = Vec::new();
    if let Some(path) = &source.labels {
        let text = std::fs::read_to_string(path)
            .map_err(|error| broken(source, format!("cannot read {}: {error}", path.display())))?;
        known.extend(text.lines().map(|line| line.trim().to_owned()));
    }
    resolve(toml, &known).map_err(|why| broken(source, why))
}

fn resolve(toml: &ModelToml, known: &[String]) -> Result<Derived, String> {
    let mut derived = Derived::default();
    let mut taken = vec![None::<&str>; known.len()];
    for (index, class) in (0..).zip(&toml.classes) {
        if class.name.eq_ignore_ascii_case(OTHER) || derived.groups.iter().any(|group| group.name == class.name) {
            return Err(format!("[[class]] '{}': the name is taken; '{OTHER}' is added by itself", class.name));
        }
        let mut members = Vec::with_capacity(class.labels.len());
        for label in &class.labels {
            let found = find(label, known).map_err(|why| format!("[[class]] '{}': {why}", class.name))?;
            if let Some(slot) = taken.get_mut(found as usize)
                && let Some(other) = slot.replace(&class.name)
            {
                return Err(format!("the label '{label}' is in [[class]] '{other}' and in '{}': keep one", class.name));
            }
            members.push(found);
            derived.members.push((known.get(found as usize).unwrap_or(label).clone(), index));
        }
        derived.groups.push(ClassGroup { name: class.name.clone(), members });
    }
    Ok(derived)
}

/// A class of the extended model, by its label, one of the names that a label lists, or its index.
fn find(label: &str, known: &[String]) -> Result<u32, String> {
    let same = |other: &str| other.trim().eq_ignore_ascii_case(label.trim());
    let tests: [&dyn Fn(&str) -> bool; 2] = [&same, &|other: &str| other.split(',').any(same)];
    for test in tests {
        let found: Vec<usize> = (0..known.len()).filter(|&index| test(&known[index])).collect();
        match found[..] {
            [] => {}
            [index] => return Ok(u32::try_from(index).unwrap_or(u32::MAX)),
            _ => return Err(format!("the classes {found:?} are all called '{label}': give the index")),
        }
    }
    label.trim().parse().map_err(|_| suggest::unknown("label", label, known.iter().map(String::as_str)))
}

/// The groups' names and `other`, if the loaded model has so many classes.
pub(super) fn labels(source: &Source, groups: &[ClassGroup], descriptor: &ModelDescriptor) -> Result<Vec<String>> {
    let labels: Vec<String> = groups.iter().map(|group| group.name.clone()).chain([OTHER.to_owned()]).collect();
    if labels.len() == descriptor.classes as usize {
        return Ok(labels);
    }
    Err(broken(
        source,
        format!("the back end cannot put classes together: it gave {} of {}", descriptor.classes, labels.len()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(classes: &str) -> Result<Derived, String> {
        let known = ["brown bear, bruin", "ox", "crane", "crane"].map(str::to_owned);
        resolve(&ModelToml::parse(&format!("extends = 'lite'\n{classes}")).unwrap(), &known)
    }

    #[test]
    fn labels_become_the_classes_of_the_file() {
        let derived =
            derived("[[class]]\nname = 'bear'\nlabels = ['Bruin']\n[[class]]\nname = 'bird'\nlabels = ['2', '3']\n")
                .unwrap();
        assert_eq!(derived.groups[0], ClassGroup { name: "bear".into(), members: vec![0] });
        assert_eq!(derived.groups[1].members, [2, 3]);
        assert_eq!(derived.members[0], ("brown bear, bruin".to_owned(), 0));
    }

    #[test]
    fn a_label_that_is_not_there_ambiguous_or_in_two_groups_is_named() {
        let fault = |labels: &str| derived(&format!("[[class]]\nname = 'a'\nlabels = [{labels}]\n")).unwrap_err();
        assert!(fault("'oks'").contains("'oks'"));
        assert!(fault("'crane'").contains("[2, 3]"));
        assert!(fault("'ox', '1'").contains("'1'"));
        assert!(derived("[[class]]\nname = 'Other'\nlabels = ['ox']\n").unwrap_err().contains("taken"));
    }
}
