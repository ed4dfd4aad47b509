//! ControlRun: stop, pause, resume, live parameters; and the deadline that a client sets.

use std::time::{Duration, Instant};

use prost_types::value::Kind;
use whyglass_proto::v1;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::control_run_request::Action;
use whyglass_proto::v1::run_event::Event;

use crate::support::events::{Canvas, accepted, finished, next, reason, rest, swept, until};
use crate::support::{Fixture, endless, explain, sweep};

const STOP: Action = Action::Stop(v1::control_run_request::Stop {});
const PAUSE: Action = Action::Pause(v1::control_run_request::Pause {});
const RESUME: Action = Action::Resume(v1::control_run_request::Resume {});

fn is_tiles(event: &Event) -> bool {
    matches!(event, Event::Tiles(_))
}

#[tokio::test]
async fn a_stop_is_felt_at_once_and_keeps_the_best_so_far() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![sweep(100)])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let mut canvas = Canvas::default();
    loop {
        let event = next(&mut stream).await.unwrap();
        canvas.apply(&event);
        if event.event.as_ref().is_some_and(is_tiles) {
            break;
        }
    }
    let asked = Instant::now();
    fixture.client().await.control(&run, STOP).await.unwrap();
    let events = rest(&mut stream).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let end = finished(&events);
    assert_eq!((end.state(), end.complete), (RunState::Stopped, false));
    let status = end.status.as_ref().unwrap();
    assert_eq!((status.code, reason(status).as_str()), (0, "STOPPED"));
    canvas.apply_all(&events);
    let bits = canvas.bits("out");
    let done = bits.iter().zip(swept(4)).take_while(|(ours, full)| **ours == *full).count();
    assert!((1..16).contains(&done), "{done} cells");
    assert!(bits[done..].iter().all(|&cell| f32::from_bits(cell).is_nan()), "the rest is not computed");
}

#[tokio::test]
async fn a_paused_run_waits_and_then_goes_on_to_the_same_map() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![sweep(20)])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let mut events = vec![until(&mut stream, |event| matches!(event, Event::Keyframe(_))).await];
    assert_eq!(client.control(&run, PAUSE).await.unwrap().state(), RunState::Paused);
    loop {
        let event = next(&mut stream).await.unwrap();
        let paused = matches!(&event.event, Some(Event::StateChanged(change)) if change.state() == RunState::Paused);
        events.push(event);
        if paused {
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = client.run(&run).await.unwrap().last_sequence;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(client.run(&run).await.unwrap().last_sequence, before, "nothing happens while it is paused");
    client.control(&run, RESUME).await.unwrap();
    events.extend(rest(&mut stream).await);
    assert!(finished(&events).complete);
    let mut canvas = Canvas::default();
    canvas.apply_all(&events);
    assert_eq!(canvas.bits("out"), swept(4));
}

#[tokio::test]
async fn live_parameters_change_what_is_still_to_come() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![sweep(30)])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let mut events = vec![until(&mut stream, |event| matches!(event, Event::Keyframe(_))).await];
    let gain = |number| {
        let value = prost_types::Value { kind: Some(Kind::NumberValue(number)) };
        let params = prost_types::Struct { fields: [("gain".to_owned(), value)].into() };
        Action::SetParams(v1::control_run_request::SetParams { params: Some(params) })
    };
    client.control(&run, gain(100.0)).await.unwrap();
    events.extend(rest(&mut stream).await);
    let mut canvas = Canvas::default();
    canvas.apply_all(&events);
    assert_eq!(f32::from_bits(canvas.bits("out")[15]), 1600.0);
    assert!(client.control(&run, gain(1.0)).await.is_err(), "the run is over");
}

#[tokio::test]
async fn a_parameter_that_is_not_live_is_refused_by_name() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![endless()])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    let value = prost_types::Value { kind: Some(Kind::NumberValue(5.0)) };
    let params = prost_types::Struct { fields: [("side".to_owned(), value)].into() };
    let action = Action::SetParams(v1::control_run_request::SetParams { params: Some(params) });
    let refused = fixture.client().await.control(&run, action).await.unwrap_err();
    assert!(refused.to_string().contains("side"), "{refused}");
}

#[tokio::test]
async fn the_calls_own_deadline_ends_the_run_with_its_best_so_far() {
    let fixture = Fixture::start().await;
    let mut request = tonic::Request::new(explain(vec![endless()]));
    request.set_timeout(Duration::from_millis(800));
    let asked = Instant::now();
    let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
    accepted(&mut stream).await;
    let events = rest(&mut stream).await;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let end = finished(&events);
    assert_eq!((end.state(), reason(end.status.as_ref().unwrap()).as_str()), (RunState::Stopped, "DEADLINE"));
    assert_eq!(end.artifacts.len(), 1, "the best so far is there");
}

#[tokio::test]
async fn the_time_in_which_a_model_was_loaded_counts_towards_the_calls_deadline() {
    let fixture = Fixture::start().await;
    fixture.add_slow_model("slow", 700);
    let mut request = tonic::Request::new(explain(vec![v1::RunSpec { model: "slow".to_owned(), ..endless() }]));
    request.set_timeout(Duration::from_millis(1200));
    let asked = Instant::now();
    let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
    accepted(&mut stream).await;
    let end = finished(&rest(&mut stream).await).clone();
    assert_eq!(reason(&end.status.unwrap()), "DEADLINE");
    assert!(asked.elapsed() < Duration::from_millis(1200), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_models_that_are_being_loaded() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.explainer().await.explain(explain(vec![endless()])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    fixture.add_slow_model("slow", 2000);
    let loading: Vec<_> = (0..9)
        .map(|_| {
            let channel = fixture.url();
            tokio::spawn(async move {
                let mut client = whyglass_server::client::Client::connect(&channel, None, None).await.unwrap();
                client.layers("slow").await.unwrap()
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let asked = Instant::now();
    fixture.client().await.control(&run, STOP).await.unwrap();
    assert!(asked.elapsed() < Duration::from_millis(1000), "{:?}", asked.elapsed());
    for layers in loading {
        layers.await.unwrap();
    }
}

#[tokio::test]
async fn a_run_that_waits_says_its_parameters_and_one_that_runs_says_those_of_now() {
    let fixture = Fixture::with(whyglass_engine::Limits { slots: 1, ..Default::default() }, |_| {}).await;
    let mut client = fixture.client().await;
    let [running, waiting] = [(); 2].map(|()| explain(vec![sweep(100)]));
    let mut stream = fixture.explainer().await.explain(running).await.unwrap().into_inner();
    let running = accepted(&mut stream).await.runs[0].clone();
    let mut other = fixture.explainer().await.explain(waiting).await.unwrap().into_inner();
    let waiting = accepted(&mut other).await.runs[0].clone();
    let of = |run: v1::Run, name: &str| run.spec.unwrap().params.unwrap().fields[name].kind.clone();
    assert_eq!(of(client.run(&waiting).await.unwrap(), "delay_ms"), Some(Kind::NumberValue(100.0)));
    until(&mut stream, is_tiles).await;
    let params = whyglass_server::grpc::convert::from_json(serde_json::json!({"gain": 3}).as_object().unwrap());
    let set = Action::SetParams(v1::control_run_request::SetParams { params: Some(params) });
    client.control(&running, set).await.unwrap();
    assert_eq!(of(client.run(&running).await.unwrap(), "gain"), Some(Kind::NumberValue(3.0)));
    for run in [running, waiting] {
        client.control(&run, STOP).await.unwrap();
    }
}

#[tokio::test]
async fn a_runs_own_limit_ends_it_likewise() {
    let fixture = Fixture::start().await;
    let max_duration = Some(prost_types::Duration { seconds: 0, nanos: 300_000_000 });
    let request = explain(vec![v1::RunSpec { max_duration, ..endless() }]);
    let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
    accepted(&mut stream).await;
    let end = finished(&rest(&mut stream).await).clone();
    assert_eq!((end.state(), reason(&end.status.unwrap()).as_str()), (RunState::Stopped, "DEADLINE"));
}

#[tokio::test]
async fn a_second_run_waits_for_a_slot_and_a_third_is_refused_with_a_time_to_come_back() {
    use tonic_types::StatusExt as _;
    let limits = whyglass_engine::Limits { slots: 1, queue: 1, ..Default::default() };
    let fixture = Fixture::with(limits, |_| {}).await;
    let mut client = fixture.explainer().await;
    let mut running = client.explain(explain(vec![endless()])).await.unwrap().into_inner();
    let run = accepted(&mut running).await.runs[0].clone();
    until(&mut running, |event| matches!(event, Event::Keyframe(_))).await;
    let mut queued = client.explain(explain(vec![sweep(0)])).await.unwrap().into_inner();
    accepted(&mut queued).await;
    let event = next(&mut queued).await.unwrap().event.unwrap();
    assert!(matches!(event, Event::StateChanged(change) if change.state() == RunState::Queued));
    let refused = client.explain(explain(vec![sweep(0)])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.get_error_details().retry_info().unwrap().retry_delay.is_some());
    fixture.client().await.control(&run, STOP).await.unwrap();
    assert!(finished(&rest(&mut queued).await).complete, "the slot is free again");
}
