//! What a model gave for a picture itself: who profits, who does not, and that nothing else changes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{Fake, engine, pixels, spec};
use serde_json::json;
use whyglass_engine::{Action, ImageSource, Limits, RunSpec, RunState};

fn remembering() -> Fake {
    of_bytes(Limits::default().activations_bytes)
}

/// One run at a time, each with all threads: one that begins while another is still leaving has fewer, and asks another call.
fn of_bytes(activations_bytes: usize) -> Fake {
    engine(Limits { slots: 1, activations_bytes, ..Limits::default() })
}

/// How often a run of `spec` has the model evaluate.
fn evaluations(fake: &Fake, spec: RunSpec) -> u64 {
    let end = fake.finished(&fake.create(spec));
    assert_eq!(end.state, RunState::Succeeded, "{:?}", end.status);
    let manifest: serde_json::Value = serde_json::from_str(&end.manifest).unwrap();
    manifest["model_evaluations"].as_u64().unwrap()
}

fn ask(fetch: &str) -> RunSpec {
    spec("ask", json!({ "fetch": fetch }))
}

fn map(fake: &Fake, spec: RunSpec) -> Vec<u32> {
    let run = fake.create(spec);
    fake.finished(&run);
    fake.engine.artifact(&run, "map").unwrap().tensor.data.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_second_run_of_another_technique_on_the_same_picture_evaluates_once_less() {
    let fake = remembering();
    assert_eq!(evaluations(&fake, spec("sweep", json!({}))), 1 + 8);
    assert_eq!(evaluations(&fake, spec("gradient", json!({}))), 1, "the gradient, but not the class");
    assert_eq!(evaluations(&fake, spec("sweep", json!({"cells": 9}))), 9);
}

#[test]
fn a_technique_that_asks_for_the_picture_itself_is_answered_with_what_is_known() {
    let fake = remembering();
    assert_eq!(evaluations(&fake, ask("features")), 2, "the class, then the layer");
    assert_eq!(evaluations(&fake, ask("features")), 0);
    assert_eq!(evaluations(&fake, ask("first")), 0, "class and features, as every run begins");
    assert_eq!(evaluations(&fake, ask("logits")), 1, "a graph that is cut elsewhere may round otherwise");
    assert_eq!(evaluations(&fake, ask("logits")), 0);
    assert_eq!(evaluations(&fake, ask("probabilities")), 1);
    assert_eq!(evaluations(&fake, spec("ask", json!({"fetch": "conv", "times": 5}))), 1);
}

#[test]
fn classifying_a_picture_counts_as_asking_for_it() {
    let fake = remembering();
    let scores = || fake.engine.classify(&fake.engine.load_model("net").unwrap(), &pixels(), 3).unwrap();
    let first = scores();
    assert_eq!(evaluations(&fake, ask("first")), 0);
    assert_eq!(scores(), first);
}

#[test]
fn what_is_remembered_is_bit_for_bit_what_is_evaluated() {
    let (fake, off) = (remembering(), of_bytes(0));
    for fetch in ["first", "logits", "probabilities", "features", "conv"] {
        let wanted = map(&off, ask(fetch));
        assert_eq!((map(&fake, ask(fetch)), map(&fake, ask(fetch))), (wanted.clone(), wanted), "{fetch}");
    }
}

#[test]
fn another_picture_does_not_profit() {
    let fake = remembering();
    assert_eq!(evaluations(&fake, ask("first")), 1);
    let ImageSource::Pixels { shape, mut data } = pixels() else { panic!("pixels") };
    let zero = data.iter().position(|value| *value == 0.0).unwrap();
    Arc::make_mut(&mut data)[zero] = -0.0;
    let other = RunSpec { image: ImageSource::Pixels { shape, data }, ..ask("first") };
    assert_eq!(evaluations(&fake, other), 1);
}

#[test]
fn neither_does_another_model_nor_one_that_is_loaded_again() {
    let fake = remembering();
    assert_eq!(evaluations(&fake, ask("first")), 1);
    assert_eq!(evaluations(&fake, RunSpec { model: "no-gradients".into(), ..ask("first") }), 1);
    fake.engine.unload_model("net").unwrap();
    assert_eq!(evaluations(&fake, ask("first")), 1);
}

#[test]
fn the_bound_holds_and_what_was_used_last_stays() {
    // A picture takes up 768 bytes, its logits 12 and its features 512: there is room for two, and for a layer of 650 at most.
    let fake = of_bytes(2600);
    let of = |grey: f32| {
        let data = Arc::new(vec![grey; 3 * fake::SIDE * fake::SIDE]);
        RunSpec { image: ImageSource::Pixels { shape: vec![3, fake::SIDE, fake::SIDE], data }, ..ask("first") }
    };
    let counts = [0.1, 0.2, 0.1, 0.3, 0.1, 0.2].map(|grey| evaluations(&fake, of(grey)));
    assert_eq!(counts, [1, 1, 0, 1, 0, 1]);
    let layer = || spec("ask", json!({"fetch": "input"}));
    assert_eq!((evaluations(&fake, layer()), evaluations(&fake, layer())), (2, 1), "the layer is too large");
}

#[test]
fn without_bytes_for_it_everything_is_evaluated() {
    let fake = of_bytes(0);
    assert_eq!((evaluations(&fake, ask("first")), evaluations(&fake, ask("first"))), (2, 2));
}

#[test]
fn a_run_that_is_answered_from_memory_is_paused_and_stopped_as_any_other() {
    let fake = remembering();
    let endless = || spec("ask", json!({"times": 0}));
    for pause in [false, true] {
        let run = fake.create(endless());
        std::thread::sleep(Duration::from_millis(50));
        if pause {
            fake.engine.control(&run, Action::Pause).unwrap();
        }
        fake.engine.control(&run, Action::Stop).unwrap();
        let end = fake.finished(&run);
        assert_eq!(end.state, RunState::Stopped, "{:?}", end.status);
        assert!(fake.engine.run(&run).unwrap().progress.model_evaluations <= 1);
    }
}
