//! "Did you mean …?": the nearest known name to one that is not known.

/// The most similar of `known`, if any is similar enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `unknown technique 'gradcam': did you mean 'grad-cam'?`
pub(crate) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(nearest) = nearest(name, known.clone()) {
        return format!("unknown {what} '{name}': did you mean '{nearest}'?");
    }
    let some: Vec<&str> = known.take(20).collect();
    match some.len() {
        0 => format!("unknown {what} '{name}': there is none"),
        _ => format!("unknown {what} '{name}': there are {}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_nonsense_finds_none() {
        let known = ["grad-cam", "occlusion"];
        assert_eq!(nearest("gradcam", known.into_iter()), Some("grad-cam"));
        assert_eq!(nearest("ocllusion", known.into_iter()), Some("occlusion"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
        assert!(unknown("technique", "zzz", known.into_iter()).contains("grad-cam, occlusion"));
    }
}
