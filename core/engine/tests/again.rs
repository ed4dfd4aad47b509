//! A run asked for again: when it is the same run, when it is not, and what the second who asks for it has of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fake::{Fake, engine, finished, kind, pixels, replay, spec};
use serde_json::json;
use whyglass_engine::{Action, CreateOptions, ImageSource, Limits, RunName, RunSpec, RunState, Target, WatchOptions};

/// An engine that hands results out again.
fn sharing() -> Fake {
    engine(Limits { cache_bytes: 1 << 20, ..Limits::default() })
}

/// Long enough to be met under way.
fn long() -> RunSpec {
    spec("sweep", json!({"cells": 2000, "delay_ms": 5}))
}

fn quick() -> RunSpec {
    spec("sweep", json!({}))
}

fn lingering(milliseconds: u64) -> CreateOptions {
    CreateOptions { linger: Duration::from_millis(milliseconds), ..CreateOptions::default() }
}

fn state(fake: &Fake, run: &str) -> RunState {
    fake.engine.run(run).unwrap().state
}

/// A run of `spec`, seen to its end.
fn done(fake: &Fake, spec: RunSpec) -> RunName {
    let run = fake.create(spec);
    fake.finished(&run);
    run
}

/// Whether nothing has ended it, a while after something could have.
fn goes_on(fake: &Fake, run: &str) -> bool {
    std::thread::sleep(Duration::from_millis(50));
    matches!(state(fake, run), RunState::Running | RunState::Queued)
}

/// Waits until the run is in this state.
fn wait_for(fake: &Fake, run: &str, wanted: RunState) {
    let until = Instant::now() + Duration::from_secs(20);
    while state(fake, run) != wanted {
        assert!(Instant::now() < until, "it is {:?}, not {wanted:?}", state(fake, run));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_asked_for_again_under_way_is_the_same_run_and_is_told_from_its_beginning() {
    let fake = sharing();
    let cells = || spec("sweep", json!({"cells": 60, "delay_ms": 5}));
    let first = fake.create(cells());
    fake.wait_for_tile(&first);
    let second = fake.create(cells());
    assert_eq!(first, second);
    assert_eq!(fake.engine.runs(None).len(), 1);
    let events = fake.events(&second, 0);
    assert_eq!((kind(&events[0].kind), finished(&events).state), ("started", RunState::Succeeded));
    assert_eq!(replay(vec![], &events)[59], 60.0);
}

#[test]
fn a_run_that_waits_for_a_slot_is_the_same_run_too() {
    let fake = engine(Limits { slots: 1, cache_bytes: 1 << 20, ..Limits::default() });
    let before = fake.create(long());
    let waiting = fake.create(quick());
    assert_eq!(state(&fake, &waiting), RunState::Queued);
    assert_eq!(fake.create(quick()), waiting);
    fake.engine.control(&before, Action::Stop).unwrap();
    assert_eq!(fake.finished(&waiting).state, RunState::Succeeded);
}

#[test]
fn a_result_is_handed_out_again_without_asking_the_model() {
    let fake = sharing();
    let first = done(&fake, quick());
    let before = (fake.engine.run(&first).unwrap().progress, fake.engine.artifact(&first, "map").unwrap());
    let second = fake.create(quick());
    assert_eq!(first, second);
    let events = fake.events(&second, 0);
    let kinds: Vec<&str> = events.iter().map(|event| kind(&event.kind)).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1], kinds.contains(&"keyframe")), ("started", "finished", true));
    let after = (fake.engine.run(&second).unwrap().progress, fake.engine.artifact(&second, "map").unwrap());
    assert_eq!(before, after);
    assert_eq!(replay(vec![], &events), *after.1.tensor.data);
}

#[test]
fn however_many_ask_at_once_there_is_one_run() {
    let fake = sharing();
    let names: BTreeSet<RunName> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| fake.create(quick()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((names.len(), fake.engine.runs(None).len()), (1, 1));
}

#[test]
fn another_run_is_another_in_whatever_decides_on_its_result() {
    let fake = sharing();
    let first = done(&fake, quick());
    let ImageSource::Pixels { shape, mut data } = pixels() else { panic!("pixels") };
    Arc::make_mut(&mut data)[0] = 0.8;
    let others = [
        RunSpec { seed: Some(8), ..quick() },
        RunSpec { seed: None, ..quick() },
        RunSpec { seed: None, ..quick() },
        RunSpec { target: Some(Target::Index(0)), ..quick() },
        RunSpec { model: "slow".into(), ..quick() },
        RunSpec { image: ImageSource::Pixels { shape, data }, ..quick() },
        spec("sweep", json!({"cells": 9})),
        spec("gradient", json!({})),
        spec("twice", json!({})),
    ];
    let mut names = BTreeSet::from([first.clone()]);
    for other in others {
        let what = format!("{other:?}");
        assert!(names.insert(done(&fake, other)), "{what}");
    }
    // The same in other words, and the way to it, are no difference.
    assert_eq!(fake.create(spec("sweep", json!({"cells": 8.0, "layer": "features"}))), first);
    assert_eq!(fake.create(RunSpec { max_duration: Some(Duration::from_secs(1)), ..quick() }), first);
    let green = |target| RunSpec { target: Some(target), ..quick() };
    let named = done(&fake, green(Target::Label("green".into())));
    assert_eq!(fake.create(green(Target::Index(1))), named);
}

#[test]
fn what_did_not_succeed_is_tried_again() {
    let fake = sharing();
    let stopped = fake.create(long());
    fake.wait_for_tile(&stopped);
    fake.engine.control(&stopped, Action::Stop).unwrap();
    // At once: it need not have ended yet.
    let second = fake.create(long());
    assert_ne!(second, stopped);
    assert_eq!(fake.finished(&stopped).state, RunState::Stopped);
    assert_eq!(fake.create(long()), second, "the one that goes on is shared");
    fake.engine.control(&second, Action::Stop).unwrap();

    let failing = || spec("sweep", json!({"settle": 3}));
    let failed = done(&fake, failing());
    assert_eq!(state(&fake, &failed), RunState::Failed);
    assert_ne!(fake.create(failing()), failed);

    let cancelled = fake.create_with(RunSpec { seed: Some(9), ..long() }, lingering(0));
    drop(fake.engine.watch(&cancelled, 0, WatchOptions::default()).unwrap());
    let third = fake.create(RunSpec { seed: Some(9), ..long() });
    assert_ne!(third, cancelled);
    wait_for(&fake, &cancelled, RunState::Cancelled);
    fake.engine.control(&third, Action::Stop).unwrap();
}

#[test]
fn what_is_paused_or_was_changed_under_way_is_not_handed_out() {
    let fake = sharing();
    let cells = || spec("sweep", json!({"cells": 100, "delay_ms": 10}));
    let changed = fake.create(cells());
    fake.wait_for_tile(&changed);
    let params = json!({"delay_ms": 1}).as_object().unwrap().clone();
    fake.engine.control(&changed, Action::SetParams(params)).unwrap();
    let second = fake.create(cells());
    assert_ne!(second, changed);
    assert_eq!(fake.finished(&changed).state, RunState::Succeeded);
    assert_ne!(fake.create(cells()), changed, "its parameters are not those that were asked for");

    let paused = fake.create(long());
    fake.wait_for_tile(&paused);
    fake.engine.control(&paused, Action::Pause).unwrap();
    assert_ne!(fake.create(long()), paused);
    fake.engine.runs(None).iter().for_each(|run| drop(fake.engine.control(&run.name, Action::Stop)));
}

#[test]
fn a_run_under_way_is_shared_only_by_those_who_would_let_it_run_for_as_long() {
    let fake = sharing();
    let limited = |seconds| RunSpec { max_duration: Some(Duration::from_secs(seconds)), ..long() };
    let by = |seconds| CreateOptions { deadline: Some(Instant::now() + Duration::from_secs(seconds)), ..lingering(0) };
    let first = fake.create(limited(60));
    assert_eq!(fake.create(limited(60)), first);
    assert_ne!(fake.create_with(limited(60), by(60)), first, "the call's own deadline would end it");
    let another = fake.create(limited(61));
    assert_ne!(another, first);
    assert_eq!(fake.create(limited(61)), another);
    let hurried = fake.create_with(RunSpec { seed: Some(9), ..long() }, by(60));
    assert_ne!(fake.create(RunSpec { seed: Some(9), ..long() }), hurried, "it may end before its time");
    fake.engine.runs(None).iter().for_each(|run| drop(fake.engine.control(&run.name, Action::Stop)));
    // A result serves those with a deadline as well.
    let result = done(&fake, quick());
    assert_eq!(fake.create_with(quick(), by(60)), result);
}

#[test]
fn a_shared_run_goes_on_until_each_who_asked_for_it_has_watched_it_and_left() {
    let fake = sharing();
    let watch = |run: &str| fake.engine.watch(run, 0, WatchOptions::default()).unwrap();
    // The first leaves while the second watches.
    let run = fake.create_with(long(), lingering(0));
    let first = watch(&run);
    assert_eq!(fake.create_with(long(), lingering(0)), run);
    let second = watch(&run);
    drop(first);
    assert!(goes_on(&fake, &run), "the second watches");
    drop(second);
    wait_for(&fake, &run, RunState::Cancelled);
    // The first leaves before the second, who has just been given the name, comes.
    let run = fake.create_with(long(), lingering(0));
    let first = watch(&run);
    assert_eq!(fake.create_with(long(), lingering(0)), run);
    drop(first);
    assert!(goes_on(&fake, &run), "somebody is awaited");
    drop(watch(&run));
    wait_for(&fake, &run, RunState::Cancelled);
    // A page that watches its group asks twice: there is nobody else to come.
    let of_page = || CreateOptions { group: "page".into(), ..lingering(0) };
    let mut page = fake.engine.watch_group("page", &[], WatchOptions::default()).unwrap();
    let run = fake.create_with(long(), of_page());
    page.wait().unwrap();
    assert_eq!(fake.create_with(long(), of_page()), run);
    drop(page);
    wait_for(&fake, &run, RunState::Cancelled);
    // The second comes and leaves before the first has come.
    let run = fake.create_with(long(), lingering(0));
    assert_eq!(fake.create_with(long(), lingering(0)), run);
    drop(watch(&run));
    assert!(goes_on(&fake, &run), "somebody is awaited");
    fake.engine.control(&run, Action::Stop).unwrap();
}

#[test]
fn a_shared_run_lingers_for_as_long_as_the_most_patient_wants_and_is_met_while_it_does() {
    let fake = sharing();
    let watch = |run: &str| fake.engine.watch(run, 0, WatchOptions::default()).unwrap();
    let run = fake.create_with(long(), lingering(1000));
    drop(watch(&run));
    // It lingers for the first; the second takes it over, and is awaited for longer than that.
    assert_eq!(fake.create_with(long(), lingering(60_000)), run);
    std::thread::sleep(Duration::from_millis(1200));
    assert!(goes_on(&fake, &run), "somebody is awaited");
    drop(watch(&run));
    std::thread::sleep(Duration::from_millis(1200));
    assert!(goes_on(&fake, &run), "the longer of the two counts");
    fake.engine.control(&run, Action::Stop).unwrap();
}

#[test]
fn nobody_is_given_a_run_that_is_cancelled_the_moment_after() {
    let fake = sharing();
    let one = |seed| RunSpec { seed: Some(seed), ..long() };
    for seed in 0..40 {
        let run = fake.create_with(one(seed), lingering(0));
        let watcher = fake.engine.watch(&run, 0, WatchOptions::default()).unwrap();
        let second = std::thread::scope(|scope| {
            scope.spawn(|| drop(watcher));
            fake.create_with(one(seed), lingering(0))
        });
        assert!(goes_on(&fake, &second), "somebody is awaited");
        fake.engine.control(&second, Action::Stop).unwrap();
    }
}

#[test]
fn a_shared_run_is_in_the_groups_of_all_who_asked_for_it() {
    let fake = sharing();
    let of = |group: &str| CreateOptions { group: group.into(), ..lingering(9000) };
    let later = fake.create_with(RunSpec { seed: Some(8), ..quick() }, of("second"));
    fake.finished(&later);
    let mut watcher = fake.engine.watch_group("second", &[], WatchOptions::default()).unwrap();
    while kind(&watcher.wait().unwrap().kind) != "finished" {}
    // One that is older than what the watcher has seen already, and of another group; and one that it has seen.
    let run = fake.create_with(quick(), of("first"));
    fake.finished(&run);
    assert_eq!(fake.create_with(quick(), of("second")), run);
    assert_eq!(fake.create_with(quick(), of("second")), run);
    let event = watcher.wait().unwrap();
    assert_eq!((&*event.run, kind(&event.kind)), (&*run, "started"));
    while kind(&watcher.wait().unwrap().kind) != "finished" {}
    assert!(matches!(watcher.poll(), whyglass_engine::Poll::Pending(None)), "it is told once");
    assert_eq!(fake.engine.run(&run).unwrap().groups, ["first", "second"]);
    let names = |group| fake.engine.runs(Some(group)).into_iter().map(|run| run.name).collect::<Vec<_>>();
    assert_eq!((names("first"), names("second")), (vec![run.clone()], vec![later, run]));
}

#[test]
fn the_runs_of_one_request_are_distinct() {
    let fake = sharing();
    let twice = || fake.engine.create_runs(vec![quick(), quick()], lingering(9000)).unwrap();
    for names in [twice(), twice()] {
        assert_ne!(names[0], names[1]);
        names.iter().for_each(|name| assert_eq!(fake.finished(name).state, RunState::Succeeded));
    }
}

#[test]
fn results_stay_up_to_a_number_of_bytes_and_those_used_last_stay_longest() {
    // A result of these takes up 5 to 20 kB.
    let fake = engine(Limits { cache_bytes: 64_000, ..Limits::default() });
    let one = |seed| RunSpec { seed: Some(seed), ..quick() };
    let first = done(&fake, one(0));
    for seed in 1..40 {
        done(&fake, one(seed));
        assert_eq!(fake.create(one(0)), first, "what is asked for again and again stays");
    }
    let runs = fake.engine.runs(None);
    assert_eq!(runs.len(), 40, "they are in the store all the same");
    let known: BTreeSet<RunName> = runs.into_iter().map(|run| run.name).collect();
    // From the newest on, since what is made anew pushes out what is oldest.
    let again = (1..40).rev().take_while(|seed| known.contains(&done(&fake, one(*seed)))).count();
    assert!((2..=13).contains(&again), "{again} are handed out again");
    let none = engine(Limits { cache_bytes: 10, ..Limits::default() });
    assert_ne!(
        done(&none, quick()),
        done(&none, quick()),
        "a result that is larger than all of it is not kept for others"
    );
}

#[test]
fn a_result_that_is_asked_for_again_is_kept_anew() {
    let fake = engine(Limits { cache_bytes: 1 << 20, result_age: Duration::from_secs(2), ..Limits::default() });
    let began = Instant::now();
    let run = done(&fake, quick());
    let expires = fake.engine.run(&run).unwrap().expire_time.unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let by = |id: &str| CreateOptions { request_id: id.into(), group: "page".into(), ..lingering(9000) };
    let again = Instant::now();
    assert_eq!(fake.create_with(quick(), by("one")), run);
    assert!(fake.engine.run(&run).unwrap().expire_time.unwrap() > expires);
    while fake.engine.run(&run).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "it is never dropped");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(again.elapsed() >= Duration::from_secs(2), "{:?}", again.elapsed());
    // Nothing of it is left: not in the group, not in the promise to the request, not in the index.
    assert!(fake.engine.runs(Some("page")).is_empty());
    assert_ne!(fake.create_with(quick(), by("one")), run);
}

#[test]
fn a_model_that_was_loaded_anew_gives_results_of_its_own() {
    let fake = sharing();
    let first = done(&fake, quick());
    std::fs::write(fake.folder.path().join("net/model.fake"), "slow").unwrap();
    assert_eq!(fake.create(quick()), first, "the model in memory is the same");
    fake.engine.unload_model("net").unwrap();
    let second = done(&fake, quick());
    assert_ne!(second, first);
    // The file is the same; what its classes are called is not.
    std::fs::write(fake.folder.path().join("net/labels.txt"), "a\nb\nc\n").unwrap();
    fake.engine.unload_model("net").unwrap();
    assert!(![first, second].contains(&done(&fake, quick())));
}

#[test]
fn a_run_over_a_dataset_is_never_shared_and_a_picture_of_one_is_what_its_file_holds() {
    let fake = sharing();
    let side = fake::SIDE as u32;
    let png = |grey| {
        let picture = whyglass_imaging::Picture::new(side, side, vec![grey; 3 * fake::SIDE * fake::SIDE]).unwrap();
        whyglass_imaging::encode_png(&picture).unwrap()
    };
    let file = fake.folder.path().join("datasets/animals/fox/a.png");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, png(10)).unwrap();
    let all = || RunSpec { image: ImageSource::Dataset("animals".into()), ..spec("tally", json!({})) };
    let first = done(&fake, all());
    assert_eq!(state(&fake, &first), RunState::Succeeded);
    assert_ne!(done(&fake, all()), first);
    let item = || ImageSource::DatasetItem { dataset: "animals".into(), item: "fox/a.png".into() };
    let with = |image| RunSpec { image, ..quick() };
    let first = done(&fake, with(item()));
    assert_eq!(fake.create(with(ImageSource::Encoded(png(10).into()))), first);
    std::fs::write(&file, png(200)).unwrap();
    assert_ne!(fake.create(with(item())), first);
}

#[test]
fn one_run_is_not_handed_out_for_ever() {
    let fake = sharing();
    let names: BTreeSet<RunName> = (0..600).map(|_| done(&fake, quick())).collect();
    assert_eq!(names.len(), 3, "one for each 256");
}

#[test]
fn without_bytes_for_it_every_request_has_a_run_of_its_own() {
    let fake = engine(Limits::default());
    assert_ne!(done(&fake, quick()), done(&fake, quick()));
    assert_ne!(fake.create(long()), fake.create(long()));
}
