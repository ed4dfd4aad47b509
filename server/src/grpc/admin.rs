//! `AdminService`: loading and forgetting models, taking no more runs. That only administrators come here is `access`'s
//! doing.

use tonic::{Request, Response, Status};
use tonic_health::server::HealthReporter;
use whyglass_proto::v1::admin_service_server::AdminService;
use whyglass_proto::v1::{
    DrainRequest, DrainResponse, LoadModelRequest, LoadModelResponse, UnloadModelRequest, UnloadModelResponse,
};

use super::convert::model;
use super::say_not_serving;
use super::state::State;

#[derive(Clone)]
pub(super) struct Admin {
    pub(super) state: State,
    pub(super) health: HealthReporter,
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn load_model(&self, request: Request<LoadModelRequest>) -> Result<Response<LoadModelResponse>, Status> {
        let (engine, name) = (self.state.engine.clone(), request.into_inner().model);
        let loaded = self.state.blocking.engine(move || engine.load_model(&name).map_err(|error| error.at("model")));
        Ok(Response::new(LoadModelResponse { model: Some(model(loaded.await?.info())) }))
    }

    async fn unload_model(
        &self,
        request: Request<UnloadModelRequest>,
    ) -> Result<Response<UnloadModelResponse>, Status> {
        let (engine, name) = (self.state.engine.clone(), request.into_inner().model);
        let left = self.state.blocking.engine(move || engine.unload_model(&name).map_err(|error| error.at("model")));
        Ok(Response::new(UnloadModelResponse { model: Some(model(&left.await?)) }))
    }

    async fn drain(&self, _request: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        self.state.drain();
        say_not_serving(&self.health).await;
        let active = self.state.engine.runs(None).iter().filter(|run| run.finished.is_none()).count();
        Ok(Response::new(DrainResponse { active_runs: u32::try_from(active).unwrap_or(u32::MAX) }))
    }
}
