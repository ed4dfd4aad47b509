//! What is to be explained: from a request's `RunSpec` to the engine's, each fault with its path.

use std::sync::Arc;

use tonic::Status;
use whyglass_engine as engine;
use whyglass_proto::v1;

use super::{duration, floats, to_json};
use crate::grpc::names::{parse_dataset, parse_item};
use crate::grpc::status::invalid;

/// All specs of a request.
///
/// # Errors
/// INVALID_ARGUMENT naming `specs` or the field within one.
pub(in crate::grpc) fn specs(messages: Vec<v1::RunSpec>) -> Result<Vec<engine::RunSpec>, Status> {
    if messages.is_empty() {
        return Err(invalid("specs", "NO_SPECS", "say what is to be explained"));
    }
    messages.into_iter().enumerate().map(|(i, message)| spec(message, &format!("specs[{i}]"))).collect()
}

fn spec(message: v1::RunSpec, path: &str) -> Result<engine::RunSpec, Status> {
    let source = match message.input {
        Some(v1::run_spec::Input::Image(source)) => image(Some(source), &format!("{path}.image"))?,
        Some(v1::run_spec::Input::Dataset(name)) => {
            engine::ImageSource::Dataset(parse_dataset(&name, &format!("{path}.dataset"))?.to_owned())
        }
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
        Some(v1::image_source::Source::DatasetItem(name)) => {
            let (dataset, item) = parse_item(&name, &format!("{field}.dataset_item"))?;
            Ok(engine::ImageSource::DatasetItem { dataset: dataset.to_owned(), item: item.to_owned() })
        }
        None => Err(invalid(field, "NO_IMAGE", "send a picture: encoded or pixels")),
    }
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
    fn a_dataset_and_a_picture_of_it_go_by_their_names_and_never_by_a_path() {
        let dataset =
            |name: &str| v1::RunSpec { input: Some(v1::run_spec::Input::Dataset(name.to_owned())), ..valid() };
        let item = |name: &str| {
            let source = Some(v1::image_source::Source::DatasetItem(name.to_owned()));
            v1::RunSpec { input: Some(v1::run_spec::Input::Image(v1::ImageSource { source })), ..valid() }
        };
        let taken = specs(vec![dataset("datasets/animals"), item("datasets/animals/items/bear/a.jpg")]).expect("fine");
        assert!(matches!(&taken[0].image, engine::ImageSource::Dataset(name) if name == "animals"));
        assert!(matches!(&taken[1].image, engine::ImageSource::DatasetItem { item, .. } if item == "bear/a.jpg"));
        assert!(fault(vec![dataset("/etc")]).starts_with("specs[0].dataset:"));
        assert!(fault(vec![dataset("datasets/../etc")]).starts_with("specs[0].dataset:"));
        assert!(fault(vec![item("datasets/animals")]).starts_with("specs[0].image.dataset_item:"));
    }

    #[test]
    fn a_valid_spec_arrives_whole() {
        let seed = Some(7);
        let spec = &specs(vec![v1::RunSpec { seed, technique: "occlusion".to_owned(), ..valid() }]).expect("fine")[0];
        assert_eq!((spec.seed, spec.technique.as_str(), spec.max_duration), (Some(7), "occlusion", None));
    }
}
