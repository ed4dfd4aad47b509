//! From a plan to files, with a runner that computes nothing: each picture's run ends as its file's name says.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use whyglass_engine::json::{ArtifactDescriptor, ArtifactKind, ExplainerDescriptor, MapMeta};
use whyglass_engine::{
    ArtifactMeta, ArtifactReference, ArtifactState, ClassScore, Code, Error, EventKind, Finished, Keyframe, Outcome,
    Placement, ResolvedSpec, RunEvent, RunName, RunSpec, RunState, Started, Tensor,
};

use super::figures::Style;
use super::folder::Folder;
use super::follow::{JobResult, Request, run_all};
use super::interrupt::Interrupt;
use super::params::{self, Params, Targets};
use super::plan::{Plan, Subject};
use super::runner::{Events, Runner};
use crate::cli::failure::{Exit, Failure};
use crate::cli::picture::PictureFile;

/// Every run gives the same map of 1×2, and ends in the state with its number.
struct Fake {
    states: Vec<RunState>,
    specs: Mutex<Vec<RunSpec>>,
    refusal: Option<Error>,
    /// How many runs have a place; one request more is refused for now.
    places: usize,
    /// How many runs each request that was let in asked for.
    requests: Mutex<Vec<usize>>,
}

impl Fake {
    fn ending(states: &[RunState]) -> Self {
        Self { states: states.to_vec(), specs: Mutex::default(), refusal: None, places: 99, requests: Mutex::default() }
    }
}

fn map(run: &str) -> ArtifactState {
    ArtifactState {
        id: "map".into(),
        kind: ArtifactKind::Map,
        tensor: Tensor { shape: vec![1, 2], data: Arc::new(vec![0.25, f32::NAN]) },
        standard_error: (run == "0").then(|| Tensor { shape: vec![1, 2], data: Arc::new(vec![0.5, 0.5]) }),
        meta: Arc::new(ArtifactMeta::Map(MapMeta { cell: [4.0, 2.0], ..MapMeta::default() })),
        last_sequence: 3,
        is_final: true,
    }
}

impl Runner for Fake {
    fn technique(&self, _id: &str) -> Result<ExplainerDescriptor, Error> {
        let artifact = ArtifactDescriptor { id: "map".into(), ..Default::default() };
        Ok(ExplainerDescriptor { title: "Fake".into(), artifacts: vec![artifact], ..Default::default() })
    }

    fn model_title(&self, name: &str) -> String {
        name.to_uppercase()
    }

    fn create(&self, specs: Vec<RunSpec>) -> Result<Vec<RunName>, Error> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        if specs.len() > self.places {
            let full = Error::new(Code::ResourceExhausted, "QUEUE_FULL", "try again later");
            return Err(Error { retry_after: Some(Duration::from_millis(1)), ..full });
        }
        self.requests.lock().unwrap().push(specs.len());
        let names = (0..specs.len()).map(|number| number.to_string()).collect();
        self.specs.lock().unwrap().extend(specs);
        Ok(names)
    }

    fn watch(&self, runs: &[RunName]) -> Result<Box<dyn Events>, Error> {
        let mut events = Vec::new();
        // Backwards, so that results do not come in the order of the jobs.
        for (run, state) in runs.iter().zip(&self.states).rev() {
            let kinds = [EventKind::Started(Arc::new(started())), keyframe(run), metrics(), finished(*state)];
            events.extend((1..).zip(kinds).map(|(sequence, kind)| {
                Arc::new(RunEvent { run: run.as_str().into(), sequence, elapsed: Duration::ZERO, kind })
            }));
        }
        Ok(Box::new(Told(events.into_iter())))
    }

    fn stop(&self, _run: &str) {}

    fn artifact(&self, run: &str, _id: &str) -> Result<ArtifactState, Error> {
        Ok(map(run))
    }
}

struct Told(std::vec::IntoIter<Arc<RunEvent>>);

impl Events for Told {
    fn next(&mut self) -> Result<Option<Arc<RunEvent>>, Error> {
        Ok(self.0.next())
    }
}

fn started() -> Started {
    let score = ClassScore { index: 7, label: "ox".into(), logit: 3.0, probability: 0.75 };
    Started {
        resolved: ResolvedSpec {
            model: "m".into(),
            technique: "fake".into(),
            dataset: None,
            target: Some((7, "ox".into())),
            params: serde_json::Map::from_iter([("size".to_owned(), json!(2))]),
            seed: 11,
            max_duration: Duration::from_secs(9),
        },
        scores: vec![score],
        start_time: SystemTime::UNIX_EPOCH,
        placement: Some(Placement::whole(4, 4)),
        input: [4, 4],
    }
}

fn keyframe(run: &str) -> EventKind {
    let state = map(run);
    EventKind::Keyframe(Keyframe {
        artifact: state.id,
        kind: state.kind,
        tensor: state.tensor,
        standard_error: None,
        meta: state.meta,
        is_final: true,
    })
}

fn metrics() -> EventKind {
    EventKind::Metrics([("gap".to_owned(), 0.5)].into())
}

fn finished(state: RunState) -> EventKind {
    let failed = state == RunState::Failed;
    EventKind::Finished(Arc::new(Finished {
        state,
        status: Outcome {
            code: if failed { Code::Internal } else { Code::Ok },
            reason: if failed { "PANIC" } else { "" }.to_owned(),
            field: String::new(),
            message: if failed { "it panicked" } else { "" }.to_owned(),
        },
        complete: state == RunState::Succeeded,
        manifest: r#"{"threads": 2}"#.to_owned(),
        artifacts: vec![ArtifactReference {
            id: "map".into(),
            kind: ArtifactKind::Map,
            shape: vec![1, 2],
            size_bytes: 8,
        }],
    }))
}

fn plan(pictures: usize) -> Plan {
    let grey = whyglass_imaging::Picture::new(4, 4, vec![128; 48]).unwrap();
    let file = |number: usize| {
        Subject::Picture(PictureFile {
            name: format!("photos/p{number}.png"),
            encoded: whyglass_imaging::encode_png(&grey).unwrap().into(),
            picture: grey.clone(),
        })
    };
    Plan::new(&["fake".to_owned()], &["m".to_owned()], (0..pictures).map(file).collect()).unwrap()
}

fn explain(fake: &Fake, plan: &Plan, out: &Path, frames: bool) -> Result<Vec<JobResult>, Failure> {
    let params: Params = params::parse(&["size=2".to_owned()], None, &["fake".to_owned()]).unwrap();
    let request = Request {
        params: &params,
        targets: &Targets::default(),
        seed: Some(11),
        max_duration: None,
        frames,
        quiet: true,
    };
    let style = Style { colormap: None, alpha: 0.5 };
    run_all(fake, plan, &request, &Folder::create(out).unwrap(), &style, &Interrupt::default())
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_single_run_leaves_its_numbers_its_figure_and_what_they_mean() {
    let out = tempfile::tempdir().unwrap();
    let fake = Fake::ending(&[RunState::Succeeded]);
    let results = explain(&fake, &plan(1), out.path(), true).unwrap();
    assert_eq!(results[0].exit, Exit::Done);
    assert_eq!(Value::from(fake.specs.lock().unwrap()[0].params.clone()), json!({ "size": 2 }));

    let (shape, values) = whyglass_imaging::read_npy(&std::fs::read(out.path().join("map.npy")).unwrap()).unwrap();
    assert_eq!((shape, values[0], values[1].is_nan()), (vec![1, 2], 0.25, true));
    for picture in ["map.png", "frames/map-000002.png"] {
        let bytes = std::fs::read(out.path().join(picture)).unwrap();
        assert!(whyglass_imaging::decode(&bytes, &whyglass_imaging::Limits::default()).unwrap().width() > 400);
    }
    assert!(out.path().join("map-standard-error.npy").is_file());
    assert!(!out.path().join("sheet.png").exists(), "one figure needs no sheet");

    let document = json_of(&out.path().join("result.json"));
    assert_eq!(document["state"], "SUCCEEDED");
    assert_eq!(document["target"], json!({ "index": 7, "label": "ox" }));
    assert_eq!(document["scores"][0]["probability"], json!(0.75));
    assert_eq!((&document["seed"], &document["params"]), (&json!(11), &json!({ "size": 2 })));
    assert_eq!((&document["metrics"]["gap"], &document["manifest"]["threads"]), (&json!(0.5), &json!(2)));
    assert_eq!(document["artifacts"][0]["figure"], "map.png");
    assert_eq!(document, serde_json::to_value(&results[0].document).unwrap());
}

#[test]
fn each_of_several_runs_ends_in_its_own_way_and_keeps_its_place() {
    let out = tempfile::tempdir().unwrap();
    let states = [RunState::Succeeded, RunState::Stopped, RunState::Failed];
    let results = explain(&Fake::ending(&states), &plan(3), out.path(), false).unwrap();
    let exits: Vec<Exit> = results.iter().map(|result| result.exit).collect();
    assert_eq!(exits, [Exit::Done, Exit::Stopped, Exit::Failed]);
    for (number, state) in states.iter().enumerate() {
        let folder = out.path().join(format!("p{number}/m/fake"));
        assert_eq!(json_of(&folder.join("result.json"))["state"], state.name());
        assert!(folder.join("map.npy").is_file() && folder.join("map.png").is_file());
    }
    assert_eq!(json_of(&out.path().join("p2/m/fake/result.json"))["status"]["reason"], "PANIC");
    assert!(out.path().join("sheet.png").is_file());
}

#[test]
fn the_same_runs_leave_the_same_bytes() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for out in [&one, &other] {
        explain(&Fake::ending(&[RunState::Succeeded; 2]), &plan(2), out.path(), false).unwrap();
    }
    for file in ["sheet.png", "p1/m/fake/map.png", "p1/m/fake/map.npy", "p1/m/fake/result.json"] {
        let bytes = |out: &tempfile::TempDir| std::fs::read(out.path().join(file)).unwrap();
        assert_eq!(bytes(&one), bytes(&other), "{file}");
    }
}

#[test]
fn a_full_queue_is_asked_for_less_and_the_pictures_of_one_request_have_room_in_it() {
    let out = tempfile::tempdir().unwrap();
    let fake = Fake { places: 2, ..Fake::ending(&[RunState::Succeeded; 32]) };
    let results = explain(&fake, &plan(7), out.path(), false).unwrap();
    assert_eq!((results.len(), &fake.requests.lock().unwrap()[..]), (7, &[2, 2, 2, 1][..]));
    let named = |number: usize| json_of(&out.path().join(format!("p{number}/m/fake/result.json")))["image"].clone();
    assert_eq!([0, 6].map(named), ["photos/p0.png", "photos/p6.png"], "each in its place");

    let fake = Fake::ending(&[RunState::Succeeded; 32]);
    let mut large = plan(5);
    let bytes = bytes::Bytes::from(vec![0; 15 << 20]);
    for subject in &mut large.subjects {
        let Subject::Picture(file) = subject else { panic!("a picture") };
        file.encoded = bytes.clone();
    }
    explain(&fake, &large, out.path(), false).unwrap();
    assert_eq!(*fake.requests.lock().unwrap(), [2, 2, 1]);
    let fake = Fake::ending(&[RunState::Succeeded; 32]);
    explain(&fake, &plan(40), out.path(), false).unwrap();
    assert_eq!(*fake.requests.lock().unwrap(), [32, 8]);
}

#[test]
fn a_refused_request_leaves_nothing_behind() {
    let out = tempfile::tempdir().unwrap();
    let refusal = Some(Error::invalid("specs[0].params.siz", "UNKNOWN", "did you mean 'size'?"));
    let fake = Fake { refusal, ..Fake::ending(&[RunState::Succeeded]) };
    let failure = explain(&fake, &plan(1), out.path(), false).err().unwrap();
    assert_eq!(failure.exit, Exit::Refused);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn a_stream_that_ends_before_its_runs_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let failure = explain(&Fake::ending(&[]), &plan(1), out.path(), false).err().unwrap();
    assert_eq!(failure.exit, Exit::Failed);
    assert!(failure.message.contains("given up before it ended"), "{}", failure.message);
}
