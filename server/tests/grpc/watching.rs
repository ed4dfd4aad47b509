//! WatchRuns: resuming, late and slow watchers, second viewers, groups.

use std::time::Duration;

use whyglass_proto::v1;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::run_event::Event;

use crate::support::events::{Canvas, accepted, finished, next, next_watched, rest, rest_watched, swept};
use crate::support::{Fixture, explain, seconds, sweep, watch, watch_group};

#[tokio::test]
async fn resuming_at_every_sequence_number_gives_the_same_final_map() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let request = v1::ExplainRequest { linger: seconds(60), ..explain(vec![sweep(5)]) };
    let mut stream = client.explain(request).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let events = rest(&mut stream).await;
    let last = events.last().unwrap().sequence;
    assert!(last > 10, "tiles came one by one: {last}");
    for after in 0..last {
        let mut canvas = Canvas::default();
        canvas.apply_all(events.iter().filter(|event| event.sequence <= after));
        let mut stream = client.watch_runs(watch(&run, after)).await.unwrap().into_inner();
        let more = rest_watched(&mut stream).await;
        assert_eq!(finished(&more).state(), RunState::Succeeded, "after {after}");
        assert!(more.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "after {after}");
        canvas.apply_all(&more);
        assert_eq!(canvas.bits("out"), swept(4), "after {after}");
    }
}

#[tokio::test]
async fn a_stream_that_broke_while_the_run_went_on_is_resumed_to_the_same_map() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let request = v1::ExplainRequest { linger: seconds(60), ..explain(vec![sweep(15)]) };
    let mut stream = client.explain(request).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let (mut canvas, mut after, mut streams) = (Canvas::default(), 0, 0);
    for _ in 0..3 {
        let event = next(&mut stream).await.unwrap();
        after = event.sequence;
        canvas.apply(&event);
    }
    drop(stream);
    loop {
        streams += 1;
        let mut stream = client.watch_runs(watch(&run, after)).await.unwrap().into_inner();
        let mut ended = false;
        for _ in 0..2 {
            let Some(event) = next_watched(&mut stream).await else { break };
            if !matches!(event.event, Some(Event::Heartbeat(_))) {
                assert!(event.sequence > after);
                after = event.sequence;
            }
            ended |= matches!(event.event, Some(Event::Finished(_)));
            canvas.apply(&event);
        }
        if ended {
            break;
        }
    }
    assert!(streams > 3, "it broke {streams} times");
    assert_eq!(canvas.bits("out"), swept(4));
}

#[tokio::test]
async fn a_watcher_that_comes_after_the_end_gets_the_map_and_the_end() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let mut stream = client.explain(explain(vec![sweep(0)])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    rest(&mut stream).await;
    let mut stream = client.watch_runs(watch(&run, 0)).await.unwrap().into_inner();
    let events = rest_watched(&mut stream).await;
    assert!(events.iter().any(|event| matches!(event.event, Some(Event::Started(_)))));
    assert!(finished(&events).complete);
    let mut canvas = Canvas::default();
    canvas.apply_all(&events);
    assert_eq!(canvas.bits("out"), swept(4));
}

#[tokio::test]
async fn a_watcher_that_has_seen_the_end_sees_nothing_more() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let mut stream = client.explain(explain(vec![sweep(0)])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let last = rest(&mut stream).await.last().unwrap().sequence;
    let mut stream = client.watch_runs(watch(&run, last)).await.unwrap().into_inner();
    assert!(rest_watched(&mut stream).await.is_empty());
}

#[tokio::test]
async fn a_watcher_that_wants_few_frames_gets_few_and_the_same_map() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let options = v1::StreamOptions { min_frame_interval: seconds(60) };
    let request = v1::ExplainRequest { stream: Some(options), ..explain(vec![sweep(5)]) };
    let mut stream = client.explain(request).await.unwrap().into_inner();
    accepted(&mut stream).await;
    let events = rest(&mut stream).await;
    let is_frame = |event: &&v1::RunEvent| matches!(event.event, Some(Event::Keyframe(_) | Event::Tiles(_)));
    let frames = events.iter().filter(is_frame).count();
    assert!((1..=3).contains(&frames), "{frames} frames");
    assert!(finished(&events).complete);
    let mut canvas = Canvas::default();
    canvas.apply_all(&events);
    assert_eq!(canvas.bits("out"), swept(4));
}

#[tokio::test]
async fn a_second_viewer_sees_the_same_and_his_leaving_harms_nobody() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let mut stream = client.explain(explain(vec![sweep(10)])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let mut second = fixture.explainer().await.watch_runs(watch(&run, 0)).await.unwrap().into_inner();
    let mut third = fixture.explainer().await.watch_runs(watch(&run, 0)).await.unwrap().into_inner();
    next_watched(&mut third).await;
    drop(third);
    let (first, second) = tokio::join!(rest(&mut stream), rest_watched(&mut second));
    for events in [first, second] {
        assert!(finished(&events).complete);
        let mut canvas = Canvas::default();
        canvas.apply_all(&events);
        assert_eq!(canvas.bits("out"), swept(4));
    }
}

#[tokio::test]
async fn a_group_delivers_runs_that_are_created_later() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let mut stream = client.watch_runs(watch_group("page")).await.unwrap().into_inner();
    let mut names = Vec::new();
    for _ in 0..2 {
        let request = v1::CreateRunsRequest { specs: vec![sweep(1)], group: "page".to_owned(), ..Default::default() };
        let runs = client.create_runs(request).await.unwrap().into_inner().accepted.unwrap().runs;
        let mut events = Vec::new();
        while !events.last().is_some_and(|event: &v1::RunEvent| matches!(event.event, Some(Event::Finished(_)))) {
            let event = next_watched(&mut stream).await.unwrap();
            if !matches!(event.event, Some(Event::Heartbeat(_))) {
                events.push(event);
            }
        }
        assert!(events.iter().all(|event| event.run == runs[0]));
        let mut canvas = Canvas::default();
        canvas.apply_all(&events);
        assert_eq!(canvas.bits("out"), swept(4));
        names.extend(runs);
    }
    let request = v1::ListRunsRequest { group: "page".to_owned(), ..Default::default() };
    let listed = client.list_runs(request).await.unwrap().into_inner().runs;
    assert_eq!(listed.iter().map(|run| run.name.clone()).collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn a_group_can_be_resumed_and_sends_nothing_twice() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let request = v1::CreateRunsRequest { specs: vec![sweep(0)], group: "page".to_owned(), ..Default::default() };
    let run = client.create_runs(request).await.unwrap().into_inner().accepted.unwrap().runs[0].clone();
    let last = fixture.wait_for(&run, RunState::Succeeded).await.last_sequence;
    let cursor = v1::RunCursor { run, after_sequence: last, ..Default::default() };
    let group = v1::GroupCursor { group: "page".to_owned(), cursors: vec![cursor] };
    let request = v1::WatchRunsRequest { watch: Some(v1::watch_runs_request::Watch::Group(group)), stream: None };
    let mut stream = client.watch_runs(request).await.unwrap().into_inner();
    let silence = tokio::time::timeout(Duration::from_millis(300), next_watched(&mut stream)).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test]
async fn the_same_request_id_joins_the_same_runs() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2".to_owned();
    let request = v1::ExplainRequest { request_id: id, ..explain(vec![sweep(10)]) };
    let mut one = client.explain(request.clone()).await.unwrap().into_inner();
    let mut other = client.explain(request).await.unwrap().into_inner();
    let (first, second) = (accepted(&mut one).await, accepted(&mut other).await);
    assert_eq!(first.runs, second.runs);
    assert!(finished(&rest(&mut one).await).complete && finished(&rest(&mut other).await).complete);
    assert_eq!(fixture.engine.runs(None).len(), 1);
}

#[tokio::test]
async fn a_run_of_a_server_that_is_gone_is_not_found_and_says_so() {
    let fixture = Fixture::start().await;
    let cursor = v1::RunCursor { run: "runs/ab".to_owned(), instance_id: "another".to_owned(), after_sequence: 3 };
    let watch = v1::watch_runs_request::Watch::Runs(v1::RunCursors { cursors: vec![cursor] });
    let request = v1::WatchRunsRequest { watch: Some(watch), stream: None };
    let refused = fixture.explainer().await.watch_runs(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    use tonic_types::StatusExt as _;
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "INSTANCE_CHANGED");
}
