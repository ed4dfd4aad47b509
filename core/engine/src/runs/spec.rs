//! What a caller asks for, as it comes from outside: nothing in here has been checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value};

/// One technique × one model × one picture (or one dataset).
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// A model's name, or (where the configuration allows it) the path of a model file.
    pub model: String,
    /// kebab-case: `grad-cam`.
    pub technique: String,
    pub image: ImageSource,
    /// `None`: the model's own top class.
    pub target: Option<Target>,
    /// By the technique's schema; what is missing has a default.
    pub params: Map<String, Value>,
    /// Below 2^53. `None`: drawn, and reported in `started`; the run is the caller's own then, whatever else is asked for.
    pub seed: Option<u64>,
    /// When it is over the best result so far is returned. `None`: the configured limit.
    pub max_duration: Option<Duration>,
}

/// Where a picture comes from, or all of them.
#[derive(Clone, Debug)]
pub enum ImageSource {
    /// PNG, JPEG, WebP, BMP or GIF.
    Encoded(Bytes),
    /// 3×H×W (or 1×3×H×W), RGB in 0…1, at the model's input size.
    Pixels { shape: Vec<usize>, data: Arc<Vec<f32>> },
    /// A picture of a dataset, by its id there.
    DatasetItem { dataset: String, item: String },
    /// All pictures of a dataset, for a technique that explains one: its name, or (where the configuration allows it) the
    /// path of its folder or manifest.
    Dataset(String),
}

/// The class to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Index(u32),
    /// Case does not matter where the label is still unique.
    Label(String),
}

/// How runs are created. Of a run that was asked for before, each who asks for it adds a group, and the longest linger counts.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// The same id again joins the same runs. Empty: no such promise.
    pub request_id: String,
    /// How long a run outlives its last watcher. Zero: it is cancelled when the last one leaves. A run that nobody has
    /// watched yet runs to its end.
    pub linger: Duration,
    /// Runs that are watched together. Empty: none.
    pub group: String,
    /// When the run ends with its best result so far, wherever it is by then: in the queue too.
    pub deadline: Option<Instant>,
}

/// What may be done to a run, for all who have asked for it. After a stop or a change of parameters it is not handed out again.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ends early and keeps what there is.
    Stop,
    Pause,
    Resume,
    /// Changes parameters that the schema marks `x-live`.
    SetParams(Map<String, Value>),
}
