//! The typed client: it resumes what breaks, and says what cannot be reached.

use std::path::Path;

use serde_json::json;
use whyglass_proto::v1;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::run_event::Event;
use whyglass_server::client::{Client, ClientError};

use crate::support::events::{Canvas, finished, swept};
use crate::support::proxy::Proxy;
use crate::support::{Fixture, explain, seconds, spec, sweep, within};

#[tokio::test]
async fn a_connection_that_breaks_again_and_again_costs_no_cell() {
    let fixture = Fixture::start().await;
    let proxy = Proxy::to(fixture.address).await;
    let mut client = Client::connect(&format!("http://{}", proxy.address), None, None).await.unwrap();
    let request = v1::ExplainRequest { linger: seconds(60), ..explain(vec![sweep(40)]) };
    let mut explanation = client.explain(request).await.unwrap();
    let (mut canvas, mut events, mut tiles) = (Canvas::default(), Vec::new(), 0);
    while let Some(event) = within("an event", explanation.next()).await.unwrap() {
        canvas.apply(&event);
        if matches!(event.event, Some(Event::Tiles(_))) {
            tiles += 1;
            if tiles % 3 == 1 {
                proxy.cut();
            }
        }
        events.push(event);
    }
    assert!(proxy.connections() >= 3, "it was connected {} times", proxy.connections());
    assert!(finished(&events).complete);
    assert_eq!(canvas.bits("out"), swept(4));
    assert_eq!(fixture.engine.runs(None).len(), 1, "nothing was created twice");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_creates_nothing_twice() {
    let fixture = Fixture::start().await;
    let proxy = Proxy::to(fixture.address).await;
    let mut client = Client::connect(&format!("http://{}", proxy.address), None, None).await.unwrap();
    proxy.cut();
    let request = v1::ExplainRequest { linger: seconds(60), ..explain(vec![sweep(0)]) };
    let mut explanation = within("accepted", client.explain(request)).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = within("an event", explanation.next()).await.unwrap() {
        events.push(event);
    }
    assert!(finished(&events).complete);
    assert_eq!(fixture.engine.runs(None).len(), 1);
}

#[tokio::test]
async fn a_run_that_nobody_asked_to_outlive_its_watcher_is_reported_as_cancelled() {
    let fixture = Fixture::start().await;
    let proxy = Proxy::to(fixture.address).await;
    let mut client = Client::connect(&format!("http://{}", proxy.address), None, None).await.unwrap();
    let mut explanation = client.explain(explain(vec![sweep(500)])).await.unwrap();
    let run = explanation.runs()[0].clone();
    proxy.cut();
    fixture.wait_for(&run, RunState::Cancelled).await;
    let mut events = Vec::new();
    while let Some(event) = within("an event", explanation.next()).await.unwrap() {
        events.push(event);
    }
    assert_eq!(finished(&events).state(), RunState::Cancelled);
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_field_and_not_tried_again() {
    let fixture = Fixture::start().await;
    let refused = fixture.client().await.explain(explain(vec![spec("sweep", json!({"side": 0}))])).await.unwrap_err();
    assert!(refused.to_string().contains("specs[0].params.side"), "{refused}");
    assert!(matches!(refused, ClientError::Status(status) if status.code() == tonic::Code::InvalidArgument));
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let nobody = Client::connect("http://127.0.0.1:1", None, None).await.unwrap_err().to_string();
    assert!(nobody.contains("127.0.0.1:1") && nobody.contains("running"), "{nobody}");
    let nonsense = Client::connect("http://a b", None, None).await.unwrap_err();
    assert!(matches!(nonsense, ClientError::BadUrl { .. }), "{nonsense}");
    let missing =
        Client::connect("https://127.0.0.1:1", Some(Path::new("no.pem")), None).await.unwrap_err().to_string();
    assert!(missing.contains("no.pem"), "{missing}");
}
