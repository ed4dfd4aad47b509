//! What a watcher sees: the events of a run, as plain values. Tensors are shared, never copied per watcher.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use whyglass_abi::json::{ArtifactKind, ImageMeta, MapMeta, PointsMeta, TableMeta};

pub use whyglass_imaging::Placement;

use crate::error::Code;
use crate::scores::ClassScore;

/// A dense row-major float32 tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Arc<Vec<f32>>,
}

impl Tensor {
    /// Bytes of the numbers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }
}

/// The life of a run. The last four end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    Queued,
    Running,
    Paused,
    Succeeded,
    /// Ended early, by a stop or its deadline, with the best result so far.
    Stopped,
    /// Nobody was left to watch.
    Cancelled,
    Failed,
}

impl RunState {
    /// No event follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Stopped | Self::Cancelled | Self::Failed)
    }

    /// As in manifests: `SUCCEEDED`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Succeeded => "SUCCEEDED",
            Self::Stopped => "STOPPED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

/// One event of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// The run's name: 32 hexadecimal digits.
    pub run: Arc<str>,
    /// Starts at 1 and grows; a skipped frame leaves a hole.
    pub sequence: u64,
    /// Since the run was created.
    pub elapsed: Duration,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    StateChanged(RunState),
    Started(Arc<Started>),
    Progress(Progress),
    Keyframe(Keyframe),
    Tiles(Tiles),
    Metrics(BTreeMap<String, f64>),
    Notice {
        /// UPPER_SNAKE.
        reason: String,
        message: String,
    },
    Finished(Arc<Finished>),
}

/// A run with every default filled in, so that it can be repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedSpec {
    pub model: String,
    pub technique: String,
    /// The dataset that is explained, rather than a picture.
    pub dataset: Option<String>,
    /// Index and label of the explained class; `None` of a dataset where none was asked for.
    pub target: Option<(u32, String)>,
    pub params: Map<String, Value>,
    pub seed: u64,
    pub max_duration: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    pub resolved: ResolvedSpec,
    /// The model's five best classes, best first.
    pub scores: Vec<ClassScore>,
    pub start_time: SystemTime,
    /// `None` where the request brought pixels that fit the model already.
    pub placement: Option<Placement>,
    /// Height and width of the model's input.
    pub input: [usize; 2],
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub done: u64,
    /// 0: not known.
    pub total: u64,
    /// Pictures that the model has evaluated for this run; what it remembered of the picture itself is none.
    pub model_evaluations: u64,
    pub stage: String,
    pub remaining: Option<Duration>,
    /// Frames that this watcher has not been shown because newer ones were there.
    pub frames_skipped: u64,
}

/// What a keyframe says besides its numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum ArtifactMeta {
    Map(MapMeta),
    Image(ImageMeta),
    Points(PointsMeta),
    Table(TableMeta),
}

/// A whole artifact as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyframe {
    pub artifact: Arc<str>,
    pub kind: ArtifactKind,
    pub tensor: Tensor,
    pub standard_error: Option<Tensor>,
    pub meta: Arc<ArtifactMeta>,
    /// Nothing will change it any more.
    pub is_final: bool,
}

/// Parts that replace the artifact's cells as they were after `base_sequence`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    pub artifact: Arc<str>,
    pub kind: ArtifactKind,
    pub base_sequence: u64,
    pub tiles: Vec<Tile>,
}

/// H×W for a map, 3×H×W for an image, rows×columns for the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    pub y: u32,
    pub x: u32,
    pub tensor: Tensor,
    pub standard_error: Option<Tensor>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub code: Code,
    /// UPPER_SNAKE: STOPPED, DEADLINE, PANIC, … Empty for a run that succeeded.
    pub reason: String,
    /// The parameter to blame, if one is.
    pub field: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub state: RunState,
    pub status: Outcome,
    /// The technique ran to its end, or settled by its own rule.
    pub complete: bool,
    /// What a reader needs to repeat and to trust the result: JSON.
    pub manifest: String,
    pub artifacts: Vec<ArtifactReference>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ArtifactReference {
    pub id: Arc<str>,
    pub kind: ArtifactKind,
    pub shape: Vec<usize>,
    /// Bytes of the float32 numbers.
    pub size_bytes: u64,
}

/// The accumulated state of an artifact.
#[derive(Clone, Debug, PartialEq)]
pub struct ArtifactState {
    pub id: Arc<str>,
    pub kind: ArtifactKind,
    pub tensor: Tensor,
    pub standard_error: Option<Tensor>,
    pub meta: Arc<ArtifactMeta>,
    /// The sequence number of the last event that changed it.
    pub last_sequence: u64,
    pub is_final: bool,
}
