//! `ExplainService`: creating runs, watching them, steering them. Every check of a request's meaning is the engine's.

use std::time::{Duration, Instant};

use tonic::{Code, Request, Response, Status};
use whyglass_engine::{Action, CreateOptions, Cursor, RunName, RunSpec, WatchOptions, Watcher};
use whyglass_proto::v1;
use whyglass_proto::v1::explain_response::Response as Message;
use whyglass_proto::v1::explain_service_server::ExplainService;
use whyglass_proto::v1::{ExplainResponse, ReadArtifactResponse, WatchRunsResponse, control_run_request};

use super::convert::{duration, run, specs, to_json};
use super::limits::{call_deadline, run_deadline};
use super::names::{parse_run, run_name};
use super::page::page;
use super::state::State;
use super::status::{from_error, invalid, status};
use super::stream::{Fed, feed, send_events};
use super::{artifact, request_id};

/// A frame an hour is no stream any more.
const MAX_FRAME_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub(super) struct Explain(pub(super) State);

impl Explain {
    fn accepted(&self, runs: &[RunName]) -> v1::Accepted {
        let runs = runs.iter().map(|run| run_name(run)).collect();
        v1::Accepted { runs, instance_id: self.0.engine.instance_id().to_owned() }
    }

    fn cursors(&self, messages: Vec<v1::RunCursor>, path: &str) -> Result<Vec<Cursor>, Status> {
        let cursor = |(i, message): (usize, v1::RunCursor)| {
            let ours = message.instance_id.is_empty() || message.instance_id == self.0.engine.instance_id();
            if !ours {
                let text = format!("{path}[{i}]: '{}' ended with the server that ran it", message.run);
                return Err(status(Code::NotFound, "INSTANCE_CHANGED", text));
            }
            let run = parse_run(&message.run, &format!("{path}[{i}].run"))?.to_owned();
            Ok(Cursor { run, after_sequence: message.after_sequence })
        };
        messages.into_iter().enumerate().map(cursor).collect()
    }

    /// A watcher, and whether it ends only with the server.
    fn watcher(&self, request: v1::WatchRunsRequest) -> Result<(Watcher, bool), Status> {
        let options = watch_options(request.stream)?;
        match request.watch {
            Some(v1::watch_runs_request::Watch::Runs(runs)) => {
                if runs.cursors.is_empty() {
                    return Err(invalid("runs.cursors", "NO_RUNS", "say which runs are to be watched"));
                }
                let cursors = self.cursors(runs.cursors, "runs.cursors")?;
                Ok((self.0.engine.watch_all(&cursors, options).map_err(|e| from_error(e.within("runs")))?, false))
            }
            Some(v1::watch_runs_request::Watch::Group(group)) => {
                if group.group.is_empty() {
                    return Err(invalid("group.group", "NO_GROUP", "say which group is to be watched"));
                }
                let cursors = self.cursors(group.cursors, "group.cursors")?;
                Ok((self.0.engine.watch_group(&group.group, &cursors, options).map_err(from_error)?, true))
            }
            None => Err(invalid("watch", "NOTHING_TO_WATCH", "set runs or group")),
        }
    }
}

/// The parts of a request that creates runs.
struct Creation {
    specs: Vec<RunSpec>,
    options: CreateOptions,
}

fn creation(
    messages: Vec<v1::RunSpec>,
    id: String,
    linger: Option<prost_types::Duration>,
    group: String,
) -> Result<Creation, Status> {
    request_id::check(&id)?;
    let linger = duration(linger, "linger")?.unwrap_or_default();
    Ok(Creation { specs: specs(messages)?, options: CreateOptions { request_id: id, linger, group, deadline: None } })
}

fn watch_options(stream: Option<v1::StreamOptions>) -> Result<WatchOptions, Status> {
    let field = "stream.min_frame_interval";
    let interval = duration(stream.and_then(|stream| stream.min_frame_interval), field)?.unwrap_or_default();
    if interval > MAX_FRAME_INTERVAL {
        return Err(invalid(field, "OUT_OF_RANGE", format!("at most {} s", MAX_FRAME_INTERVAL.as_secs())));
    }
    Ok(WatchOptions { min_frame_interval: interval })
}

#[tonic::async_trait]
impl ExplainService for Explain {
    type ExplainStream = Fed<ExplainResponse>;
    type WatchRunsStream = Fed<WatchRunsResponse>;
    type ReadArtifactStream = Fed<ReadArtifactResponse>;

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<Self::ExplainStream>, Status> {
        self.0.may_begin()?;
        // The transport's own timeout covers the time to the headers only: the run has to be told.
        let deadline = call_deadline(request.metadata())?.map(run_deadline);
        let deadline = deadline.and_then(|left| Instant::now().checked_add(left));
        let request = request.into_inner();
        let watching = watch_options(request.stream)?;
        let Creation { specs, mut options } =
            creation(request.specs, request.request_id, request.linger, request.group)?;
        options.deadline = deadline;
        let engine = self.0.engine.clone();
        // Watched before anything else: if the client leaves now, dropping the watcher is what tells the engine.
        let creating = self.0.blocking.engine(move || {
            let runs = engine.create_runs(specs, options)?;
            let cursors: Vec<_> = runs.iter().map(|run| Cursor { run: run.clone(), after_sequence: 0 }).collect();
            let watcher = engine.watch_all(&cursors, watching)?;
            Ok((runs, watcher))
        });
        let (runs, watcher) = creating.await?;
        let (accepted, sending) = (self.accepted(&runs), self.0.sending(false));
        let wrap = |message| ExplainResponse { response: Some(message) };
        Ok(Response::new(feed(self.0.timing.stall, async move |feed| {
            feed.send(wrap(Message::Accepted(accepted))).await?;
            send_events(&feed, watcher, sending, |event| wrap(Message::Event(event))).await
        })))
    }

    async fn create_runs(
        &self,
        request: Request<v1::CreateRunsRequest>,
    ) -> Result<Response<v1::CreateRunsResponse>, Status> {
        self.0.may_begin()?;
        let request = request.into_inner();
        let Creation { specs, options } = creation(request.specs, request.request_id, request.linger, request.group)?;
        let engine = self.0.engine.clone();
        let runs = self.0.blocking.engine(move || engine.create_runs(specs, options)).await?;
        Ok(Response::new(v1::CreateRunsResponse { accepted: Some(self.accepted(&runs)) }))
    }

    async fn watch_runs(
        &self,
        request: Request<v1::WatchRunsRequest>,
    ) -> Result<Response<Self::WatchRunsStream>, Status> {
        let (watcher, endless) = self.watcher(request.into_inner())?;
        let sending = self.0.sending(endless);
        Ok(Response::new(feed(self.0.timing.stall, async move |feed| {
            send_events(&feed, watcher, sending, |event| WatchRunsResponse { event: Some(event) }).await
        })))
    }

    async fn control_run(
        &self,
        request: Request<v1::ControlRunRequest>,
    ) -> Result<Response<v1::ControlRunResponse>, Status> {
        let request = request.into_inner();
        let name = parse_run(&request.run, "run")?.to_owned();
        let action = match request.action {
            Some(control_run_request::Action::Stop(_)) => Action::Stop,
            Some(control_run_request::Action::Pause(_)) => Action::Pause,
            Some(control_run_request::Action::Resume(_)) => Action::Resume,
            Some(control_run_request::Action::SetParams(set)) => {
                Action::SetParams(to_json(set.params.unwrap_or_default(), "set_params.params")?)
            }
            None => return Err(invalid("action", "NO_ACTION", "set stop, pause, resume or set_params")),
        };
        let engine = self.0.engine.clone();
        let info = match action {
            // A schema is checked, which may take a while.
            Action::SetParams(_) => self.0.blocking.engine(move || engine.control(&name, action)).await?,
            // Not behind models that are being loaded: a stop is felt at once.
            _ => engine.control(&name, action).map_err(from_error)?,
        };
        Ok(Response::new(v1::ControlRunResponse { run: Some(run(&info)) }))
    }

    async fn get_run(&self, request: Request<v1::GetRunRequest>) -> Result<Response<v1::GetRunResponse>, Status> {
        let request = request.into_inner();
        let info = self.0.engine.run(parse_run(&request.run, "run")?).map_err(from_error)?;
        Ok(Response::new(v1::GetRunResponse { run: Some(run(&info)) }))
    }

    async fn list_runs(&self, request: Request<v1::ListRunsRequest>) -> Result<Response<v1::ListRunsResponse>, Status> {
        let request = request.into_inner();
        let all = self.0.engine.runs((!request.group.is_empty()).then_some(request.group.as_str()));
        let list = format!("runs of {}", request.group);
        let (runs, next_page_token) = page(all, |run| &run.name, &list, request.page_size, &request.page_token)?;
        Ok(Response::new(v1::ListRunsResponse { runs: runs.iter().map(run).collect(), next_page_token }))
    }

    async fn read_artifact(
        &self,
        request: Request<v1::ReadArtifactRequest>,
    ) -> Result<Response<Self::ReadArtifactStream>, Status> {
        artifact::read(&self.0, request.into_inner()).await.map(Response::new)
    }
}
