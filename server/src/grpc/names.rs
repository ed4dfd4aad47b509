//! Resource names: `runs/{run}`, `runs/{run}/artifacts/{artifact}`, `datasets/{dataset}` and
//! `datasets/{dataset}/items/{item}`. The engine knows bare ids only.

use tonic::Status;

use super::status::invalid;

/// `runs/{run}`
pub fn run_name(run: &str) -> String {
    format!("runs/{run}")
}

/// `runs/{run}/artifacts/{artifact}`
pub fn artifact_name(run: &str, artifact: &str) -> String {
    format!("runs/{run}/artifacts/{artifact}")
}

/// `datasets/{dataset}`
pub fn dataset_name(dataset: &str) -> String {
    format!("datasets/{dataset}")
}

/// `datasets/{dataset}/items/{item}`; an item's id may have slashes.
pub fn item_name(dataset: &str, item: &str) -> String {
    format!("datasets/{dataset}/items/{item}")
}

/// The id in a dataset's name; `field` is where the name was found.
pub(super) fn parse_dataset<'a>(name: &'a str, field: &str) -> Result<&'a str, Status> {
    match name.strip_prefix("datasets/") {
        Some(id) if !id.is_empty() && !id.contains('/') => Ok(id),
        _ => {
            Err(invalid(field, "BAD_NAME", format!("'{name}' is not the name of a dataset; use datasets/{{dataset}}")))
        }
    }
}

/// The ids in an item's name: dataset, item.
pub(super) fn parse_item<'a>(name: &'a str, field: &str) -> Result<(&'a str, &'a str), Status> {
    let ids = name.strip_prefix("datasets/").and_then(|rest| rest.split_once("/items/"));
    match ids {
        Some((dataset, item)) if !dataset.is_empty() && !dataset.contains('/') && !item.is_empty() => {
            Ok((dataset, item))
        }
        _ => {
            let wanted = "use datasets/{dataset}/items/{item}";
            Err(invalid(field, "BAD_NAME", format!("'{name}' is not the name of a picture in a dataset; {wanted}")))
        }
    }
}

/// The id in a run's name; `field` is where the name was found.
pub(super) fn parse_run<'a>(name: &'a str, field: &str) -> Result<&'a str, Status> {
    match name.strip_prefix("runs/") {
        Some(id) if !id.is_empty() && !id.contains('/') => Ok(id),
        _ => Err(invalid(field, "BAD_NAME", format!("'{name}' is not the name of a run; use runs/{{run}}"))),
    }
}

/// The ids in an artifact's name: run, artifact.
pub(super) fn parse_artifact<'a>(name: &'a str, field: &str) -> Result<(&'a str, &'a str), Status> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        ["runs", run, "artifacts", artifact] if !run.is_empty() && !artifact.is_empty() => Ok((run, artifact)),
        _ => {
            let wanted = "use runs/{run}/artifacts/{artifact}";
            Err(invalid(field, "BAD_NAME", format!("'{name}' is not the name of an artifact; {wanted}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_they_were_put_together() {
        assert_eq!(parse_run(&run_name("ab"), "run").expect("a name"), "ab");
        assert_eq!(parse_artifact(&artifact_name("ab", "map"), "name").expect("a name"), ("ab", "map"));
        assert_eq!(parse_dataset(&dataset_name("pets"), "dataset").expect("a name"), "pets");
        assert_eq!(parse_item(&item_name("pets", "cat/a.png"), "item").expect("a name"), ("pets", "cat/a.png"));
    }

    #[test]
    fn anything_else_is_refused() {
        for name in ["", "ab", "runs/", "runs/a/b", "models/ab"] {
            assert!(parse_run(name, "run").is_err(), "{name}");
        }
        for name in ["", "pets", "datasets/", "datasets/a/b", "datasets/..\u{2f}x"] {
            assert!(parse_dataset(name, "dataset").is_err(), "{name}");
        }
        for name in ["datasets/a", "datasets/a/items/", "datasets//items/b", "datasets/a/b/items/c"] {
            assert!(parse_item(name, "item").is_err(), "{name}");
        }
        for name in ["runs/a", "runs/a/artifacts/", "runs//artifacts/map", "runs/a/artifacts/b/c"] {
            assert!(parse_artifact(name, "name").is_err(), "{name}");
        }
    }
}
