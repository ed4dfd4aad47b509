//! A real server on a port of its own, with a plugin that is linked in, and the requests that tests make of it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod events;
pub mod plugin;
pub mod proxy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use whyglass_engine::{Engine, Limits};
use whyglass_imaging::{Picture, encode_png};
use whyglass_proto::v1;
use whyglass_proto::v1::explain_service_client::ExplainServiceClient;
use whyglass_server::client::Client;
use whyglass_server::config::{ServeConfig, Timing};
use whyglass_server::{ServeError, Server};

pub struct Fixture {
    pub engine: Arc<Engine>,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServeError>>,
    /// With the models in it, and a folder `datasets`.
    pub folder: tempfile::TempDir,
}

/// Long enough for a loaded machine; only a test that fails waits so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a test does has an end.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: it takes too long"))
}

/// A model; `text` is what the back end reads of it.
fn write_model(models: &tempfile::TempDir, name: &str, text: &str) {
    let folder = models.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let toml = "title = 'Tiny'\nfile = 'model.tiny'\ninput = { width = 8, height = 8, resize = 'stretch' }\n";
    std::fs::write(folder.join("model.toml"), toml).unwrap();
    std::fs::write(folder.join("model.tiny"), text).unwrap();
    std::fs::write(folder.join("labels.txt"), "red\ngreen\nteal\n").unwrap();
}

pub fn engine(limits: Limits, models: &tempfile::TempDir) -> Arc<Engine> {
    write_model(models, "tiny", "nothing");
    let config = whyglass_engine::Config {
        models: vec![models.path().to_owned()],
        datasets: vec![models.path().join("datasets")],
        limits,
        ..whyglass_engine::Config::default()
    };
    let engine = Engine::start(config).unwrap();
    plugin::register(&engine);
    engine
}

impl Fixture {
    pub async fn start() -> Self {
        Self::with(Limits::default(), |_| {}).await
    }

    pub async fn with(limits: Limits, change: impl FnOnce(&mut ServeConfig)) -> Self {
        let models = tempfile::tempdir().unwrap();
        let engine = engine(limits, &models);
        let mut config = ServeConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ServeConfig::default() };
        config.timing = Timing { drain: Duration::from_secs(1), ..Timing::default() };
        change(&mut config);
        let server = Server::bind(&config, Arc::clone(&engine)).await.unwrap();
        let address = server.bound_addr();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { engine, address, stop: Some(stop), serving, folder: models }
    }

    /// One more model, which takes `ms` to load.
    pub fn add_slow_model(&self, name: &str, ms: u64) {
        write_model(&self.folder, name, &ms.to_string());
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url()).unwrap().connect().await.unwrap()
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.url(), None, None).await.unwrap()
    }

    pub async fn explainer(&self) -> ExplainServiceClient<Channel> {
        ExplainServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    /// Tells the server to end, without waiting for it.
    pub fn tell_to_stop(&mut self) {
        let _ = self.stop.take().expect("told once").send(());
    }

    /// Waits for the server's end.
    pub async fn ended(self) {
        within("the server's end", self.serving).await.unwrap().unwrap();
    }

    /// Waits until a run is in `state`.
    pub async fn wait_for(&self, run: &str, state: v1::RunState) -> v1::Run {
        let mut client = self.client().await;
        within("a change of state", async {
            loop {
                let run = client.run(run).await.unwrap();
                if run.state() == state {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

/// A picture, wider than high.
pub fn picture() -> Picture {
    let pixel = |i: u32| [(i * 7 % 256) as u8, (i * 3 % 256) as u8, 40];
    Picture::new(16, 12, (0..16 * 12).flat_map(pixel).collect()).unwrap()
}

pub fn image() -> v1::ImageSource {
    let bytes = encode_png(&picture()).unwrap();
    v1::ImageSource { source: Some(v1::image_source::Source::Encoded(bytes.into())) }
}

/// A technique with parameters, on the picture.
pub fn spec(technique: &str, params: serde_json::Value) -> v1::RunSpec {
    v1::RunSpec {
        model: "tiny".to_owned(),
        technique: technique.to_owned(),
        input: Some(v1::run_spec::Input::Image(image())),
        params: Some(whyglass_server::grpc::convert::from_json(params.as_object().unwrap())),
        seed: Some(1),
        ..Default::default()
    }
}

/// A sweep of 4×4 cells that takes about `ms` for each.
pub fn sweep(ms: u64) -> v1::RunSpec {
    spec("sweep", json!({ "delay_ms": ms }))
}

/// A run that ends only when it is told to.
pub fn endless() -> v1::RunSpec {
    spec("flood", json!({ "frames": 1_000_000_000_u64, "side": 4, "delay_ms": 5 }))
}

pub fn explain(specs: Vec<v1::RunSpec>) -> v1::ExplainRequest {
    v1::ExplainRequest { specs, ..Default::default() }
}

pub fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

/// Watches one run from `after` on.
pub fn watch(run: &str, after: u64) -> v1::WatchRunsRequest {
    let cursor = v1::RunCursor { run: run.to_owned(), after_sequence: after, ..Default::default() };
    let cursors = v1::RunCursors { cursors: vec![cursor] };
    v1::WatchRunsRequest { watch: Some(v1::watch_runs_request::Watch::Runs(cursors)), stream: None }
}

pub fn watch_group(group: &str) -> v1::WatchRunsRequest {
    let group = v1::GroupCursor { group: group.to_owned(), cursors: Vec::new() };
    v1::WatchRunsRequest { watch: Some(v1::watch_runs_request::Watch::Group(group)), stream: None }
}
