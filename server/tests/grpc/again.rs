//! The same asked twice, by clients that know nothing of each other. What is the same is tested in the engine.

use std::time::Duration;

use whyglass_engine::Limits;
use whyglass_proto::v1;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::run_event::Event;

use crate::support::events::{Canvas, accepted, finished, next, rest, swept, until};
use crate::support::{Fixture, endless, explain, sweep};

async fn sharing() -> Fixture {
    Fixture::with(Limits { cache_bytes: 1 << 20, ..Limits::default() }, |_| {}).await
}

#[tokio::test]
async fn two_clients_who_ask_for_the_same_see_one_run_each_from_its_beginning_and_so_does_a_third_when_it_is_over() {
    let fixture = sharing().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = fixture.explainer().await.explain(explain(vec![sweep(20)])).await.unwrap().into_inner();
        let accepted = accepted(&mut stream).await;
        // The second comes when the first has seen something already.
        let seen = vec![
            until(&mut stream, |event| matches!(event, Event::Started(_))).await,
            next(&mut stream).await.unwrap(),
        ];
        streams.push((accepted, seen, stream));
    }
    let mut client = fixture.explainer().await;
    let mut names = Vec::new();
    for (accepted, mut events, mut stream) in streams {
        events.extend(rest(&mut stream).await);
        assert!(finished(&events).complete);
        let mut canvas = Canvas::default();
        canvas.apply_all(&events);
        assert_eq!(canvas.bits("out"), swept(4));
        names.extend(accepted.runs);
    }
    let mut third = client.explain(explain(vec![sweep(20)])).await.unwrap().into_inner();
    names.extend(accepted(&mut third).await.runs);
    let events = rest(&mut third).await;
    assert!(matches!(events[0].event, Some(Event::Started(_))) && finished(&events).complete);
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_end_what_another_watches() {
    let fixture = sharing().await;
    let ask = async || {
        let mut stream = fixture.explainer().await.explain(explain(vec![endless()])).await.unwrap().into_inner();
        let run = accepted(&mut stream).await.runs[0].clone();
        until(&mut stream, |event| matches!(event, Event::Keyframe(_))).await;
        (run, stream)
    };
    let ((run, first), (same, mut second)) = (ask().await, ask().await);
    assert_eq!(run, same);
    drop(first);
    tokio::time::sleep(Duration::from_millis(200)).await;
    until(&mut second, |event| matches!(event, Event::Keyframe(_))).await;
    assert_eq!(fixture.client().await.run(&run).await.unwrap().state(), RunState::Running);
    drop(second);
    fixture.wait_for(&run, RunState::Cancelled).await;
}

#[tokio::test]
async fn a_run_tells_the_groups_of_all_who_asked_for_it() {
    let fixture = sharing().await;
    let mut client = fixture.explainer().await;
    let mut name = String::new();
    for group in ["one", "another"] {
        let request = v1::CreateRunsRequest { specs: vec![sweep(0)], group: group.to_owned(), ..Default::default() };
        name = client.create_runs(request).await.unwrap().into_inner().accepted.unwrap().runs.remove(0);
        fixture.wait_for(&name, RunState::Succeeded).await;
    }
    let request = v1::ListRunsRequest { group: "another".to_owned(), ..Default::default() };
    let listed = client.list_runs(request).await.unwrap().into_inner().runs;
    assert_eq!((listed.len(), &listed[0].name), (1, &name));
    assert_eq!(
        (listed[0].group.as_str(), &listed[0].groups[..]),
        ("one", &["one".to_owned(), "another".to_owned()][..])
    );
}
