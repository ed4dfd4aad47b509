//! One table for every technique that is found, on a tiny model: what all of them promise, whatever they compute.

mod chained;

use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use whyglass_engine::json::Need;
use whyglass_engine::{Action, CreateOptions, Engine, EventKind, ImageSource, RunSpec, RunState, WatchOptions};
use whyglass_tests::staged::{engine, follow, models, plugins, spec};
use whyglass_tests::tiny;

fn tiny_engine() -> (TempDir, Arc<Engine>) {
    let folder = tempfile::tempdir().expect("a folder for the model");
    tiny::write(folder.path());
    tiny::write_dataset(folder.path());
    let engine = engine(&[&plugins()], folder.path());
    (folder, engine)
}

/// What makes a technique quick on the tiny model; none of it is needed for it to work.
fn quick(technique: &str) -> Value {
    match technique {
        "deep-dream" => json!({"iterations": 2, "levels": 1, "layer": "relu"}),
        "tsne" => json!({"iterations": 40, "perplexity": 3.0}),
        _ => json!({}),
    }
}

/// A request for `technique` on the tiny model, about a picture or, where it wants one, the tiny dataset.
fn of(engine: &Engine, technique: &str, params: Value) -> RunSpec {
    let spec = spec(technique, tiny::NAME, tiny::SIDE, params);
    match engine.technique(technique) {
        Ok(known) if known.descriptor.needs.contains(&Need::Dataset) => {
            RunSpec { image: ImageSource::Dataset(tiny::DATASET.into()), ..spec }
        }
        _ => spec,
    }
}

/// Auxiliary artifacts that a technique sends only under other parameters than its defaults.
fn on_request(technique: &str, artifact: &str) -> bool {
    let gradients =
        ["saliency", "input-x-gradient", "guided-backprop", "deconvnet", "integrated-gradients", "smooth-grad"];
    gradients.contains(&technique) && ["red", "green", "blue"].contains(&artifact)
}

fn techniques(engine: &Engine) -> Vec<String> {
    let found: Vec<String> = engine.techniques().iter().map(|technique| technique.id.clone()).collect();
    assert!(found.len() >= 11, "{found:?}");
    found
}

#[test]
fn every_technique_gives_finite_artifacts_of_the_declared_kinds() {
    let (_folder, engine) = tiny_engine();
    for technique in techniques(&engine) {
        let (run, end) = follow(&engine, of(&engine, &technique, quick(&technique)), |_| ());
        assert_eq!(end.state, RunState::Succeeded, "{technique}: {:?}", end.status);
        let declared = engine.technique(&technique).unwrap().descriptor.artifacts.clone();
        for artifact in declared {
            let state = match engine.artifact(&run, &artifact.id) {
                Ok(state) => state,
                // The channels of a gradient are sent where they are asked for; what a person looks at first, always.
                Err(_) if artifact.auxiliary && on_request(&technique, &artifact.id) => continue,
                Err(error) => panic!("{technique}: {error}"),
            };
            assert_eq!(state.kind, artifact.kind, "{technique}/{}", artifact.id);
            assert_eq!(state.tensor.data.len(), state.tensor.shape.iter().product::<usize>());
            assert!(state.tensor.data.iter().all(|value| value.is_finite()), "{technique}/{}", artifact.id);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_artifacts() {
    let (_folder, engine) = tiny_engine();
    for technique in techniques(&engine) {
        let run = || follow(&engine, of(&engine, &technique, quick(&technique)), |_| ()).0;
        let (first, second) = (run(), run());
        for artifact in engine.technique(&technique).unwrap().descriptor.artifacts.clone() {
            let of = |run: &str| engine.artifact(run, &artifact.id).ok().map(|artifact| artifact.tensor.data);
            let first = of(&first);
            assert!(first.is_some() || on_request(&technique, &artifact.id), "{technique}/{}", artifact.id);
            assert_eq!(first, of(&second), "{technique}/{}", artifact.id);
        }
    }
}

#[test]
fn events_come_in_order_and_the_first_of_an_artifact_is_a_keyframe() {
    let (_folder, engine) = tiny_engine();
    for technique in techniques(&engine) {
        let (mut sequence, mut started, mut shown) = (0, false, std::collections::HashSet::new());
        follow(&engine, of(&engine, &technique, quick(&technique)), |event| {
            assert!(event.sequence > sequence, "{technique}: {} after {sequence}", event.sequence);
            sequence = event.sequence;
            match &event.kind {
                EventKind::Started(_) => started = true,
                EventKind::Keyframe(keyframe) => {
                    shown.insert(keyframe.artifact.clone());
                }
                EventKind::Tiles(tiles) => assert!(shown.contains(&tiles.artifact), "{technique}"),
                _ => {}
            }
            assert!(started || matches!(event.kind, EventKind::StateChanged(_)), "{technique}: {:?}", event.kind);
        });
    }
}

#[test]
fn a_schema_accepts_its_own_defaults_and_refuses_a_name_that_it_does_not_know() {
    let (_folder, engine) = tiny_engine();
    for technique in techniques(&engine) {
        let schema = engine.technique(&technique).unwrap().descriptor.params.clone();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let defaults =
            properties.into_iter().filter_map(|(name, property)| Some((name, property.get("default")?.clone())));
        let mut params: Value = Value::Object(defaults.filter(|(_, default)| !default.is_null()).collect());
        for (name, value) in quick(&technique).as_object().unwrap() {
            params[name] = value.clone();
        }
        let (_, end) = follow(&engine, of(&engine, &technique, params), |_| ());
        assert_eq!(end.state, RunState::Succeeded, "{technique} with its own defaults: {:?}", end.status);

        let unknown = of(&engine, &technique, json!({"no-such-parameter": 1}));
        let refused = engine.create_runs(vec![unknown], CreateOptions::default()).unwrap_err();
        assert!(refused.to_string().contains("no-such-parameter"), "{technique}: {refused}");
    }
}

#[test]
fn neither_the_size_of_batches_nor_the_number_of_threads_changes_an_answer_beyond_rounding() {
    let [one, three, nine] = [(1, 1), (3, 2), (9, 3)].map(|(rows, threads)| chained::engine(rows, 0, threads));
    for technique in techniques(&one.engine) {
        let artifacts = |chained: &chained::Chained| {
            let request = chained.of(of(&chained.engine, &technique, quick(&technique)));
            let (run, end) = follow(&chained.engine, request, |_| ());
            assert_eq!(end.state, RunState::Succeeded, "{technique}: {:?}", end.status);
            let artifact = |id: &str| chained.engine.artifact(&run, id).unwrap().tensor;
            end.artifacts.iter().map(|found| (found.id.clone(), artifact(&found.id))).collect::<Vec<_>>()
        };
        let expected = artifacts(&one);
        for (other, rows) in [(&three, 3), (&nine, 9)] {
            for ((id, expected), (_, found)) in expected.iter().zip(artifacts(other)) {
                assert_eq!(expected.shape, found.shape, "{technique}/{id}");
                let scale = expected.data.iter().fold(1e-3, |most: f32, value| most.max(value.abs()));
                let apart =
                    expected.data.iter().zip(&*found.data).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
                assert!(apart <= 1e-4 * scale, "{technique}/{id}: {apart} of {scale} apart in batches of {rows}");
            }
        }
    }
}

/// Every technique, stopped in the middle of its first call of a model that takes its time.
#[test]
fn every_technique_ends_with_the_call_in_which_it_is_stopped() {
    let chained = chained::engine(1, 150, 1);
    let engine = &chained.engine;
    for technique in techniques(engine) {
        let before = chained.calls();
        let request = chained.of(of(engine, &technique, quick(&technique)));
        let run = engine.create_runs(vec![request], CreateOptions::default()).unwrap().remove(0).to_string();
        // The first classifies the picture, before the technique begins.
        while chained.calls() < before + 2 {
            assert!(engine.run(&run).unwrap().finished.is_none(), "{technique} asks nothing of the model");
            std::thread::sleep(Duration::from_millis(2));
        }
        let stopped = Instant::now();
        engine.control(&run, Action::Stop).unwrap();
        let mut watcher = engine.watch(&run, 0, WatchOptions::default()).unwrap();
        while watcher.wait().is_some() {}
        let end = engine.run(&run).unwrap().finished.unwrap();
        assert_eq!((end.state, end.status.reason.as_str()), (RunState::Stopped, "STOPPED"), "{technique}");
        assert_eq!(chained.calls(), before + 2, "{technique} went on");
        assert!(stopped.elapsed() < Duration::from_secs(1), "{technique} took {:?} to stop", stopped.elapsed());
    }
}

/// On a network that takes seconds: on the tiny one a run may have ended before a stop can be heard.
#[test]
fn a_stop_is_obeyed_within_two_calls_of_the_model() {
    let engine = engine(&[&plugins()], &models());
    for (technique, params, rows_of_a_call) in
        [("occlusion", json!({"size": 16, "stride": 8}), 8), ("deep-dream", json!({"iterations": 100}), 1)]
    {
        let request = spec(technique, "efficientnet-lite0", 224, params);
        let run = engine.create_runs(vec![request], CreateOptions::default()).unwrap().remove(0).to_string();
        let mut watcher = engine.watch(&run, 0, WatchOptions::default()).unwrap();
        let (mut at_stop, mut end) = (None, None);
        while let Some(event) = watcher.wait() {
            match &event.kind {
                EventKind::Keyframe(_) if at_stop.is_none() => {
                    engine.control(&run, Action::Stop).unwrap();
                    at_stop = Some(engine.run(&run).unwrap().progress.model_evaluations);
                }
                EventKind::Finished(finished) => end = Some(Arc::clone(finished)),
                _ => {}
            }
        }
        let (at_stop, end) = (at_stop.unwrap(), end.unwrap());
        assert_eq!(end.state, RunState::Stopped, "{technique}: {:?}", end.status);
        assert!(!end.complete);
        // A technique that went on behind the run's back would be counted by now.
        std::thread::sleep(Duration::from_millis(500));
        let after = engine.run(&run).unwrap().progress.model_evaluations;
        let allowed = 2 * rows_of_a_call;
        assert!(after <= at_stop + allowed, "{technique}: {at_stop} evaluations at the stop, {after} in the end");
    }
}

/// Each row that comes is counted, and every pixel is as without the extension, up to how the engine sums.
#[test]
fn an_occlusion_that_recomputes_only_what_changes_gives_the_same_map() {
    let engine = engine(&[&plugins()], &models());
    let map = |incremental: bool| {
        let params = json!({"size": 64, "stride": 40, "incremental": incremental});
        let (run, end) = follow(&engine, spec("occlusion", "efficientnet-lite0", 224, params), |_| ());
        assert_eq!(end.state, RunState::Succeeded, "{:?}", end.status);
        (engine.artifact(&run, "map").unwrap().tensor.data, engine.run(&run).unwrap().progress.model_evaluations)
    };
    let ((found, evaluations), (wanted, _)) = (map(true), map(false));
    // Five windows down and across, the picture itself, and what the engine asks before: the class.
    assert!((26..=27).contains(&evaluations), "{evaluations}");
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0);
    for (found, wanted) in found.iter().zip(wanted.iter()) {
        assert!((found - wanted).abs() <= 1e-4 * largest, "{found} instead of {wanted}, the largest is {largest}");
    }
}
