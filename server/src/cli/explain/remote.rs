//! Runs on a server: the client's calls, made blocking, and its messages turned into the engine's values (`messages`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use whyglass_engine::json::{ArtifactDescriptor, ArtifactKind, ExplainerDescriptor};
use whyglass_engine::{
    ArtifactMeta, ArtifactState, Code, Error, ImageSource, RunEvent, RunName, RunSpec, Target, Tensor,
};
use whyglass_proto::v1;
use whyglass_server::client::{Client, Explanation};
use whyglass_server::grpc::convert::from_json;
use whyglass_server::grpc::names::{dataset_name, item_name};
use whyglass_server::tokens::Token;

use super::messages;
use super::runner::{Events, Runner};
use crate::cli::failure::Failure;

/// How long the server keeps a run when this program is gone: a broken connection has this long to come back.
const LINGER_SECONDS: i64 = 30;

pub(crate) struct Remote {
    runtime: Arc<Runtime>,
    client: Client,
    techniques: Vec<v1::Technique>,
    models: Vec<v1::Model>,
    /// Runs that have been created and not been watched yet.
    created: Mutex<Option<Explanation>>,
    seen: Seen,
}

/// Of each artifact, by run and id.
type Seen = Arc<Mutex<HashMap<(String, String), Announced>>>;

/// What an artifact's last keyframe said of it: reading it gives the numbers only.
#[derive(Clone)]
struct Announced {
    kind: ArtifactKind,
    meta: Arc<ArtifactMeta>,
    standard_error: Option<Tensor>,
}

impl Remote {
    /// Connects and asks what there is. `authority` is what a server on https has its certificate from.
    pub(crate) fn connect(url: &str, authority: Option<&Path>, token: Option<&Token>) -> Result<Self, Failure> {
        match (url.starts_with("https://"), authority) {
            (true, None) => {
                let advice = "give --server-ca FILE, the certificate (PEM) that the server's is signed by";
                return Err(Failure::refused(format!("--server {url}: {advice}")));
            }
            (false, Some(_)) => {
                return Err(Failure::refused(format!("--server-ca is for a server on https, not for {url}")));
            }
            _ => {}
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(Failure::failed)?;
        let (client, techniques, models) = runtime
            .block_on(async {
                let mut client = Client::connect(url, authority, token).await?;
                let techniques = client.techniques(None).await?;
                let models = client.models().await?;
                Ok::<_, whyglass_server::client::ClientError>((client, techniques, models))
            })
            .map_err(|error| Failure::failed(format!("--server: {error}")))?;
        let (created, seen) = (Mutex::default(), Seen::default());
        Ok(Self { runtime: Arc::new(runtime), client, techniques, models, created, seen })
    }
}

impl Runner for Remote {
    fn technique(&self, id: &str) -> Result<ExplainerDescriptor, Error> {
        // One that is not there is the server's to refuse, which knows what was meant.
        let Some(technique) = self.techniques.iter().find(|technique| technique.id == id) else {
            return Ok(ExplainerDescriptor::default());
        };
        let artifact = |artifact: &v1::Artifact| ArtifactDescriptor {
            id: artifact.id.clone(),
            title: artifact.title.clone(),
            kind: messages::kind(artifact.kind()),
            signed: artifact.signed,
            auxiliary: artifact.auxiliary,
        };
        Ok(ExplainerDescriptor {
            title: technique.title.clone(),
            artifacts: technique.artifacts.iter().map(artifact).collect(),
            ..ExplainerDescriptor::default()
        })
    }

    fn model_title(&self, name: &str) -> String {
        let model = self.models.iter().find(|model| model.name == name);
        model.map(|model| model.title.clone()).filter(|title| !title.is_empty()).unwrap_or_else(|| name.to_owned())
    }

    fn create(&self, specs: Vec<RunSpec>) -> Result<Vec<RunName>, Error> {
        let request = v1::ExplainRequest {
            specs: specs.into_iter().map(spec).collect(),
            linger: Some(seconds(LINGER_SECONDS)),
            ..Default::default()
        };
        let explanation = self.runtime.block_on(self.client.clone().explain(request)).map_err(messages::error)?;
        let runs = explanation.runs().to_vec();
        *self.created.lock().unwrap_or_else(PoisonError::into_inner) = Some(explanation);
        Ok(runs)
    }

    fn watch(&self, _runs: &[RunName]) -> Result<Box<dyn Events>, Error> {
        let created = self.created.lock().unwrap_or_else(PoisonError::into_inner).take();
        let explanation = created.ok_or_else(|| Error::internal("NOT_CREATED", "there are no runs to watch"))?;
        Ok(Box::new(RemoteEvents { runtime: Arc::clone(&self.runtime), explanation, seen: Arc::clone(&self.seen) }))
    }

    fn stop(&self, run: &str) {
        let stop = v1::control_run_request::Action::Stop(v1::control_run_request::Stop {});
        // A run that has finished needs no stop, and a connection that is gone shows in the events.
        let _ = self.runtime.block_on(self.client.clone().control(run, stop));
    }

    fn artifact(&self, run: &str, id: &str) -> Result<ArtifactState, Error> {
        let name = format!("{run}/artifacts/{id}");
        let read = self.client.clone();
        let file = self.runtime.block_on(async move { read.clone().read_artifact(&name, None).await });
        let file = file.map_err(messages::error)?;
        let (shape, data) = whyglass_imaging::read_npy(&file)
            .map_err(|error| Error::new(Code::DataLoss, "BAD_ARTIFACT", format!("the artifact {id}: {error}")))?;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.get(&(run.to_owned(), id.to_owned())).cloned();
        let known = known.ok_or_else(|| {
            Error::new(Code::DataLoss, "UNANNOUNCED", format!("the server never said what the artifact {id} is"))
        })?;
        let tensor = Tensor { shape, data: Arc::new(data) };
        let Announced { kind, meta, standard_error } = known;
        Ok(ArtifactState { id: id.into(), kind, tensor, standard_error, meta, last_sequence: 0, is_final: true })
    }
}

struct RemoteEvents {
    runtime: Arc<Runtime>,
    explanation: Explanation,
    seen: Seen,
}

impl Events for RemoteEvents {
    fn next(&mut self) -> Result<Option<Arc<RunEvent>>, Error> {
        loop {
            let message = self.runtime.block_on(self.explanation.next()).map_err(messages::error)?;
            let Some(message) = message else { return Ok(None) };
            if let Some(v1::run_event::Event::Keyframe(frame)) = &message.event {
                let announced = Announced {
                    kind: messages::kind(frame.kind()),
                    meta: Arc::new(messages::meta(frame)),
                    standard_error: frame.standard_error.as_ref().map(messages::tensor).transpose()?,
                };
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.insert((message.run.clone(), frame.artifact.clone()), announced);
            }
            // What this program does not know (a newer server's events) is passed over.
            if let Some(event) = messages::event(message)? {
                return Ok(Some(Arc::new(event)));
            }
        }
    }
}

fn spec(spec: RunSpec) -> v1::RunSpec {
    use v1::image_source::Source;
    let image = |source| v1::run_spec::Input::Image(v1::ImageSource { source: Some(source) });
    let input = match spec.image {
        ImageSource::Encoded(bytes) => image(Source::Encoded(bytes)),
        ImageSource::DatasetItem { dataset, item } => image(Source::DatasetItem(item_name(&dataset, &item))),
        ImageSource::Dataset(name) => v1::run_spec::Input::Dataset(dataset_name(&name)),
        ImageSource::Pixels { shape, data } => image(Source::Pixels(v1::Tensor {
            data_type: v1::DataType::F32.into(),
            shape: shape.iter().map(|&side| side as i64).collect(),
            data: data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        })),
    };
    let target = spec.target.map(|target| match target {
        Target::Index(index) => v1::target::Target::ClassIndex(index),
        Target::Label(label) => v1::target::Target::ClassLabel(label),
    });
    v1::RunSpec {
        model: spec.model,
        technique: spec.technique,
        input: Some(input),
        target: target.map(|target| v1::Target { target: Some(target) }),
        params: Some(from_json(&spec.params)),
        seed: spec.seed,
        max_duration: spec.max_duration.map(duration),
    }
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: duration.subsec_nanos().cast_signed(),
    }
}
