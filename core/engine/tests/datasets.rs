//! Datasets from the request to the manifest: matched with a model's classes, decoded on demand, unreadable pictures passed
//! over by name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;

use fake::{Fake, SIDE, engine, spec};
use serde_json::{Value, json};
use whyglass_engine::{
    ArtifactMeta, Code, CreateOptions, Error, EventKind, ImageSource, Limits, RunSpec, RunState, Target,
};
use whyglass_imaging::{Picture, encode_png};

/// A picture of one grey.
fn png(grey: u8) -> Vec<u8> {
    let side = SIDE as u32;
    encode_png(&Picture::new(side, side, vec![grey; 3 * SIDE * SIDE]).unwrap()).unwrap()
}

fn write(fake: &Fake, set: &str, file: &str, bytes: &[u8]) {
    let path = fake.folder.path().join("datasets").join(set).join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Two pictures of a fox, one of "not red", one that is none.
fn animals(fake: &Fake) {
    write(fake, "animals", "fox/a.png", &png(0));
    write(fake, "animals", "fox/b.png", b"not a picture");
    write(fake, "animals", "fox/c.png", &png(255));
    write(fake, "animals", "NOT_RED/d.png", &png(51));
}

fn of(set: &str) -> RunSpec {
    RunSpec { image: ImageSource::Dataset(set.into()), ..spec("tally", json!({})) }
}

fn refusal(fake: &Fake, bad: RunSpec) -> Error {
    fake.engine.create_runs(vec![bad], CreateOptions::default()).unwrap_err()
}

#[test]
fn a_run_over_a_dataset_sees_each_picture_with_the_models_class() {
    let fake = engine(Limits::default());
    animals(&fake);
    let run = fake.create(of("animals"));
    assert_eq!(fake.finished(&run).state, RunState::Succeeded);
    let rows = fake.engine.artifact(&run, "rows").unwrap();
    let ArtifactMeta::Table(meta) = &*rows.meta else { panic!("a table") };
    assert_eq!(meta.rows, ["NOT_RED/d.png", "fox/a.png", "fox/c.png"]);
    assert_eq!(rows.tensor.data[..], [2.0, 0.2, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn an_unreadable_picture_is_named_and_passed_over_and_the_manifest_counts_it() {
    let fake = engine(Limits::default());
    animals(&fake);
    let run = fake.create(of("animals"));
    let events = fake.events(&run, 0);
    let notices: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Notice { reason, message } => Some((reason.as_str(), message.as_str())),
            _ => None,
        })
        .collect();
    let [("UNREADABLE_IMAGE", message)] = notices[..] else { panic!("{notices:?}") };
    assert!(message.contains("'fox/b.png'") && message.contains("not a picture"), "{message}");
    let manifest: Value = serde_json::from_str(&fake::finished(&events).manifest).unwrap();
    assert_eq!(manifest["dataset"]["name"], "animals");
    assert_eq!((&manifest["dataset"]["items"], &manifest["dataset"]["unreadable"]), (&json!(4), &json!(1)));
    assert_eq!(manifest["dataset"]["unreadable_items"], json!(["fox/b.png"]));
}

#[test]
fn a_dataset_has_no_top_class_and_keeps_a_target_that_is_asked_for() {
    let fake = engine(Limits::default());
    animals(&fake);
    for (target, index) in [(None, -1.0), (Some(Target::Label("green".into())), 1.0)] {
        let run = fake.create(RunSpec { target, ..of("animals") });
        let manifest: Value = serde_json::from_str(&fake.finished(&run).manifest).unwrap();
        assert_eq!(manifest["metrics"]["target"], json!(index));
        assert_eq!(manifest["target"].is_null(), index < 0.0);
        assert_eq!(fake.engine.run(&run).unwrap().started.unwrap().resolved.dataset.as_deref(), Some("animals"));
    }
}

#[test]
fn what_cannot_be_is_refused_by_name_before_anything_runs() {
    let fake = engine(Limits::default());
    animals(&fake);
    write(&fake, "strange", "cat/a.png", &png(0));
    write(&fake, "strange", "fox/b.png", &png(0));
    write(&fake, "strange", "dog/c.png", &png(0));
    write(&fake, "hollow", "fox/readme.txt", b"none yet");
    write(&fake, "twice", "manifest.csv", b"path,label\na.png,fox\na.png,green\n");
    let error = refusal(&fake, of("strange"));
    assert_eq!((error.code, error.field.as_str()), (Code::FailedPrecondition, "specs[0].dataset"));
    assert!(error.message.contains("'cat', 'dog'") && !error.message.contains("'fox'"), "{error}");
    assert!(refusal(&fake, of("hollow")).message.contains("'fox' has no pictures"));
    let error = refusal(&fake, of("twice"));
    assert!(error.message.contains("'a.png' has two labels, 'fox' and 'green'"), "{error}");
    assert!(refusal(&fake, of("animal")).message.contains("did you mean 'animals'"));
    let path = fake.folder.path().join("datasets/animals").display().to_string();
    assert_eq!(refusal(&fake, of(&path)).reason, "UNKNOWN_DATASET", "never a path");
    let one = RunSpec { image: ImageSource::Dataset("animals".into()), ..spec("sweep", json!({})) };
    assert!(refusal(&fake, one).message.contains("explains one picture"));
    assert!(refusal(&fake, spec("tally", json!({}))).message.contains("explains a dataset"));
}

#[test]
fn classes_toml_says_what_the_names_do_not() {
    let fake = engine(Limits::default());
    write(&fake, "strange", "cat/a.png", &png(0));
    write(&fake, "strange", "classes.toml", b"cat = ['tabby', 1]\n");
    let run = fake.create(of("strange"));
    assert_eq!(fake.finished(&run).state, RunState::Succeeded);
    assert_eq!(fake.engine.artifact(&run, "rows").unwrap().tensor.data[0], 1.0);
    write(&fake, "other", "cat/a.png", &png(0));
    write(&fake, "other", "classes.toml", b"cats = 1\n");
    let error = refusal(&fake, of("other"));
    assert!(error.message.contains("'cats'") && error.message.contains("did you mean 'cat'"), "{error}");
}

#[test]
fn one_picture_of_a_dataset_is_explained_like_any_other() {
    let fake = engine(Limits::default());
    animals(&fake);
    let item = |item: &str| ImageSource::DatasetItem { dataset: "animals".into(), item: item.into() };
    let run = fake.create(RunSpec { image: item("fox/c.png"), ..spec("sweep", json!({})) });
    assert_eq!(fake.finished(&run).state, RunState::Succeeded);
    assert_eq!(fake.engine.picture(&run).unwrap().pixel(0, 0), [255; 3]);
    let model = fake.engine.model("net").unwrap();
    assert_eq!(fake.engine.classify(&model, &item("fox/a.png"), 0).unwrap().len(), 3);
    let bad = |name: &str| refusal(&fake, RunSpec { image: item(name), ..spec("sweep", json!({})) });
    assert_eq!(bad("fox/b.png").field, "specs[0].image");
    assert_eq!(bad("fox/z.png").reason, "UNKNOWN_ITEM");
    assert_eq!(bad("../animals/fox/a.png").reason, "UNKNOWN_ITEM");
}
