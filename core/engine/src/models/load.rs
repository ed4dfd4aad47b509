//! Loading one model: its file's fingerprint, the back end for its format, and what the loaded model says of itself.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use whyglass_abi::safe::str_from;
use whyglass_abi::{WG_OK, WgModel, WgStr};
use whyglass_imaging::Fit;

use super::activations::Activations;
use super::folder::Source;
use super::{LoadedModel, ModelInfo, ModelState, choose, groups, occlude};
use crate::call::{Call, Silent};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::json::{ModelDescriptor, Normalization};
use crate::plugins::Backend;
use crate::plugins::registry::Registry;

/// What the engine decides of every model that it loads.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub threads: u32,
    /// Instead of what model.toml says.
    pub normalization: Option<Normalization>,
    /// The id of a back end, instead of what model.toml says.
    pub backend: Option<String>,
    /// Of what it gave for pictures themselves.
    pub activations_bytes: usize,
}

/// Loads `source`, however long that takes.
pub(super) fn load(source: &Source, mut info: ModelInfo, plugins: &Registry, how: &How) -> Result<LoadedModel> {
    let toml = source.toml.as_ref().map_err(|why| broken(source, why.clone()))?;
    let (policy, filter) = toml.fit().map_err(|why| broken(source, why))?;
    let mut options = toml.options().map_err(|why| broken(source, why))?;
    options.threads = how.threads;
    options.normalize = how.normalization.or(options.normalize);
    let derived = groups::read(source, toml)?;
    let normalization = options.normalize;
    options.groups.clone_from(&derived.groups);
    info.sha256 = crate::sha256::of_file(&source.file)
        .map_err(|error| broken(source, format!("cannot read {}: {error}", source.file.display())))?;
    let extension = source.file.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    let path = source.file.canonicalize().map_err(|error| broken(source, error.to_string()))?;
    let (device, backend) = (options.device.clone(), how.backend.as_deref().or(toml.backend.as_deref()));
    let wanted = choose::Wanted { extension: &extension.to_lowercase(), device: device.as_deref(), backend };
    let options =
        serde_json::to_string(&options).map_err(|error| Error::internal("LOAD_OPTIONS", error.to_string()))?;

    let call = Call::new(Silent::new(&source.name), how.threads);
    let choose::Chosen { backend, inside, table, notice: passed_over } =
        choose::load(plugins, wanted, |backend| open(backend, &call, &path, &options))?;
    // From here on the model is unloaded by its `Drop`, whatever goes wrong.
    let mut model = LoadedModel {
        info,
        descriptor: Arc::default(),
        json: String::new(),
        fit: Fit { policy, filter, width: 1, height: 1 },
        normalization,
        notices: passed_over.into_iter().collect(),
        groups: derived.members,
        backend,
        occlude: occlude::find(&table),
        table,
        activations: Activations::new(how.activations_bytes),
        disabled: Mutex::new(None),
        calls: Gate::new(0),
        loaded: Mutex::new(Some(inside)),
    };
    if model.table.run.is_none() {
        return Err(broken(source, "the back end returned a model without a run function".to_owned()));
    }
    let mut descriptor = describe(&model.table).map_err(|why| broken(source, why))?;
    descriptor.labels = if derived.groups.is_empty() {
        labels(source, &descriptor)?
    } else {
        groups::labels(source, &derived.groups, &descriptor)?
    };
    if descriptor.backend.is_empty() {
        descriptor.backend.clone_from(&model.backend.id);
    }
    if descriptor.runtime.is_empty() {
        descriptor.runtime.clone_from(&model.backend.descriptor.runtime);
    }
    let size = descriptor.input.ok_or_else(|| {
        broken(
            source,
            "the file leaves the input's size open: give input.width and input.height in model.toml".to_owned(),
        )
    })?;
    model.fit = Fit::new(policy, filter, size.width, size.height).map_err(|error| broken(source, error.to_string()))?;
    model.json =
        serde_json::to_string(&descriptor).map_err(|error| Error::internal("DESCRIPTOR", error.to_string()))?;
    model.notices.extend(notice(source, how.normalization));
    model.calls = Gate::new(descriptor.concurrency);
    model.descriptor = Arc::new(descriptor);
    model.info.state = ModelState::Ready;
    model.info.descriptor = Some(Arc::clone(&model.descriptor));
    Ok(model)
}

/// What a person should know of how pixels become the model's input.
fn notice(source: &Source, given: Option<Normalization>) -> Option<(String, String)> {
    let (reason, message) = match given {
        Some(Normalization { scale, mean, std, bgr }) => {
            let order = if bgr { ", blue first" } else { "" };
            let text = format!("pixels in 0…1 become (x·{scale} − {mean:?}) / {std:?}{order}, as the caller asked");
            ("NORMALISATION_GIVEN", text)
        }
        None if source.bare => {
            let text = "nothing says how the model wants its pixels: RGB in 0…1, stretched to its input, is assumed; \
                        write a model.toml (on the command line: --normalize)";
            ("NORMALISATION_ASSUMED", text.to_owned())
        }
        None => return None,
    };
    Some((reason.to_owned(), message))
}

pub(super) fn broken(source: &Source, why: String) -> Error {
    Error::precondition("MODEL_FAILED", format!("the model '{}' cannot be loaded: {why}", source.name)).at("model")
}

fn open(backend: &Backend, call: &Arc<Call>, path: &Path, options: &str) -> Result<WgModel> {
    let path = path.to_str().ok_or_else(|| Error::precondition("MODEL_FAILED", "the model's path is not UTF-8"))?;
    let mut table = WgModel {
        struct_size: size_of::<WgModel>(),
        self_: std::ptr::null_mut(),
        descriptor: WgStr::EMPTY,
        run: None,
        vjp: None,
        extension: None,
    };
    let load = backend.table.load.ok_or_else(|| Error::internal("NO_LOAD", "a back end without load was accepted"))?;
    let its_call = call.model_table();
    // SAFETY: everything lent lives until `load` returns; the back end fills no more than `struct_size` bytes.
    let status = unsafe { load(&raw const its_call, WgStr::new(path), WgStr::new(options), &raw mut table) };
    if status == WG_OK {
        return Ok(table);
    }
    Err(call.failure(status, &format!("the back end '{}', loading {path},", backend.id)))
}

fn describe(table: &WgModel) -> Result<ModelDescriptor, String> {
    // SAFETY: the descriptor lives as long as the model.
    let json = unsafe { str_from(table.descriptor) }.map_err(|error| format!("its descriptor: {error}"))?;
    let descriptor: ModelDescriptor = serde_json::from_str(json).map_err(|error| format!("its descriptor: {error}"))?;
    if descriptor.classes == 0 {
        return Err("it has no classes: it does not look like a classifier".to_owned());
    }
    Ok(descriptor)
}

/// One label a line, as many as there are classes.
fn labels(source: &Source, descriptor: &ModelDescriptor) -> Result<Vec<String>> {
    let Some(path) = &source.labels else { return Ok(descriptor.labels.clone()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| broken(source, format!("cannot read {}: {error}", path.display())))?;
    let labels: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if labels.len() != descriptor.classes as usize {
        let (found, classes) = (labels.len(), descriptor.classes);
        return Err(broken(source, format!("{} has {found} labels for {classes} classes", path.display())));
    }
    Ok(labels)
}
