//! How runs end and what is done to them: stop, pause, deadline, linger, queue, shutdown, plugins that misbehave.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::time::{Duration, Instant};

use fake::{engine, finished, kind, replay, spec};
use serde_json::json;
use whyglass_engine::{Action, Code, CreateOptions, EventKind, Limits, PluginState, RunState, WatchOptions};

fn long() -> whyglass_engine::RunSpec {
    spec("sweep", json!({"cells": 2000, "delay_ms": 5}))
}

#[test]
fn a_stop_keeps_the_best_so_far() {
    let fake = engine(Limits::default());
    let run = fake.create(long());
    fake.wait_for_tile(&run);
    let began = Instant::now();
    fake.engine.control(&run, Action::Stop).unwrap();
    let events = fake.events(&run, 0);
    assert!(began.elapsed() < Duration::from_millis(500), "a stop is felt at once");
    let finished = finished(&events);
    assert_eq!((finished.state, finished.complete), (RunState::Stopped, false));
    assert_eq!((finished.status.code, finished.status.reason.as_str()), (Code::Ok, "STOPPED"));
    let map = replay(vec![], &events);
    let done = map.iter().take_while(|value| !value.is_nan()).count();
    assert!((1..2000).contains(&done) && map[done..].iter().all(|value| value.is_nan()), "a prefix of the full map");
    assert_eq!(map[done - 1], done as f32);
    // Again is fine; anything else is too late.
    fake.engine.control(&run, Action::Stop).unwrap();
    assert_eq!(fake.engine.control(&run, Action::Pause).unwrap_err().reason, "RUN_FINISHED");
}

#[test]
fn a_paused_run_stands_still_until_it_is_resumed() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("sweep", json!({"cells": 60, "delay_ms": 5})));
    fake.wait_for_tile(&run);
    assert_eq!(fake.engine.control(&run, Action::Pause).unwrap().state, RunState::Paused);
    std::thread::sleep(Duration::from_millis(60));
    let before = fake.engine.run(&run).unwrap().last_sequence;
    std::thread::sleep(Duration::from_millis(120));
    assert_eq!(fake.engine.run(&run).unwrap().last_sequence, before, "nothing happens");
    assert_eq!(fake.engine.control(&run, Action::Resume).unwrap().state, RunState::Running);
    let events = fake.events(&run, 0);
    let states: Vec<RunState> =
        events.iter().filter_map(|e| if let EventKind::StateChanged(s) = e.kind { Some(s) } else { None }).collect();
    assert_eq!(states, [RunState::Paused, RunState::Running]);
    assert_eq!(replay(vec![], &events)[59], 60.0);
    assert_eq!(finished(&events).state, RunState::Succeeded);
}

#[test]
fn a_stop_ends_a_paused_run_and_a_pause_too_long_ends_itself() {
    let fake = engine(Limits { pause: Duration::from_millis(100), ..Limits::default() });
    let runs = [fake.create(long()), fake.create(long())];
    for run in &runs {
        fake.wait_for_tile(run);
        fake.engine.control(run, Action::Pause).unwrap();
    }
    fake.engine.control(&runs[0], Action::Stop).unwrap();
    assert_eq!(fake.finished(&runs[0]).status.reason, "STOPPED");
    let finished = fake.finished(&runs[1]);
    assert_eq!((finished.state, finished.status.reason.as_str()), (RunState::Stopped, "PAUSED_TOO_LONG"));
}

#[test]
fn a_deadline_keeps_the_best_so_far() {
    let fake = engine(Limits::default());
    let run = fake.create(whyglass_engine::RunSpec { max_duration: Some(Duration::from_millis(150)), ..long() });
    let events = fake.events(&run, 0);
    let finished = finished(&events);
    assert_eq!((finished.state, finished.status.reason.as_str()), (RunState::Stopped, "DEADLINE"));
    assert_eq!(replay(vec![], &events)[0], 1.0);
    // The caller's own deadline counts time in the queue too.
    let options = CreateOptions {
        deadline: Some(Instant::now() + Duration::from_millis(100)),
        linger: Duration::from_secs(9),
        ..CreateOptions::default()
    };
    let run = fake.create_with(long(), options);
    assert_eq!(fake.finished(&run).status.reason, "DEADLINE");
    // So does the time that creating it took.
    let began = Instant::now();
    let options = CreateOptions { deadline: Some(began + Duration::from_millis(400)), ..CreateOptions::default() };
    let run = fake.create_with(whyglass_engine::RunSpec { model: "slow-to-load".into(), ..long() }, options);
    assert_eq!(fake.finished(&run).status.reason, "DEADLINE");
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}

#[test]
fn a_run_is_cancelled_when_its_last_watcher_has_left_and_its_linger_time_is_over() {
    let fake = engine(Limits::default());
    let options = |linger| CreateOptions { linger: Duration::from_millis(linger), ..CreateOptions::default() };
    for linger in [0, 100] {
        let run = fake.create_with(long(), options(linger));
        let watchers = [0, 1].map(|_| fake.engine.watch(&run, 0, WatchOptions::default()).unwrap());
        let [first, second] = watchers;
        drop(first);
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(fake.engine.run(&run).unwrap().state, RunState::Running, "somebody watches");
        drop(second);
        if linger > 0 {
            assert_eq!(fake.engine.run(&run).unwrap().state, RunState::Running, "it lingers");
        }
        std::thread::sleep(Duration::from_millis(linger + 150));
        let finished = fake.engine.run(&run).unwrap().finished.expect("nobody is left");
        assert_eq!((finished.state, finished.status.code), (RunState::Cancelled, Code::Cancelled));
    }
    // Who comes back in time keeps it alive; a run that nobody has watched yet goes on.
    let (left, unwatched) = (fake.create_with(long(), options(200)), fake.create_with(long(), options(0)));
    drop(fake.engine.watch(&left, 0, WatchOptions::default()).unwrap());
    let _back = fake.engine.watch(&left, 0, WatchOptions::default()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    for run in [&left, &unwatched] {
        assert_eq!(fake.engine.run(run).unwrap().state, RunState::Running);
        fake.engine.control(run, Action::Stop).unwrap();
    }
}

#[test]
fn live_parameters_change_under_way_and_others_do_not() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("sweep", json!({"cells": 40, "delay_ms": 20})));
    fake.wait_for_tile(&run);
    let set =
        |params: serde_json::Value| fake.engine.control(&run, Action::SetParams(params.as_object().unwrap().clone()));
    let refused = set(json!({"cells": 3})).unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.field.as_str()), ("PARAMETER_NOT_LIVE", "params.cells"));
    assert_eq!(set(json!({"delay_ms": -1})).unwrap_err().field, "params.delay_ms");
    assert_eq!(set(json!({"dealy_ms": 1})).unwrap_err().reason, "UNKNOWN_PARAMETER");
    assert_eq!(set(json!({"delay_ms": 1.0})).unwrap().params["delay_ms"], json!(1));
    let events = fake.events(&run, 0);
    let changes: Vec<f64> = events
        .iter()
        .filter_map(|e| if let EventKind::Metrics(m) = &e.kind { Some(m["delay"]) } else { None })
        .collect();
    assert_eq!(changes, [1.0]);
    let manifest: serde_json::Value = serde_json::from_str(&finished(&events).manifest).unwrap();
    assert_eq!((&manifest["params"]["delay_ms"], &manifest["metrics"]["delay"]), (&json!(1), &json!(1.0)));
    let preprocessing = json!({ "resize": "stretch", "filter": "bicubic", "normalize": null });
    assert_eq!(manifest["model"]["preprocessing"], preprocessing);
}

#[test]
fn runs_wait_for_a_slot_and_a_full_queue_says_try_again() {
    let fake = engine(Limits { slots: 1, queue: 1, ..Limits::default() });
    let running = fake.create(long());
    fake.wait_for_tile(&running);
    let waiting = fake.create(spec("sweep", json!({})));
    let error = fake.engine.create_runs(vec![long()], CreateOptions::default()).unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::ResourceExhausted, "QUEUE_FULL"));
    assert!(error.retry_after.is_some());
    assert_eq!(fake.engine.run(&waiting).unwrap().state, RunState::Queued);
    assert_eq!(fake.engine.control(&waiting, Action::Pause).unwrap_err().reason, "RUN_NOT_STARTED");
    fake.engine.control(&running, Action::Stop).unwrap();
    let events = fake.events(&waiting, 0);
    assert!(matches!(events[0].kind, EventKind::StateChanged(RunState::Queued)));
    assert_eq!(kind(&events[1].kind), "started");
    assert_eq!(finished(&events).state, RunState::Succeeded);
}

#[test]
fn a_run_that_is_stopped_in_the_queue_never_starts() {
    let fake = engine(Limits { slots: 1, ..Limits::default() });
    let (running, waiting) = (fake.create(long()), fake.create(long()));
    fake.engine.control(&waiting, Action::Stop).unwrap();
    let events = fake.events(&waiting, 0);
    assert_eq!(events.iter().map(|e| kind(&e.kind)).collect::<Vec<_>>(), ["state_changed", "finished"]);
    assert_eq!(finished(&events).state, RunState::Stopped);
    fake.engine.control(&running, Action::Stop).unwrap();
}

#[test]
fn a_technique_that_ignores_a_stop_loses_its_run_keeps_its_slot_and_is_disabled_the_second_time() {
    let fake = engine(Limits { slots: 1, unresponsive: Duration::from_millis(100), ..Limits::default() });
    for _ in 0..2 {
        let run = fake.create(spec("stubborn", json!({})));
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        fake.engine.control(&run, Action::Stop).unwrap();
        let events = fake.events(&run, 0);
        let finished = finished(&events);
        assert!(began.elapsed() < Duration::from_millis(450), "it is finished without the technique");
        assert_eq!((finished.state, finished.status.reason.as_str()), (RunState::Stopped, "PLUGIN_UNRESPONSIVE"));
        assert_eq!(replay(vec![], &events), [7.0]);
        let next = fake.engine.create_runs(vec![spec("sweep", json!({}))], CreateOptions::default()).unwrap();
        assert_eq!(fake.engine.run(&next[0]).unwrap().state, RunState::Queued, "the slot is taken");
        assert_eq!(fake.finished(&next[0]).state, RunState::Succeeded);
        assert_eq!(*fake.engine.artifact(&run, "map").unwrap().tensor.data, [7.0], "what came too late is not taken");
    }
    let error = fake.engine.create_runs(vec![spec("stubborn", json!({}))], CreateOptions::default()).unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::FailedPrecondition, "TECHNIQUE_DISABLED"));
    assert_eq!(fake.engine.plugins()[0].state, PluginState::Disabled);
    assert!(fake.engine.technique("sweep").is_ok());
}

#[test]
fn a_map_with_cells_that_were_never_computed_is_no_success() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("sweep", json!({"settle": 3})));
    let finished = fake.finished(&run);
    assert_eq!((finished.state, finished.status.reason.as_str()), (RunState::Failed, "NOT_FINITE"));
}

#[test]
fn a_model_that_panics_is_disabled_and_nothing_else_is() {
    let fake = engine(Limits::default());
    let run = fake.create(whyglass_engine::RunSpec { model: "panics".into(), ..spec("sweep", json!({})) });
    let finished = fake.finished(&run);
    assert_eq!((finished.state, finished.status.reason.as_str()), (RunState::Failed, "PANIC"));
    let again = whyglass_engine::RunSpec { model: "panics".into(), ..spec("sweep", json!({})) };
    let error = fake.engine.create_runs(vec![again], CreateOptions::default()).unwrap_err();
    assert_eq!(error.reason, "MODEL_DISABLED");
    assert_eq!(fake.finished(&fake.create(spec("sweep", json!({})))).state, RunState::Succeeded);
}

#[test]
fn a_model_that_takes_one_call_at_a_time_gets_one() {
    let fake = engine(Limits::default());
    let one = || whyglass_engine::RunSpec { model: "one-by-one".into(), ..spec("sweep", json!({"cells": 4})) };
    let began = Instant::now();
    let runs = [fake.create(one()), fake.create(one())];
    for run in &runs {
        assert_eq!(fake.finished(run).state, RunState::Succeeded);
    }
    assert!(began.elapsed() >= Duration::from_millis(2 * 5 * 20), "ten calls of 20 ms, one after the other");
}

#[test]
fn a_technique_that_takes_one_call_at_a_time_gets_one_where_others_ask_for_it_too() {
    let fake = engine(Limits::default());
    let mut runs: Vec<_> = (0..4).map(|_| fake.create(spec("twice", json!({"by": "alone"})))).collect();
    runs.extend((0..2).map(|_| fake.create(spec("alone", json!({})))));
    for run in &runs {
        assert_eq!(fake.finished(run).state, RunState::Succeeded);
    }
    let most = |run: &String| fake.engine.artifact(run, "map").unwrap().tensor.data[0];
    assert_eq!(runs.iter().map(most).collect::<Vec<_>>(), [2.0, 2.0, 2.0, 2.0, 1.0, 1.0]);
}

#[test]
fn the_same_request_again_joins_the_same_runs() {
    let fake = engine(Limits::default());
    let options = || CreateOptions { request_id: "one".into(), ..CreateOptions::default() };
    let names: Vec<_> = std::thread::scope(|scope| {
        let create = || fake.engine.create_runs(vec![spec("sweep", json!({}))], options()).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(names.iter().all(|name| *name == names[0]));
    assert_eq!(fake.engine.runs(None).len(), 1);
    // What has failed may be tried again under its id.
    let failing = || CreateOptions { request_id: "two".into(), ..CreateOptions::default() };
    assert!(fake.engine.create_runs(vec![spec("nonsense", json!({}))], failing()).is_err());
    assert!(fake.engine.create_runs(vec![spec("sweep", json!({}))], failing()).is_ok());
}

#[test]
fn finished_runs_are_kept_for_a_while_and_within_a_number_of_bytes() {
    let fake = engine(Limits { result_age: Duration::from_millis(150), ..Limits::default() });
    let run = fake.create(spec("sweep", json!({})));
    fake.events(&run, 0);
    assert!(fake.engine.run(&run).unwrap().expire_time.is_some());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(fake.engine.run(&run).unwrap_err().reason, "UNKNOWN_RUN");

    let fake = engine(Limits { result_bytes: 40_000, ..Limits::default() });
    let runs: Vec<_> = (0..20).map(|_| fake.create(spec("sweep", json!({})))).collect();
    for run in &runs {
        if let Ok(mut watcher) = fake.engine.watch(run, 0, WatchOptions::default()) {
            while watcher.wait().is_some() {}
        }
    }
    let kept = fake.engine.runs(None).len();
    assert!((1..=9).contains(&kept), "{kept} results kept");
    assert!(fake.engine.run(&runs[19]).is_ok(), "the newest is among them");

    let fake = engine(Limits { results: 3, ..Limits::default() });
    for _ in 0..5 {
        let run = fake.create(spec("sweep", json!({})));
        fake.events(&run, 0);
        assert!(fake.engine.run(&run).is_ok(), "the newest is kept");
    }
    assert_eq!(fake.engine.runs(None).len(), 3);
}

#[test]
fn a_shutdown_refuses_new_runs_and_ends_the_running_ones_with_finished() {
    let fake = engine(Limits::default());
    let run = fake.create(long());
    fake.wait_for_tile(&run);
    let began = Instant::now();
    fake.engine.shutdown(Duration::from_millis(100));
    assert!(began.elapsed() < Duration::from_secs(1));
    let finished = fake.finished(&run);
    assert_eq!((finished.state, finished.status.reason.as_str()), (RunState::Stopped, "SHUTDOWN"));
    let error = fake.engine.create_runs(vec![long()], CreateOptions::default()).unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
}
