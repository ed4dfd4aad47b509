//! The order of events on an Explain stream, and how runs end on it.

use serde_json::json;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::run_event::Event;

use crate::support::events::{Canvas, accepted, finished, next, reason, rest, swept, until};
use crate::support::{Fixture, endless, explain, spec, sweep};

#[tokio::test]
async fn events_come_in_order_and_end_with_exactly_one_finished() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![sweep(0)])).await.unwrap().into_inner();
    let accepted = accepted(&mut stream).await;
    assert_eq!(accepted.instance_id, fixture.engine.instance_id());
    let events = rest(&mut stream).await;
    assert!(events.iter().all(|event| event.run == accepted.runs[0]));
    assert!(events.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "sequence numbers grow");
    let place = |is: fn(&Event) -> bool| events.iter().position(|event| is(event.event.as_ref().unwrap()));
    let started = place(|event| matches!(event, Event::Started(_))).expect("it started");
    let keyframe = place(|event| matches!(event, Event::Keyframe(_))).expect("a keyframe");
    let parts = place(|event| matches!(event, Event::Tiles(_)));
    assert!(started < keyframe && parts.is_none_or(|tiles| keyframe < tiles));
    let end = finished(&events);
    assert_eq!((end.state(), end.complete), (RunState::Succeeded, true));
    assert_eq!(end.status.as_ref().unwrap().code, 0);
    assert_eq!(end.artifacts[0].name, format!("{}/artifacts/out", accepted.runs[0]));
    let mut canvas = Canvas::default();
    canvas.apply_all(&events);
    assert_eq!(canvas.bits("out"), swept(4));
}

#[tokio::test]
async fn started_says_what_really_runs() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![sweep(0)])).await.unwrap().into_inner();
    accepted(&mut stream).await;
    let event = until(&mut stream, |event| matches!(event, Event::Started(_))).await;
    let Some(Event::Started(started)) = event.event else { unreachable!() };
    let resolved = started.resolved.unwrap();
    assert_eq!((resolved.model.as_str(), resolved.technique.as_str(), resolved.seed), ("tiny", "sweep", Some(1)));
    let params = resolved.params.unwrap();
    assert!(params.fields.contains_key("side"), "defaults are filled in: {params:?}");
    assert!(["red", "green", "teal"].contains(&started.target_label.as_str()));
    assert_eq!(started.scores.len(), 3);
    assert!((started.scores.iter().map(|score| score.probability).sum::<f32>() - 1.0).abs() < 1e-5);
    let placement = started.placement.unwrap();
    assert_eq!((placement.original_width, placement.original_height), (16, 12));
    assert_eq!((placement.width, placement.height), (16.0, 12.0));
    assert_eq!((started.input_width, started.input_height), (8, 8));
}

#[tokio::test]
async fn several_runs_share_a_stream_and_each_finishes_once() {
    let fixture = Fixture::start().await;
    let specs = vec![sweep(1), spec("dream", json!({})), sweep(0)];
    let mut stream = fixture.explainer().await.explain(explain(specs)).await.unwrap().into_inner();
    let accepted = accepted(&mut stream).await;
    assert_eq!(accepted.runs.len(), 3);
    let events = rest(&mut stream).await;
    for run in &accepted.runs {
        let own: Vec<_> = events.iter().filter(|event| &event.run == run).cloned().collect();
        assert_eq!(finished(&own).state(), RunState::Succeeded);
    }
}

#[tokio::test]
async fn a_failure_after_the_start_is_in_finished_and_the_stream_itself_is_fine() {
    let fixture = Fixture::start().await;
    for (params, code, why) in
        [(json!({"fail_at": 3}), 9, "ON_PURPOSE"), (json!({"fail_at": 3, "panic": true}), 13, "PANIC")]
    {
        let request = explain(vec![spec("sweep", params)]);
        let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
        accepted(&mut stream).await;
        let events = rest(&mut stream).await;
        let end = finished(&events);
        assert_eq!((end.state(), end.complete), (RunState::Failed, false));
        let status = end.status.as_ref().unwrap();
        assert_eq!((status.code, reason(status).as_str()), (code, why), "{}", status.message);
        let mut canvas = Canvas::default();
        canvas.apply_all(&events);
        assert_eq!(canvas.bits("out")[..3], swept(4)[..3], "what was there is kept");
    }
}

#[tokio::test]
async fn dreams_arrive_as_jpeg_while_running_and_as_png_in_the_end() {
    let fixture = Fixture::start().await;
    let request = explain(vec![spec("dream", json!({"frames": 5, "delay_ms": 30}))]);
    let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
    accepted(&mut stream).await;
    let events = rest(&mut stream).await;
    let pictures: Vec<_> = events
        .iter()
        .filter_map(|event| match event.event.as_ref().unwrap() {
            Event::Keyframe(frame) => match frame.content.as_ref().unwrap() {
                whyglass_proto::v1::keyframe::Content::Picture(picture) => Some((frame.r#final, picture.data.clone())),
                other => panic!("a picture, not {other:?}"),
            },
            _ => None,
        })
        .collect();
    let (last, running) = pictures.split_last().expect("pictures");
    assert!(!running.is_empty() && running.iter().all(|(end, data)| !end && data.starts_with(&[0xff, 0xd8])));
    assert!(last.0 && last.1.starts_with(b"\x89PNG"), "the final one is a PNG");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_run() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![endless()])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    until(&mut stream, |event| matches!(event, Event::Keyframe(_))).await;
    drop(stream);
    let end = fixture.wait_for(&run, RunState::Cancelled).await.finished.unwrap();
    assert_eq!(end.status.unwrap().code, 1, "CANCELLED");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_cancels_its_run_too() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let asking = tokio::spawn(async move { client.explain(explain(vec![endless()])).await });
    let run = crate::support::within("a run", async {
        loop {
            if let Some(run) = fixture.engine.runs(None).first() {
                break format!("runs/{}", run.name);
            }
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
    })
    .await;
    asking.abort();
    drop(asking.await);
    fixture.wait_for(&run, RunState::Cancelled).await;
}

#[tokio::test]
async fn a_run_outlives_its_client_for_as_long_as_it_was_asked_to() {
    let fixture = Fixture::start().await;
    let request =
        whyglass_proto::v1::ExplainRequest { linger: crate::support::seconds(60), ..explain(vec![sweep(10)]) };
    let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    next(&mut stream).await;
    drop(stream);
    assert!(fixture.wait_for(&run, RunState::Succeeded).await.finished.unwrap().complete);
}
