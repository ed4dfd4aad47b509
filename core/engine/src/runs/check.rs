//! From a request to something that can run: every check that needs no computation, before anything is created. After
//! this nobody checks again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::event::Placement;
use super::images::Subject;
use super::inputs::{self, Input};
use super::key::Key;
use super::spec::{ImageSource, RunSpec, Target};
use super::{picture, resolve};
use crate::config::Limits;
use crate::datasets::bound::Bound;
use crate::datasets::{Dataset, registry::Registry as Datasets};
use crate::error::{Code, Error, Result};
use crate::json::{Capability, ModelDescriptor, Need};
use crate::models::LoadedModel;
use crate::models::proxy::RESERVED;
use crate::plugins::Technique;
use crate::plugins::registry::Registry;
use crate::{params, suggest};

/// Seeds survive JSON, where numbers are doubles.
pub(crate) const SEEDS: u64 = 1 << 53;

/// A request that can run.
pub(crate) struct CheckedSpec {
    pub model: Arc<LoadedModel>,
    pub technique: Arc<Technique>,
    pub inputs: Vec<Input>,
    /// Taken by the run.
    pub subject: Option<Subject>,
    pub placement: Option<Placement>,
    /// The picture as it was sent, for drawing results over it.
    pub image: ImageSource,
    /// The dataset that is explained, rather than a picture.
    pub dataset: Option<Arc<Dataset>>,
    /// `None`: the model's top class; of a dataset, no class at all.
    pub target: Option<u32>,
    /// Complete and resolved.
    pub params: Map<String, Value>,
    pub seed: u64,
    pub max_duration: Duration,
    /// `None`: no run is the same, and none is sought. So it is without a seed, which asks for a run of its own.
    pub key: Option<Key>,
}

/// Checks one spec. Fields of errors begin at the spec.
pub(crate) fn check(
    spec: RunSpec,
    model: Arc<LoadedModel>,
    plugins: &Registry,
    datasets: &Datasets,
    limits: &Limits,
    threads: u32,
) -> Result<CheckedSpec> {
    let technique = plugins.technique(&spec.technique)?;
    technique.usable()?;
    model.usable()?;
    let about_dataset = matches!(spec.image, ImageSource::Dataset(_));
    needs(&technique, &model, about_dataset)?;
    let params = technique.complete(&spec.params).map_err(|error| error.within("params"))?;
    layers(&technique, &model, &params).map_err(|error| error.within("params"))?;
    let target = spec.target.map(|target| class(&target, &model)).transpose()?;
    let shared = limits.cache_bytes > 0 && spec.seed.is_some();
    let seed = match spec.seed {
        Some(seed) if seed >= SEEDS => {
            return Err(Error::invalid("seed", "INVALID_SEED", format!("{seed} is not below 2^53 = {SEEDS}")));
        }
        Some(seed) => seed,
        None => draw()?,
    };
    let max_duration = spec.max_duration.unwrap_or(limits.run_duration);
    if max_duration.is_zero() {
        return Err(Error::invalid("max_duration", "INVALID_DURATION", "a duration above zero is wanted"));
    }
    let image = datasets.fetch(spec.image, limits)?;
    let (subject, placement) = match &image {
        ImageSource::Dataset(name) => {
            (Subject::Dataset(Arc::new(Bound::new(datasets.get(name)?, &model, limits)?)), None)
        }
        _ => {
            let (pixels, placement) = picture::pixels(&image, &model, limits)?;
            (Subject::Picture(pixels), placement)
        }
    };
    let dataset = match &subject {
        Subject::Dataset(bound) => Some(Arc::clone(&bound.dataset)),
        Subject::Picture(_) => None,
    };
    // Last, because it runs code of the plugin.
    let params = resolve::resolve(&technique, &model, params, limits.resolve, threads)?;
    let inputs = inputs::check(&technique, &model, about_dataset, &params, plugins, limits, threads)?;
    let max_duration = max_duration.min(limits.run_duration);
    let key = shared.then(|| Key::of((&model, &technique), &inputs, &params, (target, seed), &image)).flatten();
    Ok(CheckedSpec {
        model,
        technique,
        inputs,
        subject: Some(subject),
        placement,
        image,
        dataset,
        target,
        params,
        seed,
        max_duration,
        key,
    })
}

/// A seed for a run that asked for none.
fn draw() -> Result<u64> {
    let random = getrandom::u64().map_err(|error| Error::internal("NO_RANDOMNESS", error.to_string()))?;
    Ok(random % SEEDS)
}

/// Whether the model can do what the technique needs, and whether a dataset is there where it wants one.
pub(super) fn needs(technique: &Technique, model: &LoadedModel, dataset: bool) -> Result<()> {
    let descriptor = model.descriptor();
    if dataset && !technique.descriptor.needs.contains(&Need::Dataset) {
        let message =
            format!("the technique '{}' explains one picture, not a dataset: name a picture of it", technique.id);
        return Err(Error::precondition("NOT_ONE_PICTURE", message).at("technique"));
    }
    for need in &technique.descriptor.needs {
        let (has, name) = match need {
            Need::Gradients => (descriptor.has(Capability::Gradients) && model.has_vjp(), "gradients"),
            Need::InputGradients => (descriptor.has(Capability::InputGradients) && model.has_vjp(), "input-gradients"),
            Need::GuidedRules => (descriptor.has(Capability::GuidedRules) && model.has_vjp(), "guided-rules"),
            Need::InnerFeeds => (descriptor.has(Capability::InnerFeeds), "inner-feeds"),
            Need::FreeSize => (descriptor.has(Capability::FreeSize), "free-size"),
            Need::Dataset => (dataset, "dataset"),
            Need::Unknown => (false, "unknown"),
        };
        if has {
            continue;
        }
        let (id, model) = (&technique.id, model.name());
        let message = match need {
            Need::Dataset => format!(
                "the technique '{id}' explains a dataset, not one picture: give one with --dataset, or as the request's dataset"
            ),
            Need::Unknown => format!("the technique '{id}' needs something that this version does not know: update"),
            _ => {
                let obstacle = obstacle(descriptor).map(|what| format!(" ({what})")).unwrap_or_default();
                format!(
                    "the technique '{id}' needs {name}, which the model '{model}' does not have{obstacle}: choose another"
                )
            }
        };
        return Err(Error::precondition("MISSING_CAPABILITY", message).at("technique"));
    }
    Ok(())
}

/// What keeps gradients from the picture, where the model says so.
fn obstacle(model: &ModelDescriptor) -> Option<&str> {
    model.layer("input")?.reason.as_deref()
}

/// Layers that are named must exist, and be spatial where the technique says `x-spatial`.
fn layers(technique: &Technique, model: &LoadedModel, params: &Map<String, Value>) -> Result<()> {
    let schema = &technique.descriptor.params;
    let descriptor = model.descriptor();
    for (name, value) in params {
        let Some(id) = value.as_str().filter(|id| !id.is_empty()) else { continue };
        if !params::is_annotated(schema, name, "x-widget", &Value::from("layer")) {
            continue;
        }
        let Some(layer) = descriptor.layer(id) else {
            if RESERVED.contains(&id) {
                continue;
            }
            let known = descriptor.layers.iter().map(|layer| layer.id.as_str());
            let mut message = suggest::unknown("layer", id, known);
            message.push_str(&format!(" (of the model '{}')", model.name()));
            return Err(Error::invalid(name, "UNKNOWN_LAYER", message));
        };
        if params::is_annotated(schema, name, "x-spatial", &Value::Bool(true))
            && !(layer.spatial || layer.tokens.is_some())
        {
            let why = match layer.shape[..] {
                [tokens, _] => {
                    format!("is a sequence of {tokens}, and no grid of patches was found that it was cut from")
                }
                _ => format!("of shape {:?} has no place in the picture", layer.shape),
            };
            let message =
                format!("the layer '{id}' {why}; '{}' needs one that has a place: try 'features'", technique.id);
            return Err(Error::invalid(name, "LAYER_NOT_SPATIAL", message));
        }
    }
    Ok(())
}

/// The index of a class that is named by index, by label, or by one of the names that a label lists.
pub(super) fn class(target: &Target, model: &LoadedModel) -> Result<u32> {
    let (classes, labels) = (model.descriptor().classes, model.labels());
    let label = match target {
        Target::Index(index) if *index < classes => return Ok(*index),
        Target::Index(index) => {
            let message = format!("the model '{}' has classes 0 to {}, not {index}", model.name(), classes - 1);
            return Err(Error::new(Code::OutOfRange, "UNKNOWN_CLASS", message).at("target"));
        }
        Target::Label(label) => label.trim(),
    };
    let same = |other: &str| other.trim().to_lowercase() == label.to_lowercase();
    let tests: [&dyn Fn(&str) -> bool; 3] = [&|other| other == label, &same, &|other| other.split(',').any(same)];
    for test in tests {
        let found: Vec<usize> = (0..labels.len()).filter(|&index| test(&labels[index])).collect();
        match found[..] {
            [] => {}
            [index] => return Ok(u32::try_from(index).unwrap_or(u32::MAX)),
            _ => {
                let message = format!("the classes {found:?} are all called '{label}': give the index");
                return Err(Error::invalid("target", "AMBIGUOUS_CLASS", message));
            }
        }
    }
    // Without labels an index may still be written as text.
    if let Ok(index) = label.parse::<u32>() {
        return class(&Target::Index(index), model);
    }
    let nearest = suggest::nearest(label, labels.iter().flat_map(|label| label.split(',')).map(str::trim));
    let advice = nearest.map_or_else(|| "give its index".to_owned(), |nearest| format!("did you mean '{nearest}'?"));
    let message = format!("the model '{}' has no class '{label}': {advice}", model.name());
    Err(Error::invalid("target", "UNKNOWN_CLASS", message))
}
