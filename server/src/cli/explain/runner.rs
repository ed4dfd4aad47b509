//! Whoever computes: an engine in this process or a server. Nothing else in `explain` knows which.

use std::sync::Arc;

use whyglass_engine::json::ExplainerDescriptor;
use whyglass_engine::{ArtifactState, Error, RunEvent, RunName, RunSpec};

/// Creates runs, follows them, hands out their results. All methods block.
pub(crate) trait Runner: Send + Sync {
    /// What a technique says of itself.
    fn technique(&self, id: &str) -> Result<ExplainerDescriptor, Error>;
    /// A model's title for people; its name where it has none.
    fn model_title(&self, name: &str) -> String;
    /// Either all runs are created or none.
    fn create(&self, specs: Vec<RunSpec>) -> Result<Vec<RunName>, Error>;
    /// The events of runs until all of them have finished.
    fn watch(&self, runs: &[RunName]) -> Result<Box<dyn Events>, Error>;
    /// Ends a run early; one that has ended is left as it is.
    fn stop(&self, run: &str);
    /// An artifact of a run that has finished.
    fn artifact(&self, run: &str, id: &str) -> Result<ArtifactState, Error>;
}

/// A stream of events.
pub(crate) trait Events {
    /// Blocks until something happens. `None`: every run has finished.
    fn next(&mut self) -> Result<Option<Arc<RunEvent>>, Error>;
}
