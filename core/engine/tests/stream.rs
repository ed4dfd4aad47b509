//! What watchers see: order, resuming, late and slow ones, groups.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::time::{Duration, Instant};

use fake::{engine, finished, kind, kinds, replay, spec};
use serde_json::json;
use whyglass_engine::{Config, Cursor, Engine, EventKind, Limits, Poll, RunState, WatchOptions};

const FULL: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];

#[test]
fn a_run_says_what_was_resolved_then_what_it_finds_then_that_it_has_finished_once() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("sweep", json!({"delay_ms": 5.0})));
    let events = fake.events(&run, 0);
    let EventKind::Started(started) = &events[0].kind else { panic!("{:?} is first", events[0]) };
    assert_eq!((events[0].sequence, started.resolved.seed), (1, 7));
    assert_eq!(json!(started.resolved.params), json!({"cells": 8, "delay_ms": 5, "layer": "features", "settle": null}));
    assert_eq!(started.resolved.target.as_ref().unwrap().0, started.scores[0].index, "the model's top class");
    assert_eq!((started.scores.len(), started.input), (3, [8, 8]));
    assert!(matches!(&events[1].kind, EventKind::Keyframe(frame) if frame.tensor.data.iter().all(|v| v.is_nan())));
    assert_eq!(events.iter().filter(|event| kind(&event.kind) == "finished").count(), 1);
    let finished = finished(&events);
    assert_eq!((finished.state, finished.complete, finished.status.code.number()), (RunState::Succeeded, true, 0));
    let last_frame = events.iter().rev().find(|event| kind(&event.kind) == "keyframe").unwrap();
    assert!(matches!(&last_frame.kind, EventKind::Keyframe(frame) if frame.is_final));
    assert_eq!(replay(vec![], &events), FULL);
    assert_eq!(*fake.engine.artifact(&run, "map").unwrap().tensor.data, FULL);

    let manifest: serde_json::Value = serde_json::from_str(&finished.manifest).unwrap();
    assert_eq!(manifest["model_evaluations"], 1 + 8, "one to classify, one for each cell");
    assert_eq!(manifest["technique"], json!({"id": "sweep", "plugin": "fake", "version": "1.2.3"}));
    assert_eq!(manifest["model"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!((&manifest["seed"], &manifest["params"]["cells"]), (&json!(7), &json!(8)));
}

#[test]
fn resuming_at_every_sequence_number_gives_the_same_final_map() {
    for log_bytes in [8 << 20, 2000, 0] {
        let fake = engine(Limits { log_bytes, ..Limits::default() });
        let run = fake.create(spec("sweep", json!({"delay_ms": 2})));
        let first = fake.events(&run, 0);
        assert_eq!(replay(vec![], &first), FULL);
        for seen in 0..first.len() {
            let had = replay(vec![], &first[..seen]);
            let after = seen.checked_sub(1).map_or(0, |last| first[last].sequence);
            let rest = fake.events(&run, after);
            assert_eq!(replay(had, &rest), FULL, "log of {log_bytes} bytes, resumed after {after}");
            finished(&rest);
        }
    }
}

#[test]
fn a_late_watcher_gets_started_and_one_keyframe_per_artifact() {
    let fake = engine(Limits { log_bytes: 4000, ..Limits::default() });
    let run = fake.create(spec("sweep", json!({"cells": 2000})));
    fake.events(&run, 0);
    let late = fake.events(&run, 0);
    assert_eq!(late.iter().map(|event| kind(&event.kind)).collect::<Vec<_>>(), ["started", "keyframe", "finished"]);
    assert_eq!(replay(vec![], &late)[1999], 2000.0);
}

#[test]
fn a_slow_watcher_costs_nothing_and_still_sees_the_end() {
    let limits = Limits { log_bytes: 1 << 20, ..Limits::default() };
    let fake = engine(limits);
    let run = fake.create(spec("dream", json!({})));
    let mut slow = fake.engine.watch(&run, 0, WatchOptions::default()).unwrap();
    let mut frames = 0;
    let mut last = 0.0;
    while let Some(event) = slow.wait() {
        std::thread::sleep(Duration::from_millis(30));
        if let EventKind::Keyframe(frame) = &event.kind {
            frames += 1;
            assert!(frame.tensor.data[0] >= last, "time does not go backwards");
            last = frame.tensor.data[0];
        }
    }
    assert!(frames < 60, "{frames} frames were shown of 100");
    assert_eq!(last, 1.0);
}

#[test]
fn a_frame_interval_thins_frames_out_and_never_holds_the_end_back() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("sweep", json!({"cells": 40, "delay_ms": 5})));
    let began = Instant::now();
    let options = WatchOptions { min_frame_interval: Duration::from_secs(30) };
    let events = fake.events_with(&run, 0, options);
    assert!(began.elapsed() < Duration::from_secs(5));
    let frames = events.iter().filter(|event| matches!(kind(&event.kind), "keyframe" | "tiles")).count();
    assert!(frames <= 2, "{frames} frames");
    assert_eq!(replay(vec![], &events)[39], 40.0);
}

#[test]
fn two_watchers_see_the_same_run() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("sweep", json!({"delay_ms": 3})));
    std::thread::scope(|scope| {
        let watches: Vec<_> = (0..2).map(|_| scope.spawn(|| replay(vec![], &fake.events(&run, 0)))).collect();
        for watch in watches {
            assert_eq!(watch.join().unwrap(), FULL);
        }
    });
}

#[test]
fn one_watcher_follows_several_runs_to_their_ends() {
    let fake = engine(Limits::default());
    let runs: Vec<String> = (0..3).map(|_| fake.create(spec("sweep", json!({"delay_ms": 2})))).collect();
    let cursors: Vec<Cursor> = runs.iter().map(|run| Cursor { run: run.clone(), after_sequence: 0 }).collect();
    let mut watcher = fake.engine.watch_all(&cursors, WatchOptions::default()).unwrap();
    let mut ended = Vec::new();
    while let Some(event) = watcher.wait() {
        if kind(&event.kind) == "finished" {
            ended.push(event.run.to_string());
        }
    }
    ended.sort();
    let mut runs = runs;
    runs.sort();
    assert_eq!(ended, runs);
}

#[test]
fn a_group_delivers_runs_that_are_created_later() {
    let fake = engine(Limits::default());
    let mut watcher = fake.engine.watch_group("page", &[], WatchOptions::default()).unwrap();
    assert!(matches!(watcher.poll(), Poll::Pending(None)));
    for _ in 0..2 {
        let options = whyglass_engine::CreateOptions {
            group: "page".into(),
            linger: Duration::from_secs(9),
            ..Default::default()
        };
        let run = fake.create_with(spec("sweep", json!({})), options);
        loop {
            let event = watcher.wait().expect("a group does not end");
            assert_eq!(*event.run, *run);
            if kind(&event.kind) == "finished" {
                break;
            }
        }
    }
    assert_eq!(fake.engine.runs(Some("page")).len(), 2);
    assert_eq!(fake.engine.runs(Some("another")).len(), 0);
    fake.engine.shutdown(Duration::from_secs(1));
    assert!(watcher.wait().is_none(), "the engine has shut down");
}

#[test]
fn a_group_misses_no_run_of_many_that_are_created_at_once() {
    let fake = engine(Limits { queue: 2000, ..Limits::default() });
    let mut watcher = fake.engine.watch_group("page", &[], WatchOptions::default()).unwrap();
    let (threads, each) = (8, 25);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let options = whyglass_engine::CreateOptions {
                        group: "page".into(),
                        linger: Duration::from_secs(9),
                        ..Default::default()
                    };
                    let one = || spec("sweep", json!({"cells": 1}));
                    fake.engine.create_runs(vec![one(), one()], options).unwrap();
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(60);
        let mut ended = 0;
        while ended < 2 * threads * each {
            match watcher.poll() {
                Poll::Event(event) => ended += usize::from(kind(&event.kind) == "finished"),
                _ => {
                    assert!(Instant::now() < until, "{ended} runs were seen to their end");
                    std::thread::yield_now();
                }
            }
        }
    });
}

#[test]
fn a_cursor_ahead_of_its_run_and_a_run_that_is_not_are_refused() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("sweep", json!({})));
    fake.events(&run, 0);
    assert_eq!(fake.engine.watch(&run, 9999, WatchOptions::default()).unwrap_err().reason, "CURSOR_AHEAD");
    let error = fake.engine.watch("nobody", 0, WatchOptions::default()).unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_str()), ("UNKNOWN_RUN", "cursors[0].run"));
    let twice = [0, 1].map(|after_sequence| Cursor { run: run.clone(), after_sequence });
    let error = fake.engine.watch_all(&twice, WatchOptions::default()).unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_str()), ("SAME_RUN", "cursors[1].run"));
    let many: Vec<_> = (0..1025).map(|i| Cursor { run: i.to_string(), after_sequence: 0 }).collect();
    assert_eq!(fake.engine.watch_group("page", &many, WatchOptions::default()).unwrap_err().reason, "INVALID_COUNT");
    assert_eq!(fake.engine.artifact(&run, "mop").unwrap_err().reason, "UNKNOWN_ARTIFACT");
}

#[test]
fn what_a_technique_wants_of_another_is_computed_first_under_the_same_run() {
    let fake = engine(Limits::default());
    let run = fake.create(spec("twice", json!({})));
    let events = fake.events(&run, 0);
    assert_eq!(replay(vec![], &events), FULL.map(|value| value * 2.0));
    assert!(!kinds(&events).contains("tiles"), "the other's tiles are not this run's");
    let manifest: serde_json::Value = serde_json::from_str(&finished(&events).manifest).unwrap();
    assert_eq!(manifest["model_evaluations"], 9);
    let wrong = fake.engine.create_runs(vec![spec("twice", json!({"by": "dream"}))], Default::default());
    assert_eq!(wrong.unwrap_err().field, "specs[0].params.by");
}

#[test]
fn an_engine_without_plugins_starts_and_says_so() {
    let engine = Engine::start(Config::default()).unwrap();
    assert!(engine.techniques().is_empty() && engine.models().is_empty() && engine.plugins().is_empty());
    let error = engine.create_runs(vec![spec("sweep", json!({}))], Default::default()).unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_str()), ("UNKNOWN_TECHNIQUE", "specs[0].technique"));
}
