//! What is to be explained: from a request's `RunSpec` to the engine's, each fault with its path.

use std::sync::Arc;

use tonic::{Code, Status};
use whyglass_engine as engine;
use whyglass_proto::v1;

use super::{duration, floats, to_json};
use crate::grpc::status::{invalid, status};

/// All specs of a request.
///
/// # Errors
/// INVALID_ARGUMENT naming `specs` or the field within one, UNIMPLEMENTED for datasets.
pub(in crate::grpc) fn specs(messages: Vec<v1::RunSpec>) -> Result<Vec<engine::RunSpec>, Status> {
    if messages.is_empty() {
        return Err(invalid("specs", "NO_SPECS", "say what is to be explained"));
    }
    messages.into_iter().enumerate().map(|(i, message)| spec(message, &format!("specs[{i}]"))).collect()
}

fn spec(message: v1::RunSpec, path: &str) -> Result<engine::RunSpec, Status> {
    let source = match message.input {
        Some(v1::run_spec::Input::Image(source)) => image(Some(source), &format!("{path}.image"))?,
        Some(v1::run_spec::Input::Dataset(_)) => return Err(no_datasets(&format!("{path}.dataset"))),
        None => image(None, &format!("{path}.image"))?,
    };
    let target = message.target.map(|target| match target.target {
        Some(v1::target::Target::ClassIndex(index)) => Ok(engine::Target::Index(index)),
        Some(v1::target::Target::ClassLabel(label)) => Ok(engine::Target::Label(label)),
        None => {
            Err(invalid(&format!("{path}.target"), "EMPTY_TARGET", "set class_index or class_label, or leave it out"))
        }
    });
    Ok(engine::RunSpec {
        model: message.model,
        technique: message.technique,
        image: source,
        target: target.transpose()?,
        params: to_json(message.params.unwrap_or_default(), &format!("{path}.params"))?,
        seed: message.seed,
        max_duration: duration(message.max_duration, &format!("{path}.max_duration"))?,
    })
}

/// A picture of a request; `field` is where it was found.
pub(in crate::grpc) fn image(message: Option<v1::ImageSource>, field: &str) -> Result<engine::ImageSource, Status> {
    match message.and_then(|message| message.source) {
        Some(v1::image_source::Source::Encoded(bytes)) => Ok(engine::ImageSource::Encoded(bytes)),
        Some(v1::image_source::Source::Pixels(tensor)) => {
            let (shape, values) = floats(&tensor, &format!("{field}.pixels"))?;
            Ok(engine::ImageSource::Pixels { shape, data: Arc::new(values) })
        }
        Some(v1::image_source::Source::DatasetItem(_)) => Err(no_datasets(&format!("{field}.dataset_item"))),
        None => Err(invalid(field, "NO_IMAGE", "send a picture: encoded or pixels")),
    }
}

fn no_datasets(field: &str) -> Status {
    status(Code::Unimplemented, "NO_DATASETS", format!("{field}: this server has no datasets; send the picture itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> v1::RunSpec {
        let source = v1::image_source::Source::Encoded(vec![1].into());
        let image = v1::ImageSource { source: Some(source) };
        v1::RunSpec { input: Some(v1::run_spec::Input::Image(image)), ..Default::default() }
    }

    fn fault(specs_given: Vec<v1::RunSpec>) -> String {
        specs(specs_given).expect_err("a fault").message().to_owned()
    }

    #[test]
    fn each_fault_is_blamed_on_its_own_field() {
        assert!(fault(vec![]).starts_with("specs:"));
        assert!(fault(vec![valid(), v1::RunSpec::default()]).starts_with("specs[1].image:"));
        let target = Some(v1::Target::default());
        assert!(fault(vec![v1::RunSpec { target, ..valid() }]).starts_with("specs[0].target:"));
        let max_duration = Some(prost_types::Duration { seconds: -2, nanos: 0 });
        assert!(fault(vec![v1::RunSpec { max_duration, ..valid() }]).starts_with("specs[0].max_duration:"));
    }

    #[test]
    fn datasets_are_unimplemented_and_say_so() {
        let dataset = Some(v1::run_spec::Input::Dataset("datasets/animals".to_owned()));
        let refused = specs(vec![v1::RunSpec { input: dataset, ..valid() }]).expect_err("refused");
        assert_eq!(refused.code(), Code::Unimplemented);
        assert!(refused.message().contains("specs[0].dataset"));
    }

    #[test]
    fn a_valid_spec_arrives_whole() {
        let seed = Some(7);
        let spec = &specs(vec![v1::RunSpec { seed, technique: "occlusion".to_owned(), ..valid() }]).expect("fine")[0];
        assert_eq!((spec.seed, spec.technique.as_str(), spec.max_duration), (Some(7), "occlusion", None));
    }
}
