//! Runs: one technique × one model × one picture, from the request to the result.

mod accumulate;
pub(crate) mod check;
pub(crate) mod clock;
mod control;
pub(crate) mod ending;
pub(crate) mod event;
pub(crate) mod execute;
mod images;
mod index;
mod inputs;
mod kept;
mod key;
mod log;
mod manifest;
pub(crate) mod picture;
mod reading;
mod resolve;
pub(crate) mod run;
pub(crate) mod scheduler;
mod sharing;
mod sink;
pub(crate) mod spec;
pub(crate) mod store;
pub(crate) mod timer;
pub(crate) mod watcher;
mod watching;

use std::sync::Arc;
use std::time::SystemTime;

use event::{Finished, Progress, RunState, Started};
use serde_json::{Map, Value};

/// A run's name: 32 hexadecimal digits, without the `runs/` of resource names.
pub type RunName = String;

/// A run as it stands.
#[derive(Clone, Debug)]
pub struct RunInfo {
    pub name: RunName,
    pub state: RunState,
    pub model: String,
    pub technique: String,
    /// In the order in which it came to them: that of the first who asked for it, then those of others.
    pub groups: Vec<String>,
    /// Resolved, live changes included.
    pub params: Map<String, Value>,
    /// 0: no event yet.
    pub last_sequence: u64,
    pub progress: Progress,
    pub create_time: SystemTime,
    /// When its result is dropped at the latest; `None` until it has finished.
    pub expire_time: Option<SystemTime>,
    /// With everything resolved; `None` until it runs.
    pub started: Option<Arc<Started>>,
    /// `None` until it has finished.
    pub finished: Option<Arc<Finished>>,
}
