//! What a client can find out without knowing anything: reflection, health, catalogue, models.

use tokio_stream::StreamExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use whyglass_proto::v1;
use whyglass_proto::v1::catalog_service_client::CatalogServiceClient;
use whyglass_server::client::ClientError;

use crate::support::{Fixture, image};

const SERVICES: [&str; 5] = [
    "whyglass.v1.CatalogService",
    "whyglass.v1.ExplainService",
    "whyglass.v1.ModelService",
    "whyglass.v1.DatasetService",
    "whyglass.v1.AdminService",
];

macro_rules! reflected {
    ($version:ident, $fixture:expr) => {{
        use tonic_reflection::pb::$version as pb;
        let mut client = pb::server_reflection_client::ServerReflectionClient::new($fixture.channel().await);
        let ask = |request| pb::ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let requests = tokio_stream::iter([
            ask(pb::server_reflection_request::MessageRequest::ListServices(String::new())),
            ask(pb::server_reflection_request::MessageRequest::FileContainingSymbol(SERVICES[1].to_owned())),
            ask(pb::server_reflection_request::MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".to_owned())),
        ]);
        let answers: Vec<_> =
            client.server_reflection_info(requests).await.unwrap().into_inner().map(Result::unwrap).collect().await;
        let list = match answers[0].message_response.clone().unwrap() {
            pb::server_reflection_response::MessageResponse::ListServicesResponse(list) => list,
            other => panic!("{other:?}"),
        };
        for answer in &answers[1..] {
            assert!(matches!(
                answer.message_response,
                Some(pb::server_reflection_response::MessageResponse::FileDescriptorResponse(_))
            ));
        }
        list.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
    }};
}

#[tokio::test]
async fn reflection_lists_the_services_by_both_versions() {
    let fixture = Fixture::start().await;
    for names in [reflected!(v1, fixture), reflected!(v1alpha, fixture)] {
        for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
            assert!(names.iter().any(|name| name == service), "{service} in {names:?}");
        }
    }
}

#[tokio::test]
async fn every_service_is_healthy_and_an_unknown_one_is_not_found() {
    let fixture = Fixture::start().await;
    let mut client = HealthClient::new(fixture.channel().await);
    for service in SERVICES.into_iter().chain([""]) {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(client.check(request).await.unwrap().into_inner().status, 1, "{service}: SERVING");
    }
    let unknown = client.check(HealthCheckRequest { service: "other".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn the_catalogue_says_what_is_there() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let info = client.server_info().await.unwrap();
    assert_eq!(info.instance_id, fixture.engine.instance_id());
    assert_eq!(info.limits.unwrap().max_concurrent_runs, 8);
    let techniques = client.techniques(None).await.unwrap();
    assert_eq!(techniques.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), ["dream", "flood", "roll", "sweep"]);
    let schema: serde_json::Value = serde_json::from_str(&techniques[3].params_schema).unwrap();
    assert_eq!(schema["properties"]["side"]["default"], 4);
    assert_eq!(techniques[0].artifacts[0].kind(), v1::ArtifactKind::Image);
    assert_eq!(client.techniques(Some("tiny")).await.unwrap().len(), 4);
    let plugin = &client.plugins().await.unwrap()[0];
    assert_eq!((plugin.id.as_str(), plugin.state()), ("tests", v1::plugin::State::Ready));
}

#[tokio::test]
async fn models_are_listed_unloaded_and_say_more_once_they_were_used() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let before = client.models().await.unwrap();
    assert_eq!((before[0].name.as_str(), before[0].state()), ("tiny", v1::model::State::Unloaded));
    let scores = client.classify("tiny", image(), 2).await.unwrap();
    assert!(scores.len() == 2 && scores[0].probability >= scores[1].probability);
    let after = client.models().await.unwrap();
    assert_eq!(after[0].state(), v1::model::State::Ready);
    assert_eq!((after[0].input_width, after[0].labels.len(), after[0].sha256.len()), (8, 3, 32));
    assert!(after[0].capabilities.contains(&"gradients".to_owned()));
    let layers = client.layers("tiny").await.unwrap();
    assert!(layers.iter().any(|layer| layer.id == "conv" && layer.shape == [2, 8, 8]));
}

#[tokio::test]
async fn lists_come_in_pages_that_together_are_the_list() {
    let fixture = Fixture::start().await;
    let mut client = CatalogServiceClient::new(fixture.channel().await);
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListTechniquesRequest { page_size: 2, page_token: token, ..Default::default() };
        let page = client.list_techniques(request).await.unwrap().into_inner();
        assert!(page.techniques.len() <= 2);
        names.extend(page.techniques.into_iter().map(|technique| technique.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["dream", "flood", "roll", "sweep"]);
    let request = v1::ListTechniquesRequest { page_token: "nonsense".to_owned(), ..Default::default() };
    assert_eq!(client.list_techniques(request).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn an_unknown_model_is_not_found_by_its_field() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let refusals = [
        client.layers("tinny").await.map(|_| ()).unwrap_err(),
        client.techniques(Some("tinny")).await.map(|_| ()).unwrap_err(),
        client.classify("tinny", image(), 1).await.map(|_| ()).unwrap_err(),
    ];
    for refusal in refusals {
        let ClientError::Status(status) = refusal else { panic!("{refusal}") };
        assert_eq!(status.code(), tonic::Code::NotFound);
        assert!(status.message().contains("tinny") && status.message().starts_with("model"), "{}", status.message());
    }
}
