//! The front of the engine: every verb that a server or a command line has. It only puts the parts together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use whyglass_abi::WgPlugin;

use crate::call::{Call, Silent};
use crate::config::{Config, Limits};
use crate::datasets::{self, Dataset, DatasetInfo};
use crate::error::{Error, Result};
use crate::heap;
use crate::models::{self, LoadedModel, ModelInfo};
use crate::plugins::{self, PluginInfo, Technique};
use crate::runs::check::{self, CheckedSpec};
use crate::runs::clock::Clock;
use crate::runs::ending::Cause;
use crate::runs::event::ArtifactState;
use crate::runs::execute::execute;
use crate::runs::run::{NewRun, Run};
use crate::runs::scheduler::{Execute, Scheduler};
use crate::runs::spec::{Action, CreateOptions, ImageSource, RunSpec};
use crate::runs::store::Store;
use crate::runs::timer::Timer;
use crate::runs::watcher::{Cursor, WatchOptions, Watcher};
use crate::runs::{RunInfo, RunName, picture};
use crate::scores::{self, ClassScore};

/// The most runs that are named to one watcher; a group may have more.
const CURSORS: usize = 1024;

/// A running engine. All methods may be called from any thread; those that say so block.
pub struct Engine {
    config: Config,
    instance: String,
    plugins: plugins::registry::Registry,
    models: models::registry::Registry,
    datasets: datasets::registry::Registry,
    store: Arc<Store>,
    scheduler: Arc<Scheduler>,
    timer: Arc<Timer>,
    execute: Execute,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads every plugin and finds every model. A plugin that cannot be used is listed as refused; it fails nothing.
    /// The whole process has few heaps from then on, where the C library is glibc; to be called before it has many threads.
    ///
    /// # Errors
    /// NO_THREAD, NO_RANDOMNESS: the machine is out of the most basic things.
    pub fn start(config: Config) -> Result<Arc<Self>> {
        let threads = config.threads();
        heap::one_per(threads);
        let timer = Timer::start().map_err(|error| Error::internal("NO_THREAD", error.to_string()))?;
        let execute: Execute = Arc::new(move |run, running| {
            let share = u32::try_from(running).unwrap_or(u32::MAX).max(1);
            execute(run, (threads / share).max(1));
        });
        Ok(Arc::new(Self {
            instance: random_name()?,
            plugins: plugins::registry::Registry::discover(&config.plugins),
            models: models::registry::Registry::new(
                config.models.clone(),
                config.allow_model_paths,
                models::How {
                    threads,
                    normalization: config.normalization,
                    backend: config.backend.clone(),
                    activations_bytes: config.limits.activations_bytes,
                },
            ),
            datasets: datasets::registry::Registry::new(config.datasets.clone(), config.allow_dataset_paths),
            store: Arc::default(),
            scheduler: Arc::new(Scheduler::new(config.limits.slots, config.limits.queue)),
            timer: Arc::new(timer),
            execute,
            config,
        }))
    }

    /// Adds a plugin that is linked in rather than found, for tests.
    ///
    /// # Safety
    /// `table` and everything it points to is as the ABI says, for as long as the process lives.
    #[doc(hidden)]
    pub unsafe fn register(&self, table: *const WgPlugin) -> PluginInfo {
        // SAFETY: the caller's promise.
        unsafe { self.plugins.register(table) }
    }

    /// Changes with each start: a run of another instance is unknown here.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        &self.instance
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Sorted by id; refused ones with their reason.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.plugins.plugins()
    }

    /// Sorted by id; those that have been disabled are left out.
    #[must_use]
    pub fn techniques(&self) -> Vec<Arc<Technique>> {
        self.plugins.techniques()
    }

    /// # Errors
    /// UNKNOWN_TECHNIQUE, with the nearest name.
    pub fn technique(&self, id: &str) -> Result<Arc<Technique>> {
        self.plugins.technique(id)
    }

    /// Sorted by name; loads nothing.
    #[must_use]
    pub fn models(&self) -> Vec<ModelInfo> {
        self.models.list()
    }

    /// Blocks: loads the model when it is first asked for. A failure is remembered.
    ///
    /// # Errors
    /// UNKNOWN_MODEL, with the nearest name; NO_BACKEND; MODEL_FAILED, or what the back end says.
    pub fn model(&self, name: &str) -> Result<Arc<LoadedModel>> {
        self.models.get(name, &self.plugins)
    }

    /// Blocks. Loads a model now; one that failed is tried again, its folder read anew.
    ///
    /// # Errors
    /// UNKNOWN_MODEL, and whatever stands in the way of loading it.
    pub fn load_model(&self, name: &str) -> Result<Arc<LoadedModel>> {
        if self.models.info(name)?.state == models::ModelState::Failed {
            self.models.forget(name)?;
        }
        self.model(name)
    }

    /// Forgets a model: it is loaded again, its folder read anew, when it is next asked for. Runs that use it go on, and
    /// its memory is free when the last of them has ended.
    ///
    /// # Errors
    /// UNKNOWN_MODEL; MODEL_LOADING while it is being loaded.
    pub fn unload_model(&self, name: &str) -> Result<ModelInfo> {
        self.models.forget(name)?;
        self.models.info(name)
    }

    /// Blocks: reads the folders. Sorted by name; those that cannot be used say why.
    #[must_use]
    pub fn datasets(&self) -> Vec<DatasetInfo> {
        self.datasets.list()
    }

    /// Blocks: reads the folder.
    ///
    /// # Errors
    /// UNKNOWN_DATASET, with the nearest name; BAD_DATASET with what is wrong with it.
    pub fn dataset(&self, name: &str) -> Result<Arc<Dataset>> {
        self.datasets.get(name)
    }

    /// Blocks. A picture of a dataset, upright, in its own size.
    ///
    /// # Errors
    /// UNKNOWN_DATASET, BAD_DATASET, UNKNOWN_ITEM, UNREADABLE_IMAGE, INVALID_IMAGE.
    pub fn dataset_picture(&self, dataset: &str, item: &str) -> Result<whyglass_imaging::Picture> {
        let set = self.datasets.get(dataset)?;
        picture::decode(&set.encoded(set.item(item)?, &self.config.limits)?, &self.config.limits)
    }

    /// Blocks. The `top` best classes, best first; 0: all.
    ///
    /// # Errors
    /// INVALID_IMAGE and the like; MODEL_DISABLED; what the model says.
    pub fn classify(&self, model: &LoadedModel, image: &ImageSource, top: usize) -> Result<Vec<ClassScore>> {
        model.usable()?;
        let image = self.datasets.fetch(image.clone(), &self.config.limits)?;
        let (pixels, _) = picture::pixels(&image, model, &self.config.limits)?;
        let call = Call::new(Silent::new("classify"), self.config.threads());
        let logits = model.logits(&call, &pixels)?;
        Ok(scores::best(&logits, model.labels(), top, model.link()))
    }

    /// Blocks. All checks come before anything is created: either every run exists or none. A spec with a seed is answered
    /// with the run that there is of the same, under way or succeeded, where [`Limits::cache_bytes`] allows it.
    ///
    /// # Errors
    /// Every error of a request, its field beginning with `specs[i]`; QUEUE_FULL; SHUTTING_DOWN.
    pub fn create_runs(&self, specs: Vec<RunSpec>, options: CreateOptions) -> Result<Vec<RunName>> {
        if options.request_id.is_empty() {
            return self.create(specs, &options);
        }
        let request = self.store.request(&options.request_id);
        let mut created = request.lock();
        if let Some(names) = &*created {
            return Ok(names.clone());
        }
        let names = self.create(specs, &options).inspect_err(|_| self.store.forget_request(&options.request_id))?;
        *created = Some(names.clone());
        Ok(names)
    }

    fn create(&self, specs: Vec<RunSpec>, options: &CreateOptions) -> Result<Vec<RunName>> {
        let limits = &self.config.limits;
        if specs.is_empty() || specs.len() > limits.specs_per_request {
            let message =
                format!("{} runs in one request: 1 to {} are possible", specs.len(), limits.specs_per_request);
            return Err(Error::invalid("specs", "INVALID_COUNT", message));
        }
        if options.linger > limits.linger {
            let message = format!("at most {} s", limits.linger.as_secs());
            return Err(Error::invalid("linger", "INVALID_DURATION", message));
        }
        // Before the work of checking: a full queue should cost nothing.
        self.scheduler.room_for(specs.len())?;
        let checked = specs
            .into_iter()
            .enumerate()
            .map(|(index, spec)| self.check(spec).map_err(|error| error.within(&format!("specs[{index}]"))));
        let checked = checked.collect::<Result<Vec<_>>>()?;
        let names = checked.iter().map(|_| random_name()).collect::<Result<Vec<_>>>()?;
        let parts: Vec<_> = names.into_iter().zip(checked).collect();
        let mut names = Vec::with_capacity(parts.len());
        // Known before they run, so that nothing of them is missed.
        let made = self.scheduler.admit(parts.len(), &self.execute, || {
            let make = |name, spec, number| self.new_run(name, spec, number, options);
            let answer = self.store.ask(parts, options, make);
            names.extend(answer.runs.iter().map(|run| run.name.to_string()));
            answer.made
        })?;
        if let Some(deadline) = options.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            made.iter().for_each(|run| run.end_after(left));
        }
        Ok(names)
    }

    fn check(&self, spec: RunSpec) -> Result<CheckedSpec> {
        // The technique first: it is known without loading anything.
        self.plugins.technique(&spec.technique)?;
        let model = self.model(&spec.model)?;
        check::check(spec, model, &self.plugins, &self.datasets, &self.config.limits, self.config.threads())
    }

    fn new_run(&self, name: RunName, spec: CheckedSpec, number: u64, options: &CreateOptions) -> Arc<Run> {
        let (store, scheduler) = (Arc::downgrade(&self.store), Arc::downgrade(&self.scheduler));
        let on_finished = move |run: &Arc<Run>| {
            if let Some(scheduler) = scheduler.upgrade() {
                scheduler.forget(run);
            }
            if let Some(store) = store.upgrade() {
                store.keep(run);
            }
        };
        Run::new(NewRun {
            name: name.into(),
            number,
            spec,
            options,
            limits: self.config.limits.clone(),
            clock: Clock::of(&self.timer),
            on_finished: Box::new(on_finished),
        })
    }

    /// Follows one run from a sequence number on.
    ///
    /// # Errors
    /// UNKNOWN_RUN, CURSOR_AHEAD.
    pub fn watch(&self, run: &str, after_sequence: u64, options: WatchOptions) -> Result<Watcher> {
        self.watch_all(&[Cursor { run: run.to_owned(), after_sequence }], options)
    }

    /// One watcher over several runs; it ends when all have finished.
    ///
    /// # Errors
    /// UNKNOWN_RUN, CURSOR_AHEAD, SAME_RUN, INVALID_COUNT.
    pub fn watch_all(&self, cursors: &[Cursor], options: WatchOptions) -> Result<Watcher> {
        distinct(cursors)?;
        let find = |cursor: &Cursor| {
            let run = self.store.get(&cursor.run)?;
            run.check_cursor(cursor.after_sequence)?;
            Ok((run, cursor.after_sequence))
        };
        let runs = cursors
            .iter()
            .enumerate()
            .map(|(index, cursor)| find(cursor).map_err(|error: Error| error.within(&format!("cursors[{index}]"))));
        Ok(Watcher::new(&self.store, runs.collect::<Result<_>>()?, options))
    }

    /// Follows every run of a group, later ones too; it does not end by itself. Cursors say what was seen already.
    ///
    /// # Errors
    /// INVALID_GROUP where the name is empty, SAME_RUN, INVALID_COUNT.
    pub fn watch_group(&self, group: &str, cursors: &[Cursor], options: WatchOptions) -> Result<Watcher> {
        if group.is_empty() {
            return Err(Error::invalid("group", "INVALID_GROUP", "a group has a name"));
        }
        distinct(cursors)?;
        let cursors: BTreeMap<String, u64> =
            cursors.iter().map(|cursor| (cursor.run.clone(), cursor.after_sequence)).collect();
        Ok(Watcher::of_group(&self.store, group, cursors, options))
    }

    /// The run after the action.
    ///
    /// # Errors
    /// UNKNOWN_RUN, RUN_FINISHED, RUN_NOT_STARTED, INVALID_PARAMETER, UNKNOWN_PARAMETER, PARAMETER_NOT_LIVE.
    pub fn control(&self, run: &str, action: Action) -> Result<RunInfo> {
        let run = self.store.get(run)?;
        run.control(action)?;
        Ok(run.info())
    }

    /// # Errors
    /// UNKNOWN_RUN.
    pub fn run(&self, run: &str) -> Result<RunInfo> {
        Ok(self.store.get(run)?.info())
    }

    /// In the order of their creation; `None`: of every group.
    #[must_use]
    pub fn runs(&self, group: Option<&str>) -> Vec<RunInfo> {
        let all = self.store.all().into_iter();
        all.filter(|run| group.is_none_or(|group| run.is_in(group))).map(|run| run.info()).collect()
    }

    /// An artifact as it stands, whether or not the run has finished.
    ///
    /// # Errors
    /// UNKNOWN_RUN, UNKNOWN_ARTIFACT.
    pub fn artifact(&self, run: &str, id: &str) -> Result<ArtifactState> {
        self.store.get(run)?.artifact(id)
    }

    /// Blocks. The picture that a run explains, upright; one that came as pixels has the model's input size.
    ///
    /// # Errors
    /// UNKNOWN_RUN.
    pub fn picture(&self, run: &str) -> Result<whyglass_imaging::Picture> {
        self.store.get(run)?.picture()
    }

    /// Blocks. Refuses new runs, gives the running ones `grace`, then ends them with `finished`, unloads the models and
    /// tells the plugins. A plugin that does not return is left behind, untold. Results can still be read. The second
    /// time does nothing.
    pub fn shutdown(&self, grace: Duration) {
        if !self.scheduler.close() {
            return;
        }
        if !self.scheduler.wait_idle(grace) {
            self.store.all().iter().for_each(|run| run.cancel(Cause::Shutdown));
        }
        // The runs of plugins that do not return have been finished without them by then.
        self.scheduler.wait_idle(self.config.limits.unresponsive + Duration::from_millis(500));
        self.store.close();
        self.models.close();
        self.plugins.shut_down();
    }
}

/// A run is followed once, and a watcher follows so many at most.
fn distinct(cursors: &[Cursor]) -> Result<()> {
    if cursors.len() > CURSORS {
        let message = format!("{} runs for one watcher: at most {CURSORS} are possible", cursors.len());
        return Err(Error::invalid("cursors", "INVALID_COUNT", message));
    }
    let mut seen = BTreeSet::new();
    match cursors.iter().position(|cursor| !seen.insert(&cursor.run)) {
        None => Ok(()),
        Some(index) => {
            let message = format!("the run '{}' is named twice: give one cursor for it", cursors[index].run);
            Err(Error::invalid(format!("cursors[{index}].run"), "SAME_RUN", message))
        }
    }
}

/// 128 random bits in hexadecimal.
fn random_name() -> Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| Error::internal("NO_RANDOMNESS", error.to_string()))?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}
