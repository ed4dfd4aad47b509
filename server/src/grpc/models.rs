//! `ModelService`: the models, what is inside them, what they see in a picture.

use tonic::{Request, Response, Status};
use whyglass_proto::v1::model_service_server::ModelService;
use whyglass_proto::v1::{
    ClassifyRequest, ClassifyResponse, ListLayersRequest, ListLayersResponse, ListModelsRequest, ListModelsResponse,
};

use super::convert::{image, layer, model, scores};
use super::page::page;
use super::state::State;

const TOP: usize = 5;

#[derive(Clone, Debug)]
pub(super) struct Models(pub(super) State);

#[tonic::async_trait]
impl ModelService for Models {
    async fn list_models(&self, request: Request<ListModelsRequest>) -> Result<Response<ListModelsResponse>, Status> {
        let request = request.into_inner();
        let all = self.0.engine.models();
        let (models, next_page_token) =
            page(all, |model| &model.name, "models", request.page_size, &request.page_token)?;
        Ok(Response::new(ListModelsResponse { models: models.iter().map(model).collect(), next_page_token }))
    }

    async fn list_layers(&self, request: Request<ListLayersRequest>) -> Result<Response<ListLayersResponse>, Status> {
        let request = request.into_inner();
        let (engine, name) = (self.0.engine.clone(), request.model.clone());
        let model = self.0.blocking.engine(move || engine.model(&name).map_err(|error| error.at("model"))).await?;
        let all: Vec<_> = model.descriptor().layers.iter().collect();
        let list = format!("layers of {}", request.model);
        let (layers, next_page_token) = page(all, |layer| &layer.id, &list, request.page_size, &request.page_token)?;
        Ok(Response::new(ListLayersResponse { layers: layers.into_iter().map(layer).collect(), next_page_token }))
    }

    async fn classify(&self, request: Request<ClassifyRequest>) -> Result<Response<ClassifyResponse>, Status> {
        let request = request.into_inner();
        let picture = image(request.image, "image")?;
        let top = if request.top == 0 { TOP } else { request.top as usize };
        let engine = self.0.engine.clone();
        let found = self.0.blocking.engine(move || {
            let model = engine.model(&request.model).map_err(|error| error.at("model"))?;
            engine.classify(&model, &picture, top)
        });
        Ok(Response::new(ClassifyResponse { scores: scores(&found.await?) }))
    }
}
