//! The engine: finds and loads plugins, holds models, runs explanations and lets any number of watchers follow them.
//!
//! It is responsible for everything between a request and a plugin: checks, queue, threads, cancellation, the event log,
//! accumulated results. It knows nothing of gRPC, of terminals or of how a picture is drawn, and it starts no async
//! runtime: runs have threads of their own, and watchers wait on an [`event_listener::EventListener`], which a thread
//! can block on and a task can await.

mod call;
mod config;
mod datasets;
mod emission;
mod engine;
mod error;
mod gate;
mod heap;
mod models;
mod params;
mod plugins;
mod runs;
mod scores;
mod sha256;
mod suggest;

pub use config::{Config, Limits};
pub use datasets::{Dataset, DatasetInfo, Item};
pub use engine::Engine;
pub use error::{Code, Error, Result};
pub use models::{LoadedModel, ModelInfo, ModelState};
pub use plugins::{PluginInfo, PluginState, Technique};
pub use runs::event::{
    ArtifactMeta, ArtifactReference, ArtifactState, EventKind, Finished, Keyframe, Outcome, Placement, Progress,
    ResolvedSpec, RunEvent, RunState, Started, Tensor, Tile, Tiles,
};
pub use runs::spec::{Action, CreateOptions, ImageSource, RunSpec, Target};
pub use runs::watcher::{Cursor, Poll, WatchOptions, Watcher};
pub use runs::{RunInfo, RunName};
pub use scores::ClassScore;
pub use whyglass_abi::json;
