//! Requests that can never run: refused before anything is created, each by name; and models.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::sync::Arc;

use fake::{Fake, SIDE, engine, pixels, spec};
use serde_json::json;
use whyglass_engine::{Code, Config, CreateOptions, Engine, Error, ImageSource, Limits, ModelState, RunSpec, Target};

fn refusal(fake: &Fake, bad: RunSpec) -> Error {
    let good = spec("sweep", json!({}));
    let error = fake.engine.create_runs(vec![good, bad], CreateOptions::default()).unwrap_err();
    assert!(fake.engine.runs(None).is_empty(), "all or nothing");
    assert!(error.field.starts_with("specs[1]."), "{error}");
    Error { field: error.field["specs[1].".len()..].to_owned(), ..error }
}

#[test]
fn each_bad_request_is_refused_by_name_before_anything_is_created() {
    let fake = engine(Limits::default());
    let sweep = || spec("sweep", json!({}));
    let with = |params| spec("sweep", params);
    let target = |target| RunSpec { target: Some(target), ..sweep() };
    let wrong = |data: Vec<f32>, shape: Vec<usize>| RunSpec {
        image: ImageSource::Pixels { shape, data: Arc::new(data) },
        ..sweep()
    };
    let encoded = |bytes: &'static [u8]| RunSpec { image: ImageSource::Encoded(bytes.into()), ..sweep() };
    let n = 3 * SIDE * SIDE;
    let cases = [
        (spec("swepe", json!({})), "technique", "UNKNOWN_TECHNIQUE", "did you mean 'sweep'?"),
        (RunSpec { model: "nett".into(), ..sweep() }, "model", "UNKNOWN_MODEL", "did you mean 'net'?"),
        (RunSpec { model: "/etc/passwd".into(), ..sweep() }, "model", "UNKNOWN_MODEL", "unknown model"),
        (RunSpec { model: "broken".into(), ..sweep() }, "model", "INVALID_ARGUMENT", "broken on purpose"),
        (with(json!({"cels": 3})), "params.cels", "UNKNOWN_PARAMETER", "did you mean 'cells'?"),
        (with(json!({"cells": 0})), "params.cells", "INVALID_PARAMETER", "0"),
        (with(json!({"cells": 2.5})), "params.cells", "INVALID_PARAMETER", "2.5"),
        (with(json!({"cells": "many"})), "params.cells", "INVALID_PARAMETER", "many"),
        (with(json!({"layer": "rellu"})), "params.layer", "UNKNOWN_LAYER", "did you mean 'relu'?"),
        (with(json!({"layer": "pool"})), "params.layer", "LAYER_NOT_SPATIAL", "no place in the picture"),
        (target(Target::Index(3)), "target", "UNKNOWN_CLASS", "0 to 2"),
        (target(Target::Label("gren".into())), "target", "UNKNOWN_CLASS", "did you mean 'green'?"),
        (RunSpec { seed: Some(1 << 53), ..sweep() }, "seed", "INVALID_SEED", "2^53"),
        (
            RunSpec { max_duration: Some(std::time::Duration::ZERO), ..sweep() },
            "max_duration",
            "INVALID_DURATION",
            "above zero",
        ),
        (encoded(b"not a picture"), "image", "INVALID_IMAGE", "not a picture"),
        (encoded(b""), "image", "INVALID_IMAGE", "empty"),
        (wrong(vec![0.0; n], vec![3, 4, 4]), "image", "INVALID_PIXELS", "[3, 8, 8]"),
        (wrong(vec![0.0; 5], vec![3, 8, 8]), "image", "INVALID_PIXELS", "5 numbers"),
        (wrong(vec![f32::NAN; n], vec![3, 8, 8]), "image", "INVALID_PIXELS", "NaN"),
        (
            RunSpec { model: "no-gradients".into(), ..spec("gradient", json!({})) },
            "technique",
            "MISSING_CAPABILITY",
            "gradients",
        ),
    ];
    for (bad, field, reason, words) in cases {
        let error = refusal(&fake, bad);
        assert_eq!((error.field.as_str(), error.reason.as_str()), (field, reason), "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_class_may_be_named_by_label_by_one_of_its_names_or_by_index() {
    let fake = engine(Limits::default());
    for (target, index) in [
        (Target::Index(2), 2),
        (Target::Label("green".into()), 1),
        (Target::Label("Fox".into()), 0),
        (Target::Label("NOT RED".into()), 2),
        (Target::Label("1".into()), 1),
    ] {
        let run = fake.create(RunSpec { target: Some(target.clone()), ..spec("sweep", json!({})) });
        fake.events(&run, 0);
        let started = fake.engine.run(&run).unwrap().started.unwrap();
        assert_eq!(started.resolved.target.as_ref().unwrap().0, index, "{target:?}");
    }
}

#[test]
fn no_run_and_too_many_runs_are_refused() {
    let fake = engine(Limits { specs_per_request: 2, ..Limits::default() });
    for count in [0, 3] {
        let specs = vec![spec("sweep", json!({})); count];
        assert_eq!(fake.engine.create_runs(specs, CreateOptions::default()).unwrap_err().reason, "INVALID_COUNT");
    }
}

#[test]
fn a_seed_is_drawn_where_none_is_given_and_reported() {
    let fake = engine(Limits::default());
    let seeds: Vec<u64> = (0..2)
        .map(|_| {
            let run = fake.create(RunSpec { seed: None, ..spec("sweep", json!({})) });
            fake.events(&run, 0);
            fake.engine.run(&run).unwrap().started.unwrap().resolved.seed
        })
        .collect();
    assert!(seeds[0] != seeds[1] && seeds.iter().all(|seed| *seed < 1 << 53), "{seeds:?}");
}

#[test]
fn a_gradient_goes_through_the_proxy_and_is_the_right_one() {
    let fake = engine(Limits::default());
    let run = fake.create(RunSpec { target: Some(Target::Index(0)), ..spec("gradient", json!({})) });
    fake.events(&run, 0);
    // Logit 0 is the mean of relu(red − blue), which is positive everywhere on this picture.
    let map = fake.engine.artifact(&run, "map").unwrap().tensor;
    assert!(map.data.iter().all(|value| (value - 1.0 / 64.0).abs() < 1e-6), "{:?}", map.data);
}

#[test]
fn models_are_listed_unloaded_and_loaded_once_however_many_ask() {
    let fake = engine(Limits::default());
    let state = |name: &str| {
        let models = fake.engine.models();
        models.into_iter().find(|model| model.name == name).map(|model| (model.state, model.state_reason)).unwrap()
    };
    assert_eq!(state("net"), (ModelState::Unloaded, String::new()));
    let models: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| fake.engine.model("net").unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(models.iter().all(|model| Arc::ptr_eq(model, &models[0])));
    assert_eq!(state("net").0, ModelState::Ready);
    assert_eq!((models[0].labels()[1].as_str(), models[0].descriptor().runtime.as_str()), ("green", "plain loops"));
    fake.engine.model("broken").unwrap_err();
    assert!(matches!(state("broken"), (ModelState::Failed, why) if why.contains("on purpose")));
    std::fs::write(fake.folder.path().join("slow/labels.txt"), "one\ntwo\n").unwrap();
    let error = fake.engine.model("slow").unwrap_err();
    assert!(error.message.contains("2 labels for 3 classes"), "{error}");
}

#[test]
fn a_bare_file_is_a_model_only_where_the_configuration_allows_it() {
    let fake = engine(Limits::default());
    let path = fake.folder.path().join("bare.fake");
    std::fs::write(&path, "net").unwrap();
    let name = path.to_str().unwrap();
    assert_eq!(fake.engine.model(name).unwrap_err().reason, "UNKNOWN_MODEL");
    let engine = Engine::start(Config { allow_model_paths: true, ..Config::default() }).unwrap();
    fake::register(&engine);
    let model = engine.model(name).unwrap();
    assert_eq!(model.notices()[0].0, "NORMALISATION_ASSUMED");
    let scores = engine.classify(&model, &pixels(), 2).unwrap();
    assert_eq!((scores.len(), scores[0].label.as_str()), (2, "0"));
    assert_eq!(engine.model("/no/such.fake").unwrap_err().code, Code::NotFound);
}
