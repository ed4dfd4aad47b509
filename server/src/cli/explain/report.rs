//! What is left of a run on disk: result.json, and for each artifact the raw numbers and a figure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use whyglass_engine::json::ArtifactKind;
use whyglass_engine::{ArtifactMeta, ArtifactState, Finished, RunState, Started};
use whyglass_imaging::Picture;

use super::figures::{Caption, Style, png};
use super::folder::Folder;
use super::plan::Subject;
use crate::cli::classify::score_documents;
use crate::cli::failure::{Exit, Failure};

/// `result.json`, in the order in which a person reads it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) technique: String,
    pub(crate) model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dataset: Option<String>,
    pub(crate) state: &'static str,
    /// The technique ran to its end.
    pub(crate) complete: bool,
    /// Why it ended as it did; left out where all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Value>,
    pub(crate) target: Option<Value>,
    pub(crate) seed: Option<u64>,
    pub(crate) params: Value,
    pub(crate) scores: Vec<Value>,
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) notices: Vec<Value>,
    pub(crate) artifacts: Vec<Value>,
    /// Where the model's input lies in the picture.
    pub(crate) placement: Option<Value>,
    pub(crate) manifest: Value,
}

/// What the events of a run have told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) started: Option<std::sync::Arc<Started>>,
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) notices: Vec<(String, String)>,
}

impl Document {
    pub(crate) fn new(technique: &str, model: &str, subject: &Subject, story: &Story, finished: &Finished) -> Self {
        let started = story.started.as_deref();
        let status = &finished.status;
        let outcome = || json!({ "reason": status.reason, "message": status.message, "field": status.field });
        Self {
            technique: technique.to_owned(),
            model: model.to_owned(),
            image: subject.picture().map(|_| subject.name().to_owned()),
            dataset: subject.picture().is_none().then(|| subject.name().to_owned()),
            state: finished.state.name(),
            complete: finished.complete,
            status: (!status.reason.is_empty() || !status.message.is_empty()).then(outcome),
            target: started
                .and_then(|started| started.resolved.target.as_ref())
                .map(|(index, label)| json!({ "index": index, "label": label })),
            seed: started.map(|started| started.resolved.seed),
            params: started.map_or(Value::Null, |started| started.resolved.params.clone().into()),
            scores: started.map(|started| score_documents(&started.scores)).unwrap_or_default(),
            metrics: story.metrics.clone(),
            notices: story
                .notices
                .iter()
                .map(|(reason, message)| json!({ "reason": reason, "message": message }))
                .collect(),
            artifacts: Vec::new(),
            placement: started.and_then(|started| started.placement).map(|place| {
                json!({
                    "original_width": place.original_width, "original_height": place.original_height,
                    "x": place.x, "y": place.y, "width": place.width, "height": place.height,
                })
            }),
            manifest: serde_json::from_str(&finished.manifest).unwrap_or(Value::Null),
        }
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(Failure::failed)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Writes `<artifact>.npy` (and `<artifact>-standard-error.npy`), `<artifact>.png`, and `<artifact>.csv` of what has names; returns what result.json says of it
/// and the figure.
pub(crate) fn write_artifact(
    folder: &Folder,
    artifact: &ArtifactState,
    picture: Option<&Picture>,
    started: Option<&Started>,
    caption: &Caption,
    style: &Style,
) -> Result<(Value, Option<Picture>), Failure> {
    let id = &*artifact.id;
    let npy = |tensor: &whyglass_engine::Tensor| whyglass_imaging::write_npy(&tensor.shape, &tensor.data);
    let file = format!("{id}.npy");
    folder.write(&file, &npy(&artifact.tensor))?;
    let mut document = json!({ "id": id, "kind": artifact.kind, "shape": artifact.tensor.shape, "file": file });
    if let Some(error) = &artifact.standard_error {
        let file = format!("{id}-standard-error.npy");
        folder.write(&file, &npy(error))?;
        document["standard_error"] = file.into();
    }
    document["meta"] = match &*artifact.meta {
        ArtifactMeta::Map(meta) => serde_json::to_value(meta),
        ArtifactMeta::Image(meta) => serde_json::to_value(meta),
        ArtifactMeta::Points(meta) => serde_json::to_value(meta),
        ArtifactMeta::Table(meta) => serde_json::to_value(meta),
    }
    .map_err(Failure::failed)?;
    if let Some(csv) = whyglass_server::csv::of(artifact) {
        let file = format!("{id}.csv");
        folder.write(&file, csv.as_bytes())?;
        document["csv"] = file.into();
    }
    let figure = caption.figure(artifact, picture, started, style)?;
    if let Some(figure) = &figure {
        let file = format!("{id}.png");
        folder.write(&file, &png(figure)?)?;
        document["figure"] = file.into();
    }
    Ok((document, figure))
}

/// Whether this kind can stand on a sheet.
pub(crate) fn is_picture(kind: ArtifactKind) -> bool {
    matches!(kind, ArtifactKind::Map | ArtifactKind::Image | ArtifactKind::Matrix | ArtifactKind::Points)
}

/// The exit status that a run's end calls for.
pub(crate) fn exit(finished: &Finished) -> Exit {
    match finished.state {
        RunState::Succeeded => Exit::Done,
        RunState::Stopped | RunState::Cancelled => Exit::Stopped,
        _ => Exit::Failed,
    }
}
