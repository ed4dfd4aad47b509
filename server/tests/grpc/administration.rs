//! Loading and forgetting models, and a server that takes no more runs.

use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;
use whyglass_proto::v1;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::admin_service_client::AdminServiceClient;
use whyglass_proto::v1::model::State;
use whyglass_proto::v1::run_event::Event;

use crate::support::events::{accepted, finished, rest, until};
use crate::support::{Fixture, explain, spec, sweep};

type Admin = AdminServiceClient<tonic::transport::Channel>;

async fn load(admin: &mut Admin, model: &str) -> Result<v1::Model, tonic::Status> {
    let request = v1::LoadModelRequest { model: model.to_owned() };
    Ok(admin.load_model(request).await?.into_inner().model.unwrap())
}

async fn unload(admin: &mut Admin, model: &str) -> Result<v1::Model, tonic::Status> {
    let request = v1::UnloadModelRequest { model: model.to_owned() };
    Ok(admin.unload_model(request).await?.into_inner().model.unwrap())
}

#[tokio::test]
async fn a_model_is_loaded_and_forgotten_and_can_be_used_again() {
    let fixture = Fixture::start().await;
    let mut admin = AdminServiceClient::new(fixture.channel().await);
    let loaded = load(&mut admin, "tiny").await.unwrap();
    assert_eq!((loaded.state(), loaded.input_width), (State::Ready, 8));
    assert_eq!(unload(&mut admin, "tiny").await.unwrap().state(), State::Unloaded);
    let mut client = fixture.client().await;
    assert_eq!(client.models().await.unwrap()[0].state(), State::Unloaded);
    client.layers("tiny").await.unwrap();
    assert_eq!(client.models().await.unwrap()[0].state(), State::Ready);
}

#[tokio::test]
async fn a_run_goes_on_with_the_model_that_was_forgotten_meanwhile() {
    let fixture = Fixture::start().await;
    let mut admin = AdminServiceClient::new(fixture.channel().await);
    let mut stream = fixture.explainer().await.explain(explain(vec![sweep(15)])).await.unwrap().into_inner();
    accepted(&mut stream).await;
    until(&mut stream, |event| matches!(event, Event::Tiles(_))).await;
    unload(&mut admin, "tiny").await.unwrap();
    assert_eq!(finished(&rest(&mut stream).await).state(), RunState::Succeeded);
}

#[tokio::test]
async fn what_was_wrong_with_a_model_is_looked_at_again() {
    let fixture = Fixture::start().await;
    let mut admin = AdminServiceClient::new(fixture.channel().await);
    let toml = fixture.folder.path().join("tiny/model.toml");
    let good = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, "title = 7").unwrap();
    unload(&mut admin, "tiny").await.unwrap();
    let refused = load(&mut admin, "tiny").await.unwrap_err();
    assert!(refused.message().contains("tiny"), "{}", refused.message());
    std::fs::write(&toml, good).unwrap();
    assert_eq!(load(&mut admin, "tiny").await.unwrap().state(), State::Ready);
}

#[tokio::test]
async fn a_model_that_is_not_there_or_is_being_loaded_is_named() {
    let fixture = Fixture::start().await;
    fixture.add_slow_model("slow", 2_000);
    let mut admin = AdminServiceClient::new(fixture.channel().await);
    for refused in [load(&mut admin, "tinny").await.unwrap_err(), unload(&mut admin, "tinny").await.unwrap_err()] {
        assert_eq!(refused.code(), Code::NotFound);
        assert_eq!(refused.get_error_details().bad_request().unwrap().field_violations[0].field, "model");
    }
    let mut other = admin.clone();
    let loading = tokio::spawn(async move { load(&mut other, "slow").await });
    let mut client = fixture.client().await;
    while client.models().await.unwrap().iter().all(|model| model.state() != State::Loading) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let refused = unload(&mut admin, "slow").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "MODEL_LOADING");
    assert_eq!(loading.await.unwrap().unwrap().state(), State::Ready);
}

#[tokio::test]
async fn a_drained_server_lets_runs_end_and_takes_no_new_ones() {
    let fixture = Fixture::start().await;
    let mut admin = AdminServiceClient::new(fixture.channel().await);
    let mut client = fixture.explainer().await;
    let mut stream = client.explain(explain(vec![sweep(30)])).await.unwrap().into_inner();
    accepted(&mut stream).await;
    assert_eq!(admin.drain(v1::DrainRequest {}).await.unwrap().into_inner().active_runs, 1);
    let mut health = HealthClient::new(fixture.channel().await);
    assert_eq!(health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status, 2, "NOT_SERVING");
    let refused = client.explain(explain(vec![spec("sweep", json!({}))])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(finished(&rest(&mut stream).await).complete);
    assert_eq!(admin.drain(v1::DrainRequest {}).await.unwrap().into_inner().active_runs, 0);
}
