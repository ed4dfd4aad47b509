//! What the engine makes of a graph, taken out of it: operators fused and in its blocked layout, and weights packed for
//! that.
//!
//! Every session packs weights anew, for itself. A network whose picture is swept by two hundred kinds of windows has two
//! hundred sessions, and a VGG-16 took six gigabytes. So a first session only optimises; what it has made goes, with equal
//! weights lent from one place, into the session that runs. Bit for bit the answers are the same. Decided in ADR 10.

use crate::runtime::{OrtError, engine, lend, passing};
use crate::weights::{Weight, Weights};
use bytes::Bytes;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use std::sync::Arc;
use whyglass_graph::Written;

/// A file of ONNX may not be larger.
const LARGEST: usize = i32::MAX as usize;

/// A session, with the weights that it reads.
pub(crate) type Reading = (Session, Vec<Arc<Weight>>);

/// A session over what is `written`, made fast. `builder` begins one.
///
/// # Errors
/// If the engine cannot run the graph.
pub(crate) fn session(
    environment: &Environment,
    shared: &Weights,
    builder: impl Fn() -> Result<SessionBuilder, OrtError>,
    written: &Written,
) -> Result<Reading, OrtError> {
    let given = shared.share_all(&written.by_reference)?;
    let size = written.bytes.len() + given.iter().map(|(_, weight)| weight.len()).sum::<usize>();
    // What cannot be written out and read again is optimised where it runs. So is what the engine refuses: then it says why.
    if size <= LARGEST
        && let Ok(Some(model)) = optimise(environment, &given, written)
        && let Ok(reading) = packed_once(shared, builder()?, &given, &model)
    {
        return Ok(reading);
    }
    let builder = builder()?.with_optimization_level(GraphOptimizationLevel::All).map_err(engine)?;
    let session = lend(builder, &given)?.commit_from_memory(&written.bytes)?;
    Ok((session, given.into_iter().map(|(_, weight)| weight).collect()))
}

/// A session over `model`, which has been optimised, with weights that are shared.
fn packed_once(
    shared: &Weights,
    builder: SessionBuilder,
    given: &[(String, Arc<Weight>)],
    model: &Bytes,
) -> Result<Reading, OrtError> {
    let mut builder = builder.with_optimization_level(GraphOptimizationLevel::Disable).map_err(engine)?;
    builder = builder.with_prepacked_weights(&shared.packed()).map_err(engine)?;
    let mut weights = Vec::new();
    for (name, tensor) in whyglass_graph::weights_in(model.clone())? {
        // The engine may have left it as it was, or made another of it under the same name.
        let weight = match given.iter().find(|(given, weight)| *given == name && weight.is(&tensor)) {
            Some((_, weight)) => Arc::clone(weight),
            None => shared.intern(&tensor)?,
        };
        // In place of the one in the file: this way of handing it over is the one that does not copy.
        builder = builder.with_initializer(&name, Arc::clone(weight.lent().value())).map_err(engine)?;
        weights.push(weight);
    }
    Ok((builder.commit_from_memory(model)?, weights))
}

/// What the engine makes of what is `written`, as an ONNX file. `None` where the system has no files in memory.
fn optimise(
    environment: &Environment,
    weights: &[(String, Arc<Weight>)],
    written: &Written,
) -> Result<Option<Bytes>, OrtError> {
    let Some(scratch) = Scratch::new() else { return Ok(None) };
    let builder = passing(environment, GraphOptimizationLevel::All)?;
    let builder = builder.with_optimized_model_path(scratch.path()).map_err(engine)?;
    drop(lend(builder, weights)?.commit_from_memory(&written.bytes)?);
    Ok(scratch.read().map(Bytes::from))
}

/// A file in memory that has a path while it is open.
#[cfg(target_os = "linux")]
struct Scratch(std::fs::File);

#[cfg(target_os = "linux")]
impl Scratch {
    fn new() -> Option<Self> {
        let file = rustix::fs::memfd_create("optimised", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
        Some(Self(file.into()))
    }

    fn path(&self) -> String {
        use std::os::fd::AsRawFd as _;
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }

    /// What has been written through the path.
    fn read(mut self) -> Option<Vec<u8>> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).ok()?;
        (!bytes.is_empty()).then_some(bytes)
    }
}

#[cfg(not(target_os = "linux"))]
enum Scratch {}

#[cfg(not(target_os = "linux"))]
impl Scratch {
    fn new() -> Option<Self> {
        None
    }

    fn path(&self) -> String {
        match *self {}
    }

    fn read(self) -> Option<Vec<u8>> {
        match self {}
    }
}
