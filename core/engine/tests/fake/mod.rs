//! A plugin that is linked in: small models whose answers are known, and techniques that are slow, stubborn or quick on
//! demand. Each test starts an engine of its own on it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this module")]

use std::collections::BTreeSet;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use whyglass_abi::{WG_ABI_MAJOR, WG_ABI_MINOR, WgHost, WgStr};
use whyglass_engine::{
    Config, CreateOptions, Engine, EventKind, Finished, ImageSource, Limits, RunEvent, RunName, RunSpec, WatchOptions,
};
use whyglass_sdk::export::{Exported, Plugin, entry};
use whyglass_sdk::prelude::*;
use whyglass_sdk::testing::{Chain, conv_net};
use whyglass_sdk::{Gradients, Vjp};

/// Height and width of every model's input.
pub const SIDE: usize = 8;

pub struct Fake {
    pub engine: Arc<Engine>,
    /// With the models in it.
    pub folder: tempfile::TempDir,
}

/// An engine with the models `net`, `slow` (20 ms a call), `slow-to-load` (300 ms, once), `one-by-one` (slow, one call at a time), `no-gradients`,
/// `panics` and `broken`, and the techniques below.
pub fn engine(limits: Limits) -> Fake {
    let folder = tempfile::tempdir().unwrap();
    for name in ["net", "slow", "slow-to-load", "one-by-one", "no-gradients", "panics", "broken"] {
        let model = folder.path().join(name);
        std::fs::create_dir(&model).unwrap();
        std::fs::write(model.join("model.toml"), format!("title = 'The {name}'\nfile = 'model.fake'\n")).unwrap();
        std::fs::write(model.join("model.fake"), name).unwrap();
        std::fs::write(model.join("labels.txt"), "red fox, fox\ngreen\nnot red\n").unwrap();
    }
    let datasets = vec![folder.path().join("datasets")];
    let config = Config { models: vec![folder.path().to_owned()], datasets, limits, threads: 2, ..Config::default() };
    let engine = Engine::start(config).unwrap();
    register(&engine);
    Fake { engine, folder }
}

pub fn register(engine: &Engine) {
    static EXPORTED: Exported = Exported::new();
    let host: &'static WgHost = Box::leak(Box::new(WgHost {
        struct_size: size_of::<WgHost>(),
        abi_major: WG_ABI_MAJOR,
        abi_minor: WG_ABI_MINOR,
        reserved: 0,
        name: WgStr::new("test"),
        version: WgStr::new("0"),
        ctx: null_mut(),
        log: None,
        extension: None,
    }));
    let build = || {
        let plugin = Plugin::new("fake", "1.2.3").backend(Loader);
        plugin
            .explainer(Sweep)
            .explainer(Stubborn)
            .explainer(Dream)
            .explainer(Twice)
            .explainer(Gradient)
            .explainer(Ask)
            .explainer(Tally)
            .explainer(Alone)
    };
    // SAFETY: the host lives for ever, and so do the tables that the SDK makes.
    let info = unsafe { engine.register(entry(&EXPORTED, host, build)) };
    assert_eq!(info.state_reason, "");
}

pub fn pixels() -> ImageSource {
    let data = (0..3 * SIDE * SIDE).map(|i| if i < SIDE * SIDE { 0.9 } else { (i % 7) as f32 / 20.0 }).collect();
    ImageSource::Pixels { shape: vec![3, SIDE, SIDE], data: Arc::new(data) }
}

pub fn spec(technique: &str, params: serde_json::Value) -> RunSpec {
    RunSpec {
        model: "net".into(),
        technique: technique.into(),
        image: pixels(),
        target: None,
        params: params.as_object().unwrap().clone(),
        seed: Some(7),
        max_duration: None,
    }
}

impl Fake {
    pub fn create(&self, spec: RunSpec) -> RunName {
        self.create_with(spec, CreateOptions { linger: Duration::from_secs(60), ..CreateOptions::default() })
    }

    pub fn create_with(&self, spec: RunSpec, options: CreateOptions) -> RunName {
        self.engine.create_runs(vec![spec], options).unwrap().remove(0)
    }

    /// Every event from `after` on, checked for what always holds.
    pub fn events(&self, run: &str, after: u64) -> Vec<RunEvent> {
        self.events_with(run, after, WatchOptions::default())
    }

    pub fn events_with(&self, run: &str, after: u64, options: WatchOptions) -> Vec<RunEvent> {
        let mut watcher = self.engine.watch(run, after, options).unwrap();
        let mut events: Vec<RunEvent> = Vec::new();
        while let Some(event) = watcher.wait() {
            assert!(event.sequence > events.last().map_or(after, |last| last.sequence), "sequence numbers grow");
            assert!(!matches!(events.last().map(|e| &e.kind), Some(EventKind::Finished(_))), "finished is last");
            events.push((*event).clone());
        }
        events
    }

    pub fn finished(&self, run: &str) -> Arc<Finished> {
        finished(&self.events(run, 0))
    }

    /// Blocks until the run has emitted a tile.
    pub fn wait_for_tile(&self, run: &str) {
        let mut watcher = self.engine.watch(run, 0, WatchOptions::default()).unwrap();
        while let Some(event) = watcher.wait() {
            if matches!(event.kind, EventKind::Tiles(_)) {
                return;
            }
        }
        panic!("the run ended without a tile");
    }
}

pub fn finished(events: &[RunEvent]) -> Arc<Finished> {
    match &events.last().unwrap().kind {
        EventKind::Finished(finished) => Arc::clone(finished),
        other => panic!("{other:?} is last"),
    }
}

/// What a client that had `map` has after `events`.
pub fn replay(mut map: Vec<f32>, events: &[RunEvent]) -> Vec<f32> {
    for event in events {
        match &event.kind {
            EventKind::Keyframe(frame) => map = frame.tensor.data.to_vec(),
            EventKind::Tiles(tiles) => {
                for tile in &tiles.tiles {
                    map[tile.x as usize..][..tile.tensor.data.len()].copy_from_slice(&tile.tensor.data);
                }
            }
            _ => {}
        }
    }
    map
}

/// The kinds of events that appear, by name.
pub fn kinds(events: &[RunEvent]) -> BTreeSet<&'static str> {
    events.iter().map(|event| kind(&event.kind)).collect()
}

pub fn kind(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::StateChanged(_) => "state_changed",
        EventKind::Started(_) => "started",
        EventKind::Progress(_) => "progress",
        EventKind::Keyframe(_) => "keyframe",
        EventKind::Tiles(_) => "tiles",
        EventKind::Metrics(_) => "metrics",
        EventKind::Notice { .. } => "notice",
        EventKind::Finished(_) => "finished",
    }
}

/// Loads `.fake` files: their text says what the model is like.
struct Loader;

impl Backend for Loader {
    const ID: &'static str = "fake";

    fn descriptor(&self) -> json::BackendDescriptor {
        json::BackendDescriptor { formats: vec!["fake".into()], runtime: "Fake 1".into(), ..Default::default() }
    }

    fn load(&self, _: &Call<'_>, path: &Path, _: json::LoadOptions) -> Result<Box<dyn Model>> {
        let manner = std::fs::read_to_string(path).map_err(|error| Error::internal(error.to_string()))?;
        if manner == "broken" {
            return Err(Error::invalid_argument("file", "it is broken on purpose"));
        }
        if manner == "slow-to-load" {
            std::thread::sleep(Duration::from_millis(300));
        }
        let inner = conv_net(SIDE as u32, SIDE as u32);
        let mut descriptor = inner.descriptor().clone();
        if manner == "no-gradients" {
            descriptor.capabilities.clear();
        }
        if manner == "one-by-one" {
            descriptor.concurrency = 1;
        }
        Ok(Box::new(Mannered { inner, descriptor, manner }))
    }
}

struct Mannered {
    inner: Chain,
    descriptor: json::ModelDescriptor,
    manner: String,
}

impl Model for Mannered {
    fn descriptor(&self) -> &json::ModelDescriptor {
        &self.descriptor
    }

    fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        assert_ne!(self.manner, "panics", "on purpose");
        if matches!(&*self.manner, "slow" | "one-by-one") {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.inner.run(call, feeds, fetches)
    }

    fn vjp(&self, call: &Call<'_>, vjp: &Vjp<'_>) -> Result<Gradients> {
        self.inner.vjp(call, vjp)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "whyglass_sdk::schemars")]
pub struct SweepParams {
    /// How many cells the map has.
    #[schemars(range(min = 1, max = 100_000))]
    cells: u32,
    #[schemars(extend("x-live" = true))]
    delay_ms: u64,
    #[schemars(extend("x-widget" = "layer", "x-spatial" = true))]
    layer: Option<String>,
    /// Ends with this many cells, as a technique that has settled.
    settle: Option<u32>,
}

impl Default for SweepParams {
    fn default() -> Self {
        Self { cells: 8, delay_ms: 0, layer: None, settle: None }
    }
}

/// Cell i of a 1×n map becomes i + 1, with one evaluation of the model each.
struct Sweep;

impl Explainer for Sweep {
    type Params = SweepParams;
    const ID: &'static str = "sweep";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor {
            artifacts: vec![artifact("map", Kind::Map)],
            progressive: true,
            ..Default::default()
        }
    }

    fn resolve(&self, _: &Call<'_>, _: &dyn Model, mut params: SweepParams) -> Result<SweepParams> {
        params.layer.get_or_insert_with(|| "features".into());
        Ok(params)
    }

    fn explain(&self, call: &Call<'_>, model: &dyn Model, request: &Request<'_>, params: &SweepParams) -> Result<()> {
        let mut image = request.image(call)?;
        let cells = params.cells as usize;
        let empty = vec![f32::NAN; cells];
        let meta = json::MapMeta { cell: [8.0, 8.0 / cells as f64], ..Default::default() };
        call.map("map").keyframe(TensorView::new(&[1, cells as i64], &empty), &meta)?;
        let mut delay = params.delay_ms;
        for cell in 0..cells {
            if let Some(changed) = call.live_params::<SweepParams>() {
                delay = changed.delay_ms;
                call.metrics(&[("delay", delay as f64)])?;
            }
            std::thread::sleep(Duration::from_millis(delay));
            // Another picture in each cell.
            image.data_mut()[0] = cell as f32 / cells as f32;
            model.run(call, &[("input", image.view())], &["logits"])?;
            call.map("map").tile(0, cell, TensorView::new(&[1, 1], &[cell as f32 + 1.0]))?;
            call.progress(cell as u64 + 1, cells as u64)?;
            if params.settle == Some(cell as u32 + 1) {
                break;
            }
        }
        Ok(())
    }
}

/// Emits a map of 7 and then hears nothing for 600 ms.
struct Stubborn;

impl Explainer for Stubborn {
    type Params = NoParams;
    const ID: &'static str = "stubborn";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor { artifacts: vec![artifact("map", Kind::Map)], ..Default::default() }
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        let meta = json::MapMeta { cell: [1.0, 1.0], ..Default::default() };
        call.map("map").keyframe(TensorView::new(&[1, 1], &[7.0]), &meta)?;
        std::thread::sleep(Duration::from_millis(600));
        let _ = call.map("map").keyframe(TensorView::new(&[1, 1], &[8.0]), &meta);
        Ok(())
    }
}

/// One call of it at a time; the map is how many there were.
struct Alone;

impl Explainer for Alone {
    type Params = NoParams;
    const ID: &'static str = "alone";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        let artifacts = vec![artifact("map", Kind::Map)];
        json::ExplainerDescriptor { artifacts, concurrency: 1, ..Default::default() }
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let inside = INSIDE.fetch_add(1, Ordering::SeqCst) + 1;
        std::thread::sleep(Duration::from_millis(50));
        INSIDE.fetch_sub(1, Ordering::SeqCst);
        let meta = json::MapMeta { cell: [1.0, 1.0], ..Default::default() };
        call.map("map").keyframe(TensorView::new(&[1, 1], &[inside as f32]), &meta)
    }
}

/// A hundred pictures as fast as it can, each brighter than the last.
struct Dream;

impl Explainer for Dream {
    type Params = NoParams;
    const ID: &'static str = "dream";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor { artifacts: vec![artifact("dream", Kind::Image)], ..Default::default() }
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        for frame in 1..=100 {
            let picture = vec![frame as f32 / 100.0; 3 * 64 * 64];
            call.image("dream").keyframe(TensorView::new(&[3, 64, 64], &picture), &json::ImageMeta::default())?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "whyglass_sdk::schemars")]
pub struct TwiceParams {
    by: String,
}

impl Default for TwiceParams {
    fn default() -> Self {
        Self { by: "sweep".into() }
    }
}

/// Another technique's map, doubled.
struct Twice;

impl Explainer for Twice {
    type Params = TwiceParams;
    const ID: &'static str = "twice";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        let input = json::ArtifactInput { name: "map".into(), parameter: "by".into(), kind: Kind::Map };
        json::ExplainerDescriptor {
            inputs: vec![input],
            artifacts: vec![artifact("map", Kind::Map)],
            ..Default::default()
        }
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, request: &Request<'_>, _: &TwiceParams) -> Result<()> {
        let map = request.input("map").ok_or_else(|| Error::internal("no map came"))?;
        let doubled: Vec<f32> = map.data().iter().map(|value| value * 2.0).collect();
        let meta = json::MapMeta { cell: [1.0, 1.0], ..Default::default() };
        call.map("map").keyframe(TensorView::new(map.shape(), &doubled), &meta)
    }
}

/// A row per picture of a dataset that can be read: its class, and the red of its first pixel.
struct Tally;

impl Explainer for Tally {
    type Params = NoParams;
    const ID: &'static str = "tally";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor {
            needs: vec![Need::Dataset],
            artifacts: vec![artifact("rows", Kind::Table)],
            ..Default::default()
        }
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, request: &Request<'_>, _: &NoParams) -> Result<()> {
        let images = request.images();
        let items = images.descriptor()?.items;
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            match images.get(call, index) {
                Ok(picture) => {
                    rows.push(item);
                    values.extend([images.label(index).map_or(-1.0, |class| class as f32), picture.data()[0]]);
                }
                Err(error) if error.status == whyglass_sdk::Status::DataLoss => {}
                Err(error) => return Err(error),
            }
        }
        let target = request.target.map_or(-1.0, |class| class as f64);
        call.metrics(&[("target", target)])?;
        let shape = [rows.len() as i64, 2];
        call.table("rows").keyframe(TensorView::new(&shape, &values), &json::TableMeta { rows, ..Default::default() })
    }
}

/// The gradient of the class's logit, the red plane of it.
struct Gradient;

impl Explainer for Gradient {
    type Params = NoParams;
    const ID: &'static str = "gradient";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor {
            needs: vec![Need::Gradients],
            artifacts: vec![artifact("map", Kind::Map)],
            ..Default::default()
        }
    }

    fn explain(&self, call: &Call<'_>, model: &dyn Model, request: &Request<'_>, _: &NoParams) -> Result<()> {
        let image = request.image(call)?;
        let mut one_hot = [0.0; 3];
        one_hot[request.class()?] = 1.0;
        let cotangents = [("logits", whyglass_sdk::Cotangent::Tensor(TensorView::new(&[1, 3], &one_hot)))];
        let (feeds, rule) = ([("input", image.view())], whyglass_sdk::Rule::Standard);
        let vjp = Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &["input"], fetches: &[], rule };
        let gradient = model.vjp(call, &vjp)?.wrt.remove(0);
        let meta = json::MapMeta { cell: [1.0, 1.0], ..Default::default() };
        let red = &gradient.data()[..SIDE * SIDE];
        call.map("map").keyframe(TensorView::new(&[SIDE as i64, SIDE as i64], red), &meta)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "whyglass_sdk::schemars")]
pub struct AskParams {
    /// A node, or `first`: all that every run begins with.
    fetch: String,
    /// 0: until it is told to stop.
    times: u32,
}

impl Default for AskParams {
    fn default() -> Self {
        Self { fetch: "first".into(), times: 1 }
    }
}

/// What the picture itself gives at a node, as one line, asked for as often as is wanted.
struct Ask;

impl Explainer for Ask {
    type Params = AskParams;
    const ID: &'static str = "ask";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor { artifacts: vec![artifact("map", Kind::Map)], ..Default::default() }
    }

    fn explain(&self, call: &Call<'_>, model: &dyn Model, request: &Request<'_>, params: &AskParams) -> Result<()> {
        let image = request.image(call)?;
        let fetches = match params.fetch.as_str() {
            "first" => model.descriptor().first_fetches(),
            node => vec![node],
        };
        let (mut asked, mut line) = (0, Vec::new());
        while params.times == 0 || asked < params.times {
            line = model
                .run(call, &[("input", image.view())], &fetches)?
                .into_iter()
                .flat_map(Tensor::into_data)
                .collect();
            asked += 1;
        }
        let meta = json::MapMeta { cell: [1.0, 1.0], ..Default::default() };
        call.map("map").keyframe(TensorView::new(&[1, line.len() as i64], &line), &meta)
    }
}
