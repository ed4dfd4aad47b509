//! What the engine is started with: where to look, and the bounds of everything that could grow. Reads nothing itself:
//! flags, environment and files are the binary's business.

use std::path::PathBuf;
use std::time::Duration;

use crate::json::Normalization;

/// Where plugins and models are, and how much the engine may use.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Directories with a folder per plugin. Nothing else is ever searched.
    pub plugins: Vec<PathBuf>,
    /// Directories with a folder per model.
    pub models: Vec<PathBuf>,
    /// Directories with a folder per dataset.
    pub datasets: Vec<PathBuf>,
    pub limits: Limits,
    /// Threads for computing, shared by the runs that run at the same time; 0: one per core.
    pub threads: u32,
    /// How pixels become what the models expect, whatever their folders say; `None`: as their folders say.
    pub normalization: Option<Normalization>,
    /// The back end that loads the models, whatever their folders say; `None`: as their folders say, or any that can.
    pub backend: Option<String>,
    /// A model may be named by the path of its file. Only for a command line, never for requests from elsewhere.
    pub allow_model_paths: bool,
    /// Likewise a dataset, by the path of its folder or manifest.
    pub allow_dataset_paths: bool,
}

impl Config {
    /// `threads` with 0 replaced by the number of cores.
    #[must_use]
    pub fn threads(&self) -> u32 {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            n => n,
        }
    }
}

/// Bounds. Each has the default of the design; a test or an operator sets others.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Runs that compute at the same time.
    pub slots: usize,
    /// Runs that wait for a slot; one more is RESOURCE_EXHAUSTED.
    pub queue: usize,
    /// Runs that one request may create.
    pub specs_per_request: usize,
    /// Bytes of an encoded picture.
    pub image_bytes: u64,
    /// Pixels of a decoded picture.
    pub image_pixels: u64,
    /// Bytes of tensors above which pending tiles of one artifact become a keyframe.
    pub event_bytes: usize,
    /// Bytes of one event on a wire; what is larger is sent by reference. Tiles of more become a keyframe here, which is
    /// what there can be a reference to.
    pub event_bytes_hard: usize,
    /// Bytes of one artifact; a plugin that sends a larger one is refused the event.
    pub artifact_bytes: usize,
    /// Bytes of events that a run keeps for watchers that come late or resume.
    pub log_bytes: usize,
    /// Finished runs that are kept; the oldest go first.
    pub results: usize,
    /// Bytes of finished runs that are kept; the oldest go first.
    pub result_bytes: usize,
    /// How long a finished run is kept, from its end or from when it was last asked for again.
    pub result_age: Duration,
    /// Bytes of finished runs that are handed out again to whoever asks for the same, the least used going first; runs under
    /// way are shared, too. 0: every request has runs of its own.
    pub cache_bytes: usize,
    /// Bytes, for each model in memory, of pictures and what the model gave for them, the least used going first: whoever asks
    /// about the picture itself again is answered from there. Of one tensor at most a quarter; 0: all is evaluated.
    pub activations_bytes: usize,
    /// The longest a run may run; a request may ask for less.
    pub run_duration: Duration,
    /// A run that is paused for longer is stopped.
    pub pause: Duration,
    /// How long a plugin may ignore a stop before its run is finished without it.
    pub unresponsive: Duration,
    /// How long a technique may take to fill in its parameters.
    pub resolve: Duration,
    /// The longest that a run may outlive its last watcher.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: 8,
            queue: 64,
            specs_per_request: 64,
            image_bytes: 32 << 20,
            image_pixels: 40_000_000,
            event_bytes: 256 << 10,
            event_bytes_hard: 1 << 20,
            artifact_bytes: 64 << 20,
            log_bytes: 8 << 20,
            results: 10_000,
            result_bytes: 1 << 30,
            result_age: Duration::from_secs(3600),
            cache_bytes: 0,
            activations_bytes: 64 << 20,
            run_duration: Duration::from_secs(3600),
            pause: Duration::from_secs(600),
            unresponsive: Duration::from_secs(2),
            resolve: Duration::from_secs(10),
            linger: Duration::from_secs(3600),
        }
    }
}
