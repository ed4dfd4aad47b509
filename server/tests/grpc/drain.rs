//! The server's end: announced, graceful, and bounded whatever clients do.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::run_event::Event;

use crate::support::events::{accepted, finished, rest, until};
use crate::support::{Fixture, PATIENCE, endless, explain, sweep, watch_group};

async fn with_grace(grace: Duration) -> Fixture {
    Fixture::with(whyglass_engine::Limits::default(), |config| config.grace = grace).await
}

#[tokio::test]
async fn the_end_is_bounded_with_an_endless_run_an_endless_stream_and_a_silent_connection() {
    let mut fixture = with_grace(Duration::from_millis(300)).await;
    let mut client = fixture.explainer().await;
    let mut explained = client.explain(explain(vec![endless()])).await.unwrap().into_inner();
    accepted(&mut explained).await;
    until(&mut explained, |event| matches!(event, Event::Keyframe(_))).await;
    let mut group = client.watch_runs(watch_group("page")).await.unwrap().into_inner();
    let silent = TcpStream::connect(fixture.address).await.unwrap();
    // A stream that is never read, and a connection that never ends by itself.
    let unread = fixture.explainer().await.explain(explain(vec![endless()])).await.unwrap();
    let asked = Instant::now();
    fixture.tell_to_stop();
    let events = rest(&mut explained).await;
    assert!(finished(&events).state() == RunState::Stopped || finished(&events).state() == RunState::Cancelled);
    let last = tokio::time::timeout(PATIENCE, group.message()).await.unwrap().unwrap_err();
    assert_eq!(last.code(), Code::Unavailable);
    fixture.ended().await;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop((silent, unread));
}

#[tokio::test]
async fn during_the_grace_health_says_so_new_runs_are_refused_and_old_ones_end_well() {
    let mut fixture = with_grace(Duration::from_secs(20)).await;
    let mut client = fixture.explainer().await;
    let mut health = HealthClient::new(fixture.channel().await);
    let mut stream = client.explain(explain(vec![sweep(60)])).await.unwrap().into_inner();
    accepted(&mut stream).await;
    until(&mut stream, |event| matches!(event, Event::Keyframe(_))).await;
    fixture.tell_to_stop();
    let told = Instant::now();
    while health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status == 1 {
        assert!(told.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let refused = loop {
        match client.explain(explain(vec![sweep(0)])).await {
            Err(refused) => break refused,
            Ok(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
        assert!(told.elapsed() < PATIENCE);
    };
    use tonic_types::StatusExt as _;
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_error_details().retry_info().is_some());
    let events = rest(&mut stream).await;
    assert!(finished(&events).complete, "the run had its time");
    fixture.ended().await;
    assert!(told.elapsed() < Duration::from_secs(15), "nobody waits for the whole grace");
}

#[tokio::test]
async fn a_server_without_clients_ends_at_once() {
    let mut fixture = with_grace(Duration::from_secs(20)).await;
    let asked = Instant::now();
    fixture.tell_to_stop();
    fixture.ended().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}
