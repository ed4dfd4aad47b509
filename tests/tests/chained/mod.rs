//! An engine with the staged techniques on a model that is linked in: plain loops in place of a back end's, so that a test
//! says how many rows it prefers and how long a call takes, and counts the calls.

use std::path::Path;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use whyglass_abi::{WG_ABI_MAJOR, WG_ABI_MINOR, WgHost, WgStr};
use whyglass_engine::{Config, Engine, RunSpec};
use whyglass_sdk::export::{Exported, Plugin, entry};
use whyglass_sdk::prelude::*;
use whyglass_sdk::testing::{Chain, conv_net};
use whyglass_sdk::{Gradients, Vjp};
use whyglass_tests::staged::{computing, plugins};
use whyglass_tests::tiny;

/// Its name in the folder of models.
const NAME: &str = "chain";

pub(crate) struct Chained {
    pub engine: Arc<Engine>,
    _folder: TempDir,
}

/// A model that prefers `rows` rows a call, and takes `ms` for one.
pub(crate) fn engine(rows: u32, ms: u64, threads: u32) -> Chained {
    let folder = tempfile::tempdir().expect("a folder for the model");
    let model = folder.path().join(NAME);
    std::fs::create_dir(&model).expect("it is ours");
    std::fs::write(model.join("model.toml"), "file = 'model.chain'\n").expect("it is ours");
    std::fs::write(model.join("model.chain"), format!("{rows} {ms}")).expect("it is ours");
    std::fs::write(model.join("labels.txt"), "zero\none\ntwo\n").expect("it is ours");
    tiny::write_dataset(folder.path());
    let config = Config {
        plugins: vec![plugins()],
        models: vec![folder.path().to_owned()],
        datasets: vec![folder.path().join("datasets")],
        threads,
        limits: computing(),
        ..Config::default()
    };
    let engine = Engine::start(config).expect("the engine starts");
    register(&engine);
    Chained { engine, _folder: folder }
}

/// Of all models that take their time.
static CALLS: AtomicU32 = AtomicU32::new(0);

impl Chained {
    /// The same request, of this model: its input is as large as the tiny one's.
    pub(crate) fn of(&self, request: RunSpec) -> RunSpec {
        RunSpec { model: NAME.into(), ..request }
    }

    /// How often a model that takes its time has been called.
    pub(crate) fn calls(&self) -> u32 {
        CALLS.load(Ordering::SeqCst)
    }
}

fn register(engine: &Engine) {
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
    // SAFETY: the host lives for ever, and so do the tables that the SDK makes.
    let info = unsafe { engine.register(entry(&EXPORTED, host, || Plugin::new("chain", "0").backend(Loader))) };
    assert_eq!(info.state_reason, "");
}

struct Loader;

impl Backend for Loader {
    const ID: &'static str = "chain";

    fn descriptor(&self) -> json::BackendDescriptor {
        json::BackendDescriptor { formats: vec!["chain".into()], ..Default::default() }
    }

    fn load(&self, _: &Call<'_>, path: &Path, _: json::LoadOptions) -> Result<Box<dyn Model>> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::internal(error.to_string()))?;
        let (rows, ms) = text.split_once(' ').expect("we have written it");
        let inner = conv_net(tiny::SIDE as u32, tiny::SIDE as u32);
        let preferred_batch = rows.parse().expect("we have written it");
        let descriptor = json::ModelDescriptor { preferred_batch, ..inner.descriptor().clone() };
        Ok(Box::new(Slow { inner, descriptor, ms: ms.parse().expect("we have written it") }))
    }
}

struct Slow {
    inner: Chain,
    descriptor: json::ModelDescriptor,
    ms: u64,
}

impl Slow {
    fn take_time(&self) {
        if self.ms > 0 {
            CALLS.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(self.ms));
        }
    }
}

impl Model for Slow {
    fn descriptor(&self) -> &json::ModelDescriptor {
        &self.descriptor
    }

    fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        self.take_time();
        self.inner.run(call, feeds, fetches)
    }

    fn vjp(&self, call: &Call<'_>, vjp: &Vjp<'_>) -> Result<Gradients> {
        self.take_time();
        self.inner.vjp(call, vjp)
    }
}
