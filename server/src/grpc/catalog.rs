//! `CatalogService`: what this server is and what it can do.

use tonic::{Request, Response, Status};
use whyglass_engine::json::{Capability, ModelDescriptor, Need};
use whyglass_proto::v1::catalog_service_server::CatalogService;
use whyglass_proto::v1::{
    GetServerInfoRequest, GetServerInfoResponse, Limits, ListPluginsRequest, ListPluginsResponse,
    ListTechniquesRequest, ListTechniquesResponse,
};

use super::convert::{duration_message, plugin, technique};
use super::page::page;
use super::state::State;

#[derive(Clone, Debug)]
pub(super) struct Catalog(pub(super) State);

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn get_server_info(
        &self,
        _request: Request<GetServerInfoRequest>,
    ) -> Result<Response<GetServerInfoResponse>, Status> {
        let limits = self.0.engine.limits();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Response::new(GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance_id: self.0.engine.instance_id().to_owned(),
            limits: Some(Limits {
                max_image_bytes: limits.image_bytes,
                max_image_pixels: limits.image_pixels,
                max_event_bytes: limits.event_bytes_hard as u64,
                max_concurrent_runs: count(limits.slots),
                max_queued_runs: count(limits.queue),
                max_run_duration: Some(duration_message(limits.run_duration)),
            }),
        }))
    }

    async fn list_plugins(
        &self,
        request: Request<ListPluginsRequest>,
    ) -> Result<Response<ListPluginsResponse>, Status> {
        let request = request.into_inner();
        let all = self.0.engine.plugins();
        let (plugins, next_page_token) =
            page(all, |plugin| &plugin.id, "plugins", request.page_size, &request.page_token)?;
        Ok(Response::new(ListPluginsResponse { plugins: plugins.iter().map(plugin).collect(), next_page_token }))
    }

    async fn list_techniques(
        &self,
        request: Request<ListTechniquesRequest>,
    ) -> Result<Response<ListTechniquesResponse>, Status> {
        let request = request.into_inner();
        let mut all = self.0.engine.techniques();
        if !request.model.is_empty() {
            let (engine, name) = (self.0.engine.clone(), request.model.clone());
            let model = self.0.blocking.engine(move || engine.model(&name).map_err(|error| error.at("model"))).await?;
            all.retain(|technique| can_run(&technique.descriptor.needs, model.descriptor()));
        }
        let list = format!("techniques of {}", request.model);
        let (techniques, next_page_token) =
            page(all, |technique| &technique.id, &list, request.page_size, &request.page_token)?;
        let techniques = techniques.iter().map(|found| technique(found)).collect();
        Ok(Response::new(ListTechniquesResponse { techniques, next_page_token }))
    }
}

/// Whether a model has what a technique needs of it. A dataset is the request's to bring.
fn can_run(needs: &[Need], model: &ModelDescriptor) -> bool {
    needs.iter().all(|need| match need {
        Need::Gradients => model.has(Capability::Gradients),
        Need::InputGradients => model.has(Capability::InputGradients),
        Need::GuidedRules => model.has(Capability::GuidedRules),
        Need::InnerFeeds => model.has(Capability::InnerFeeds),
        Need::FreeSize => model.has(Capability::FreeSize),
        Need::Dataset => true,
        Need::Unknown => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_technique_runs_where_the_model_has_all_that_it_needs() {
        let model = ModelDescriptor { capabilities: vec![Capability::Gradients], ..Default::default() };
        assert!(can_run(&[], &model));
        assert!(can_run(&[Need::Gradients, Need::Dataset], &model));
        assert!(!can_run(&[Need::Gradients, Need::FreeSize], &model));
        assert!(!can_run(&[Need::Unknown], &model));
    }
}
