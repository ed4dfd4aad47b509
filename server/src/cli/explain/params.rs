//! What was typed after `-p`, `--layer`, `--target`, `--max-duration` and `--alpha`, as values.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use whyglass_engine::Target;

use crate::cli::failure::Failure;

/// The parameters of each technique, by the technique's name.
pub(crate) type Params = BTreeMap<String, Map<String, Value>>;

/// Parses `NAME=VALUE` for all `techniques` and `TECHNIQUE.NAME=VALUE` for one of them. A value is JSON if it reads as JSON,
/// else a string: `-p size=0.2 -p fill=mean`.
pub(crate) fn parse(typed: &[String], layer: Option<&str>, techniques: &[String]) -> Result<Params, Failure> {
    let mut params: Params = techniques.iter().map(|technique| (technique.clone(), Map::new())).collect();
    let layer = layer.map(|layer| ("layer".to_owned(), Value::String(layer.to_owned())));
    let typed = typed.iter().map(|text| assignment(text));
    for parameter in layer.map(Ok).into_iter().chain(typed) {
        let (name, value) = parameter?;
        let one = name.split_once('.').filter(|(technique, _)| params.contains_key(*technique));
        if let Some((technique, name)) = one {
            params.entry(technique.to_owned()).or_default().insert(name.to_owned(), value);
        } else {
            for of_technique in params.values_mut() {
                of_technique.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(params)
}

fn assignment(text: &str) -> Result<(String, Value), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            Ok((name.trim().to_owned(), value))
        }
        _ => Err(Failure::refused(format!("-p {text}: write it as name=value, for example -p size=0.2"))),
    }
}

/// The class to explain: `CLASS` for everything, `PICTURE=CLASS` for one of `pictures` (by path or file name), `MODEL=CLASS` for
/// one of `models`. What is said of the model wins over what is said of the picture.
pub(crate) fn targets(typed: &[String], models: &[String], pictures: &[String]) -> Result<Targets, Failure> {
    let mut targets = Targets::default();
    for text in typed {
        let (name, class) = text.split_once('=').unwrap_or_default();
        let (name, class) = (name.trim(), target(class.trim()));
        let is_named = |picture: &&String| {
            *picture == name || Path::new(picture.as_str()).file_name().is_some_and(|file| file == name)
        };
        let before = if models.iter().any(|model| model == name) {
            targets.of_model.insert(name.to_owned(), class)
        } else if pictures.iter().any(|picture| is_named(&picture)) {
            let named = pictures.iter().filter(is_named);
            named.filter_map(|picture| targets.of_picture.insert(picture.clone(), class.clone())).last()
        } else {
            targets.all.replace(target(text))
        };
        if before.is_some() {
            return Err(Failure::refused(format!(
                "--target {text}: a class is given already; one for each model and picture is possible"
            )));
        }
    }
    Ok(targets)
}

/// Which class is explained for which model and picture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    all: Option<Target>,
    of_picture: BTreeMap<String, Target>,
    of_model: BTreeMap<String, Target>,
}

impl Targets {
    /// `None`: what the model sees.
    pub(crate) fn get(&self, model: &str, picture: &str) -> Option<Target> {
        self.of_model.get(model).or_else(|| self.of_picture.get(picture)).or(self.all.as_ref()).cloned()
    }
}

/// An index if it is a number, else a label.
fn target(text: &str) -> Target {
    text.parse().map_or_else(|_| Target::Label(text.to_owned()), Target::Index)
}

/// `500ms`, `30s`, `5m`, `1h`; more than nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = whyglass_server::config::parse_duration(text)?;
    if duration.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(duration) }
}

/// A number from 0 to 1.
pub(crate) fn opacity(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(alpha) if (0.0..=1.0).contains(&alpha) => Ok(alpha),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(typed: &[&str], techniques: &[&str]) -> Params {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        parse(&own(typed), None, &own(techniques)).unwrap()
    }

    #[test]
    fn values_are_json_or_plain_text() {
        let params =
            parsed(&["size=0.2", "fill=mean", "clip=true", "channels=[1,2]", "name=a=b", "empty="], &["occlusion"]);
        let expected =
            json!({ "size": 0.2, "fill": "mean", "clip": true, "channels": [1, 2], "name": "a=b", "empty": "" });
        assert_eq!(Value::from(params["occlusion"].clone()), expected);
    }

    #[test]
    fn a_prefix_chooses_the_technique() {
        let params = parsed(&["occlusion.size=0.1", "score=logit"], &["occlusion", "lime"]);
        assert_eq!(Value::from(params["occlusion"].clone()), json!({ "size": 0.1, "score": "logit" }));
        assert_eq!(Value::from(params["lime"].clone()), json!({ "score": "logit" }));
    }

    #[test]
    fn layer_is_a_parameter_and_the_explicit_one_wins() {
        let techniques = ["grad-cam".to_owned()];
        let params = parse(&["layer=b".to_owned()], Some("a"), &techniques).unwrap();
        assert_eq!(params["grad-cam"]["layer"], "b");
        assert_eq!(parse(&[], Some("a"), &techniques).unwrap()["grad-cam"]["layer"], "a");
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        for text in ["size", "=3"] {
            assert!(parse(&[text.to_owned()], None, &[]).unwrap_err().to_string().contains(text));
        }
    }

    #[test]
    fn a_time_of_nothing_is_refused() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("0s").is_err() && duration("5 parsecs").is_err());
    }

    #[test]
    fn a_target_may_be_for_one_of_the_models_or_pictures() {
        let models = ["lite".to_owned(), "three".to_owned()];
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let targets = |typed: &[&str]| targets(&own(typed), &models, &own(&["a/coyote.jpg", "bear.jpg"]));
        let label = |text: &str| Some(Target::Label(text.to_owned()));
        let both = targets(&["ox", "three=bear"]).unwrap();
        assert_eq!((both.get("lite", "bear.jpg"), both.get("three", "bear.jpg")), (label("ox"), label("bear")));
        assert_eq!(targets(&["three=2"]).unwrap().get("lite", "bear.jpg"), None);
        assert_eq!(targets(&["e=mc"]).unwrap().get("lite", "bear.jpg"), label("e=mc"));
        assert!(targets(&["ox", "ram"]).unwrap_err().to_string().contains("--target ram"));

        let each = targets(&["coyote.jpg=coyote", "bear.jpg=brown bear", "three=bear"]).unwrap();
        assert_eq!(each.get("lite", "a/coyote.jpg"), label("coyote"));
        assert_eq!(each.get("lite", "bear.jpg"), label("brown bear"));
        assert_eq!(each.get("three", "a/coyote.jpg"), label("bear"));
        assert!(targets(&["bear.jpg=ox", "bear.jpg=ram"]).is_err());
    }

    #[test]
    fn a_target_is_an_index_or_a_label() {
        assert_eq!(target("294"), Target::Index(294));
        assert_eq!(target("brown bear"), Target::Label("brown bear".to_owned()));
    }
}
