//! Ctrl-C: the first one ends the runs with what they have, the second one ends the program.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use whyglass_engine::RunName;

use super::runner::Runner;
use crate::cli::failure::Failure;

/// What shells report for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// The runs that a Ctrl-C stops.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    runs: Arc<Mutex<Vec<RunName>>>,
    presses: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Takes over Ctrl-C (and the signal that asks to terminate) for the rest of the program.
    pub(crate) fn install(runner: &Arc<dyn Runner>) -> Result<Self, Failure> {
        let interrupt = Self::default();
        let (pressed, runner) = (interrupt.clone(), Arc::clone(runner));
        ctrlc::set_handler(move || pressed.press(runner.as_ref()))
            .map_err(|error| Failure::failed(format!("Ctrl-C cannot be handled: {error}")))?;
        Ok(interrupt)
    }

    fn press(&self, runner: &dyn Runner) {
        if self.presses.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("ending with what there is; press Ctrl-C again to abort");
        for run in self.runs.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            runner.stop(run);
        }
    }

    /// These runs are stopped by a Ctrl-C from now on, or at once if it was pressed already.
    pub(crate) fn watch_over(&self, runs: &[RunName], runner: &dyn Runner) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&runs.to_vec());
        if self.pressed() {
            runs.iter().for_each(|run| runner.stop(run));
        }
    }

    pub(crate) fn pressed(&self) -> bool {
        self.presses.load(Ordering::SeqCst) > 0
    }
}
