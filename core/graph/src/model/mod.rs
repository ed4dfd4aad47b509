//! A network that answers `run` and `vjp`, whatever engine is underneath.
//!
//! Responsible for names, shapes, the batch, and for compiling each question once. How a file becomes one is in
//! [`load`], how a question is answered in [`query`].

mod cache;
mod groups;
mod load;
mod names;
mod occlude;
mod plans;
mod query;

pub use query::{Cotangent, Gradients, Vjp};

use crate::blocks::Block;
use crate::builder::DerivedConstants;
use crate::incremental::sweep::Sweeper;
use crate::layers::{Landmarks, Layer};
use crate::{Normalization, Runtime};
use cache::Cache;
use names::Names;
use occlude::SweepKey;
use plans::Plans;
use query::ProgramKey;
use std::sync::Arc;

/// How a file is to be understood.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Height and width in pixels where the file leaves them open.
    pub input_size: Option<(usize, usize)>,
    /// How pixels become what the file expects; `None`: as they are.
    pub normalization: Option<Normalization>,
    /// The value behind the reserved name `features`, instead of the one that is found.
    pub feature_layer: Option<String>,
    /// The value behind the reserved name `logits`, instead of the one that is found.
    pub logits: Option<String>,
    /// Indices of classes that become one class each; what is in none of them becomes one more. Empty: the file's own
    /// classes. See [`groups`].
    pub groups: Vec<Vec<u32>>,
    /// Threads per execution where a call does not say; 0: one per core.
    pub threads: usize,
}

/// What was proven of a model when it was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The gradient of the logits with respect to some layer exists; each layer says for itself.
    pub gradients: bool,
    /// The gradient of the logits with respect to the input exists.
    pub input_gradients: bool,
    /// There are rectifiers that the rules `Guided` and `Deconvnet` change.
    pub guided_rules: bool,
    /// Pictures of other sizes can be fed.
    pub free_size: bool,
    /// A batch runs as one; else its rows run one after the other.
    pub free_batch: bool,
}

/// A model on the engine `R`. All calls may come from many threads at once.
///
/// Values go by their names in the file. Four names are reserved: `input` (pixels in 0…1, N×3×H×W), `logits` and
/// `probabilities` (N×classes), and `features` (where there are some); a value of the file that has one of these names
/// and is something else goes by that name with `.file` behind it.
///
/// Compiled programs are kept for the last [`PROGRAMS`](Self::PROGRAMS) different questions, where the batch and the
/// picture's size are part of the question; beyond that the one unused for longest goes, and is compiled again when
/// it is asked for. Weights are shared between all of them.
pub struct GraphModel<R: Runtime> {
    runtime: Arc<R>,
    names: Names,
    landmarks: Landmarks,
    layers: Vec<Layer>,
    blocks: Vec<Block>,
    classes: usize,
    capabilities: Capabilities,
    normalization: Option<Normalization>,
    macs: u64,
    threads: usize,
    plans: Plans<R>,
    programs: Cache<ProgramKey, R::Program>,
    sweeps: Cache<SweepKey, Sweeper<R>>,
    derived: DerivedConstants,
}

impl<R: Runtime> GraphModel<R> {
    /// How many compiled programs are kept.
    pub const PROGRAMS: usize = 32;

    /// Height and width of the input.
    #[must_use]
    pub fn input_size(&self) -> (usize, usize) {
        let (height, width) = self.plans.size();
        (height as usize, width as usize)
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All values that can be asked for, in topological order; `logits`, `probabilities` and `features` follow the
    /// values of the file that they are other names for.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The network at a glance: its blocks, from the input to the logits.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The layer called `name`, which may also be the name of a value that is only passed on from another.
    ///
    /// # Errors
    /// [`Error::UnknownValue`](crate::Error::UnknownValue), with near matches.
    pub fn layer(&self, name: &str) -> Result<&Layer, crate::Error> {
        if let Some(layer) = self.layers.iter().find(|layer| layer.id == name) {
            return Ok(layer);
        }
        let canonical = &self.plans.one().value(self.names.resolve(name)?).name;
        self.layers.iter().find(|layer| layer.id == *canonical).ok_or_else(|| self.names.unknown(name))
    }

    /// The name of the value behind `features`.
    #[must_use]
    pub fn feature_layer(&self) -> Option<&str> {
        self.landmarks.features.map(|id| self.plans.one().value(id).name.as_str())
    }

    /// The colour that normalises to zero, red, green, blue in 0…1; `None` without a normalisation.
    #[must_use]
    pub fn mean_colour(&self) -> Option<[f32; 3]> {
        self.normalization.as_ref().map(Normalization::mean_colour)
    }

    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Multiply–accumulates of one picture's forward pass.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.macs
    }

    /// The graph for one picture at the model's size, for those who plan over it (incremental inference).
    #[must_use]
    pub fn graph(&self) -> &crate::Graph {
        self.plans.one()
    }

    #[must_use]
    pub fn runtime(&self) -> &Arc<R> {
        &self.runtime
    }
}

impl<R: Runtime> std::fmt::Debug for GraphModel<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphModel")
            .field("input_size", &self.input_size())
            .field("classes", &self.classes)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}
