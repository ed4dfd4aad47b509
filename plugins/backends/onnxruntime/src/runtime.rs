//! [`whyglass_graph::Runtime`] on ONNX Runtime: a graph becomes a session, an execution one `Run`.
//!
//! What was measured decides here, once for the process: threads that spin while their session runs and not a moment longer
//! (pools that go on spinning steal the cores from each other: several times slower with several sessions; a pool that never
//! spins takes 1.8 times as long over a gradient of hundreds of small nodes), one arena that all sessions take their memory
//! from, static shapes, the highest optimisation level (its blocked layout is worth 2.7× on convolutions).

use crate::arena;
use crate::library;
use crate::operators::{self, with_operators};
use crate::optimised::{self, Reading};
use crate::value::{self, Lent};
use crate::weights::{Weight, Weights};
use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SharedSessionInner};
use ort::{AsPointer, sys};
use parking_lot::Mutex;
use std::ffi::{CString, c_char};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use whyglass_graph::{CompileOptions, Graph, OwnKernels, Runtime, Tensor};

/// What ONNX Runtime, or getting at it, can fail with.
#[derive(Debug, thiserror::Error)]
pub enum OrtError {
    /// The engine says no.
    #[error("{}", .0.message())]
    Engine(#[from] ort::Error),
    /// The shared library is not there.
    #[error("ONNX Runtime's library is not at {}: run `cargo xtask setup`, then `cargo xtask build`", .0.display())]
    Missing(PathBuf),
    /// The library's place cannot be told.
    #[error("cannot tell which folder this plugin was loaded from, so ONNX Runtime's library cannot be found in it")]
    NoFolder,
    /// The library does not load, or is too old.
    #[error("cannot load ONNX Runtime from {}: {what}", path.display())]
    Load { path: PathBuf, what: String },
    /// The graph cannot be written as a model.
    #[error("cannot hand the graph to ONNX Runtime: {0}")]
    Graph(#[from] whyglass_graph::Error),
    /// A name that C cannot have.
    #[error("the value name {0:?} contains a NUL byte")]
    Name(String),
    /// Not one tensor per graph input.
    #[error("the graph has {wanted} inputs, {given} tensors were given")]
    Inputs { wanted: usize, given: usize },
    /// An output that is no tensor of numbers.
    #[error("output {name:?} is {what}, which cannot be handed on")]
    Output { name: String, what: String },
    /// The engine broke its word.
    #[error("ONNX Runtime returned no {0}")]
    Null(&'static str),
}

/// ONNX Runtime in this process. Clones are the same runtime, and share weights.
#[derive(Clone)]
pub struct OrtRuntime {
    pub(crate) environment: Environment,
    weights: Arc<Weights>,
    cores: usize,
}

/// Threads of a session wait for each other by spinning while it runs, and sleep as soon as it has run: waking them for each
/// of hundreds of nodes takes as long as the nodes do.
const STOP_SPINNING: &str = "session.force_spinning_stop";
/// Of one session, each of which has its own. Batches are divided among threads that call; this is for a single picture.
const MOST_THREADS: usize = 8;

/// One environment per process is all that ONNX Runtime allows: the first library that was loaded stays.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

impl OrtRuntime {
    /// The runtime whose library lies beside this plugin.
    ///
    /// # Errors
    /// If it is not there, or does not load.
    pub fn beside_this_plugin() -> Result<Self, OrtError> {
        Self::from_library(&library::beside_this_plugin().ok_or(OrtError::NoFolder)?)
    }

    /// The runtime in the shared library at `path`; the one loaded already if there is one.
    ///
    /// # Errors
    /// If there is no such file, or it is no ONNX Runtime of a usable version.
    pub fn from_library(path: &Path) -> Result<Self, OrtError> {
        let mut current = ENVIRONMENT.lock();
        let environment = match &*current {
            Some(environment) => environment.clone(),
            None => current.insert(load(path)?).clone(),
        };
        Ok(Self { environment, weights: Arc::new(Weights::new()), cores: cores() })
    }

    /// Begins a session that is kept.
    pub(crate) fn builder(&self, threads: usize) -> Result<SessionBuilder, OrtError> {
        let mut builder = Session::builder(&self.environment)?.with_env_allocators().map_err(engine)?;
        builder = builder.with_independent_thread_pool().map_err(engine)?;
        builder = builder.with_intra_threads(threads).map_err(engine)?;
        builder = builder.with_config_entry(STOP_SPINNING, "1").map_err(engine)?;
        with_operators(builder)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn load(path: &Path) -> Result<Environment, OrtError> {
    if !path.is_file() {
        return Err(OrtError::Missing(path.to_owned()));
    }
    let builder =
        ort::init_from(path).map_err(|error| OrtError::Load { path: path.to_owned(), what: error.to_string() })?;
    let pool = GlobalThreadPoolOptions::default().with_intra_threads(cores())?.with_spin_control(false)?;
    let environment = builder
        .with_name("whyglass")
        .with_telemetry(false)
        .with_global_thread_pool(pool)
        // With a logger of its own the crate does not look into the environment for a level. What matters comes back
        // as the status of the call that failed.
        .with_logger(Arc::new(|_: LogLevel, _: &str, _: &str, _: &str, _: &str| {}))
        .build()?;
    environment.set_log_level(LogLevel::Fatal);
    arena::register(&environment)?;
    operators::register(&environment)?;
    Ok(environment)
}

/// A graph as a session. Fields are dropped in this order: the session reads the weights. An output keeps the session, which is
/// never run again then, and reads no weights to be released.
pub struct Program {
    session: Arc<SharedSessionInner>,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
    weights: Vec<Arc<Weight>>,
}

impl Program {
    pub(crate) fn of(graph: &Graph, (session, weights): Reading) -> Result<Self, OrtError> {
        let (inputs, outputs) = (names(graph, &graph.inputs)?, names(graph, &graph.outputs)?);
        Ok(Self { session: session.inner(), inputs, outputs, weights })
    }

    /// Where the weights lie that it reads: the same in programs that share them.
    #[doc(hidden)]
    pub fn weight_addresses(&self) -> impl Iterator<Item = usize> + '_ {
        self.weights.iter().map(|weight| weight.address())
    }
}

impl Runtime for OrtRuntime {
    type Program = Program;
    type Error = OrtError;

    fn name(&self) -> String {
        format!("ONNX Runtime {}", library::VERSION)
    }

    fn threads(&self, budget: usize) -> usize {
        let most = self.cores.min(MOST_THREADS);
        if budget == 0 { most } else { budget.min(most) }
    }

    fn own_kernels(&self) -> OwnKernels {
        // Where graphs are not taken out of a session when they are optimised, a mask stands outside of the blocked layout,
        // and one made of ONNX's own operators is faster.
        #[cfg(target_arch = "x86_64")]
        let in_blocks = optimised::IS_TAKEN_OUT && crate::blocked::are_known();
        #[cfg(not(target_arch = "x86_64"))]
        let in_blocks = false;
        OwnKernels { mask: optimised::IS_TAKEN_OUT, max_pool_grad: in_blocks, interleave: in_blocks }
    }

    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Program, OrtError> {
        let reading = if options.optimise {
            let threads = self.threads(options.threads);
            optimised::session(&self.environment, &self.weights, || self.builder(threads), threads, graph)?
        } else {
            // Runs once: packed copies of the weights would only cost time and memory.
            let written = whyglass_graph::write(graph)?;
            let builder = passing(&self.environment, GraphOptimizationLevel::Disable)?;
            let builder = with_operators(builder)?;
            let weights = self.weights.share_all(&written.by_reference)?;
            let session = share(builder, &weights)?.commit_from_memory(&written.bytes)?;
            (session, weights.into_iter().map(|(_, weight)| weight).collect())
        };
        Program::of(graph, reading)
    }

    fn execute(&self, program: &Program, inputs: &[Tensor]) -> Result<Vec<Tensor>, OrtError> {
        if inputs.len() != program.inputs.len() {
            return Err(OrtError::Inputs { wanted: program.inputs.len(), given: inputs.len() });
        }
        let lent = inputs.iter().map(Lent::new).collect::<Result<Vec<_>, _>>()?;
        let values: Vec<*const sys::OrtValue> = lent.iter().map(|lent| lent.value().ptr()).collect();
        let input_names: Vec<*const c_char> = program.inputs.iter().map(|name| name.as_ptr()).collect();
        let output_names: Vec<*const c_char> = program.outputs.iter().map(|name| name.as_ptr()).collect();
        let mut outputs: Vec<*mut sys::OrtValue> = vec![std::ptr::null_mut(); program.outputs.len()];
        // SAFETY: names and values are alive and as many as is said. ONNX Runtime documents `Run` as safe to be called
        // from several threads for one session, which holds for its CPU execution provider, the only one used here, and for our
        // kernels, which have nothing that changes (the wrapper crate asks for `&mut` because of other providers).
        let status = unsafe {
            (ort::api().Run)(
                program.session.ptr().cast_mut(),
                std::ptr::null(),
                input_names.as_ptr(),
                values.as_ptr(),
                values.len(),
                output_names.as_ptr(),
                output_names.len(),
                outputs.as_mut_ptr(),
            )
        };
        // SAFETY: the status comes from the call above and is handed over.
        unsafe { ort::Error::result_from_status(status) }?;
        let mut tensors = Vec::with_capacity(outputs.len());
        for (pointer, name) in outputs.into_iter().zip(&program.outputs) {
            let pointer = NonNull::new(pointer).ok_or(OrtError::Null("output"))?;
            // SAFETY: an output of this session's run, owned by nobody else.
            tensors.push(unsafe { value::take(pointer, &program.session, &name.to_string_lossy()) }?);
        }
        Ok(tensors)
    }
}

/// For a session that is not kept. It packs no weights, and what it needs is not taken from the arena that all sessions
/// share, which gives nothing back.
pub(crate) fn passing(environment: &Environment, level: GraphOptimizationLevel) -> Result<SessionBuilder, OrtError> {
    let no_arena = ep::CPU::default().with_arena_allocator(false).build();
    let builder = Session::builder(environment)?.with_execution_providers([no_arena]).map_err(engine)?;
    let builder = builder.with_optimization_level(level).map_err(engine)?;
    builder.with_prepacking(false).map_err(engine)
}

/// Where the engine looks for the files of weights.
const FOLDER: &str = "session.model_external_initializers_file_folder_path";
/// Where Linux has one of the name that [`write`](whyglass_graph::write()) gives. It is not opened: the engine looks whether it is there
/// before it sees that it has been given the weight.
const DEVICES: &str = "/dev";

/// Hands `weights` to the session that is built, which reads them where they are. For sessions that do not optimise: an optimiser
/// would look for them in the file.
pub(crate) fn share(builder: SessionBuilder, weights: &[(String, Arc<Weight>)]) -> Result<SessionBuilder, OrtError> {
    if !cfg!(target_os = "linux") || !Path::new(DEVICES).join("null").exists() {
        return lend(builder, weights);
    }
    let mut builder = builder.with_config_entry(FOLDER, DEVICES).map_err(engine)?;
    for (name, weight) in weights {
        builder = builder.with_initializer(name, Arc::clone(weight.lent().value())).map_err(engine)?;
    }
    Ok(builder)
}

/// As [`share`], for a session that optimises. The engine copies them.
pub(crate) fn lend(mut builder: SessionBuilder, weights: &[(String, Arc<Weight>)]) -> Result<SessionBuilder, OrtError> {
    for (name, weight) in weights {
        builder = builder.with_external_initializer(name, Arc::clone(weight.lent().value())).map_err(engine)?;
    }
    Ok(builder)
}

/// The builder hands itself back with an error; only what went wrong is of interest.
pub(crate) fn engine<R>(error: ort::Error<R>) -> OrtError {
    OrtError::Engine(ort::Error::new_with_code(error.code(), error.message()))
}

fn names(graph: &Graph, values: &[whyglass_graph::ValueId]) -> Result<Vec<CString>, OrtError> {
    values
        .iter()
        .map(|id| {
            let name = graph.value(*id).name.as_str();
            CString::new(name).map_err(|_| OrtError::Name(name.to_owned()))
        })
        .collect()
}
