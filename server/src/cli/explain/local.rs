//! Runs in the engine of this process.

use std::sync::Arc;

use whyglass_engine::json::ExplainerDescriptor;
use whyglass_engine::{
    Action, ArtifactState, CreateOptions, Engine, Error, RunEvent, RunName, RunSpec, WatchOptions, Watcher,
};

use super::runner::{Events, Runner};

pub(crate) struct Local {
    engine: Arc<Engine>,
}

impl Local {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl Runner for Local {
    fn technique(&self, id: &str) -> Result<ExplainerDescriptor, Error> {
        Ok(self.engine.technique(id)?.descriptor.clone())
    }

    fn model_title(&self, name: &str) -> String {
        let model = self.engine.models().into_iter().find(|model| model.name == name);
        model.map(|model| model.title).filter(|title| !title.is_empty()).unwrap_or_else(|| name.to_owned())
    }

    fn create(&self, specs: Vec<RunSpec>) -> Result<Vec<RunName>, Error> {
        self.engine.create_runs(specs, CreateOptions::default())
    }

    fn watch(&self, runs: &[RunName]) -> Result<Box<dyn Events>, Error> {
        let cursor = |run: &RunName| whyglass_engine::Cursor { run: run.clone(), after_sequence: 0 };
        let cursors: Vec<_> = runs.iter().map(cursor).collect();
        Ok(Box::new(self.engine.watch_all(&cursors, WatchOptions::default())?))
    }

    fn stop(&self, run: &str) {
        // The only thing that can be wrong is that it has finished already.
        let _ = self.engine.control(run, Action::Stop);
    }

    fn artifact(&self, run: &str, id: &str) -> Result<ArtifactState, Error> {
        self.engine.artifact(run, id)
    }
}

impl Events for Watcher {
    fn next(&mut self) -> Result<Option<Arc<RunEvent>>, Error> {
        Ok(self.wait())
    }
}
