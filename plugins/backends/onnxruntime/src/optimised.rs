//! What the engine makes of a graph, taken out of it: operators fused and in its blocked layout, and weights packed for
//! that.
//!
//! Every session packs weights anew, for itself. A network whose picture is swept by two hundred kinds of windows has two
//! hundred sessions, and a VGG-16 took six gigabytes. So a first session only optimises; what it has made goes, with equal
//! weights lent from one place, into the session that runs. Decided in ADR 10. On the way kernels of our own are put in: masks, where
//! the first was shown products in their place (ADR 11), and convolutions by small filters (ADR 12).

use crate::operators::with_operators;
use crate::runtime::{OrtError, engine, lend, passing, share};
use crate::weights::{Weight, Weights};
use bytes::Bytes;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use prost::Message as _;
use std::collections::HashSet;
use std::sync::Arc;
use whyglass_graph::own::stand_in;
use whyglass_graph::proto::{GraphProto, ModelProto};
use whyglass_graph::{Graph, Written, take_weights, write};

/// A file of ONNX may not be larger.
const LARGEST: usize = i32::MAX as usize;

/// Whether this system has files in memory.
pub(crate) const IS_TAKEN_OUT: bool = cfg!(target_os = "linux");

/// A session, with the weights that it reads.
pub(crate) type Reading = (Session, Vec<Arc<Weight>>);

/// A session over `graph`, made fast. `builder` begins one.
///
/// # Errors
/// If the engine cannot run the graph.
pub(crate) fn session(
    environment: &Environment,
    shared: &Weights,
    builder: impl Fn() -> Result<SessionBuilder, OrtError>,
    threads: usize,
    graph: &Graph,
) -> Result<Reading, OrtError> {
    let written = write(graph)?;
    let given = shared.share_all(&written.by_reference)?;
    let size = written.bytes.len() + given.iter().map(|(_, weight)| weight.len()).sum::<usize>();
    // What cannot be written out and read again is optimised where it runs. So is what the engine refuses: then it says why.
    if size <= LARGEST
        && let Ok(Some(model)) = optimise(environment, &given, graph, &written)
        && let Ok(reading) = packed_once(shared, builder()?, graph, &given, model, threads)
    {
        return Ok(reading);
    }
    where_it_runs(builder()?, given, &written.bytes)
}

/// A session over an ONNX `file`, with the weights that are `given`, of which the engine makes its own.
fn where_it_runs(builder: SessionBuilder, given: Vec<(String, Arc<Weight>)>, file: &[u8]) -> Result<Reading, OrtError> {
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(engine)?;
    let session = lend(builder, &given)?.commit_from_memory(file)?;
    Ok((session, given.into_iter().map(|(_, weight)| weight).collect()))
}

/// A session of so many `threads` over `model`, which the engine has made of `graph`, with weights that are shared.
pub(crate) fn packed_once(
    shared: &Weights,
    builder: SessionBuilder,
    graph: &Graph,
    given: &[(String, Arc<Weight>)],
    mut model: ModelProto,
    threads: usize,
) -> Result<Reading, OrtError> {
    let mut builder = builder.with_optimization_level(GraphOptimizationLevel::Disable).map_err(engine)?;
    builder = builder.with_prepacked_weights(&shared.packed()).map_err(engine)?;
    let mut weights = with_own_kernels(shared, &mut model, graph, threads)?;
    let file = model.graph.get_or_insert_default();
    drop_unread(file);
    for (name, tensor) in take_weights(file)? {
        // The engine may have left it as it was, or made another of it under the same name.
        let weight = match given.iter().find(|(given, weight)| *given == name && weight.is(&tensor)) {
            Some((_, weight)) => Arc::clone(weight),
            None => shared.intern(&tensor)?,
        };
        weights.push((name, weight));
    }
    let file = model.encode_to_vec();
    // Small constants that are still in it keep all bytes that it was decoded from.
    drop(model);
    let session = share(builder, &weights)?.commit_from_memory(&file)?;
    Ok((session, weights.into_iter().map(|(_, weight)| weight).collect()))
}

/// Puts kernels of our own into `model`, if there are any for this kind of processor. The weights that they read, by their names.
#[cfg(target_arch = "x86_64")]
fn with_own_kernels(
    shared: &Weights,
    model: &mut ModelProto,
    graph: &Graph,
    threads: usize,
) -> Result<Vec<(String, Arc<Weight>)>, OrtError> {
    crate::blocked::put_in(shared, model, graph, threads)
}

/// There are none for this kind of processor.
#[cfg(not(target_arch = "x86_64"))]
fn with_own_kernels(
    _: &Weights,
    _: &mut ModelProto,
    _: &Graph,
    _: usize,
) -> Result<Vec<(String, Arc<Weight>)>, OrtError> {
    Ok(Vec::new())
}

/// Drops nodes and constants of which nobody needs anything.
pub(crate) fn drop_unread(graph: &mut GraphProto) {
    let mut read: HashSet<_> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| read.contains(output)) {
            read.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|weight| read.contains(&weight.name));
}

/// What the engine makes of `graph`, which is `written`. `None` where the system has no files in memory, and if a mask got lost.
pub(crate) fn optimise(
    environment: &Environment,
    weights: &[(String, Arc<Weight>)],
    graph: &Graph,
    written: &Written,
) -> Result<Option<ModelProto>, OrtError> {
    let Some(scratch) = Scratch::new() else { return Ok(None) };
    let stand_in = stand_in(graph);
    let shown = stand_in.as_ref().map(|(shown, _)| write(shown)).transpose()?;
    let file = &shown.as_ref().unwrap_or(written).bytes;
    let builder = with_operators(passing(environment, GraphOptimizationLevel::All)?)?;
    let builder = builder.with_optimized_model_path(scratch.path()).map_err(engine)?;
    drop(lend(builder, weights)?.commit_from_memory(file)?);
    let Some(Ok(mut optimised)) = scratch.read().map(|file| ModelProto::decode(Bytes::from(file))) else {
        return Ok(None);
    };
    let is_whole = stand_in.is_none_or(|(_, stand_ins)| stand_ins.restore(&mut optimised));
    Ok(is_whole.then_some(optimised))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OrtRuntime, Program};
    use std::path::Path;
    use whyglass_graph::own::Mask;
    use whyglass_graph::{Builder, CompileOptions, DerivedConstants, Runtime, Tensor};

    fn runtime() -> OrtRuntime {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/onnxruntime/libonnxruntime.so.1.32.0");
        OrtRuntime::from_library(Path::new(path)).expect("ONNX Runtime is there: run `cargo xtask setup`")
    }

    /// `x` halved by a convolution, whose weight the engine packs, and masked.
    fn graph() -> Graph {
        let mut graph = Graph { opset: 17, ..Default::default() };
        let shape = vec![1, 16, 4, 4];
        graph.inputs = vec![graph.add_value("x", Some(shape))];
        let (x, derived) = (graph.inputs[0], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let halves: Vec<f32> = (0..256).map(|index| if index % 17 == 0 { 0.5 } else { 0.0 }).collect();
        let weight = b.floats(&[16, 16, 1, 1], &halves);
        let halved = b.conv(x, weight, &whyglass_graph::builder::Window::dense(&[1, 1]), 1).unwrap();
        let masked = b.mask(halved, x, Mask { lower: 2.0, upper: f32::INFINITY }).unwrap();
        let mut graph = b.finish();
        graph.outputs = vec![masked];
        graph
    }

    #[test]
    fn what_cannot_be_taken_out_of_a_session_is_made_fast_where_it_runs() {
        let (runtime, weights) = (runtime(), Weights::new());
        let graph = graph();
        let holders = || graph.constants.values().map(Arc::strong_count).max();
        let apart = runtime.compile(&graph, CompileOptions { optimise: true, threads: 1 }).unwrap();
        assert_eq!(holders(), Some(1), "what was taken out, mask and all, reads the packed weight instead");
        let Written { bytes, by_reference } = write(&graph).unwrap();
        let given = weights.share_all(&by_reference).unwrap();
        drop(by_reference);
        let here = Program::of(&graph, where_it_runs(runtime.builder(1).unwrap(), given, &bytes).unwrap()).unwrap();
        assert_eq!(holders(), Some(2), "this one reads what it was given");
        let input = [Tensor::f32(&[1, 16, 4, 4], &(0..256).map(|index| (index % 5) as f32).collect::<Vec<_>>())];
        let wanted: Vec<f32> = (0..256).map(|index| [0.0, 0.0, 0.0, 1.5, 2.0][index % 5]).collect();
        for program in [&here, &apart] {
            assert_eq!(runtime.execute(program, &input).unwrap()[0].to_f32().unwrap()[..], wanted);
        }
    }

    #[test]
    fn nodes_and_constants_of_which_nobody_needs_anything_are_dropped() {
        use whyglass_graph::proto::{NodeProto, TensorProto, ValueInfoProto};
        let node = |input: &str, outputs: &[&str]| NodeProto {
            input: vec![input.into()],
            output: outputs.iter().map(|output| (*output).into()).collect(),
            ..Default::default()
        };
        let kept = [node("weight", &["a", "unread"]), node("a", &["b"])];
        let unread = [node("other", &["c"]), node("c", &["d"])];
        let weights = ["weight", "other"].map(|name| TensorProto { name: name.into(), ..Default::default() });
        let mut graph = GraphProto {
            node: [&kept[..1], &unread, &kept[1..]].concat(),
            output: vec![ValueInfoProto { name: "b".into(), ..Default::default() }],
            initializer: weights.to_vec(),
            ..Default::default()
        };
        drop_unread(&mut graph);
        assert_eq!((&graph.node[..], &graph.initializer[..]), (&kept[..], &weights[..1]));
    }

    /// Equal nodes are computed once by the engine. A mask that is shown to it as a product is equal neither to that product nor
    /// to another mask: each is found again.
    #[test]
    fn a_mask_beside_a_product_of_the_same_is_taken_out_as_a_mask() {
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = ["g", "x"].map(|name| graph.add_value(name, Some(vec![1, 16, 4, 4]))).to_vec();
        let (g, x, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let mut made = vec![b.mul(g, x).unwrap()];
        made.extend([0.0, 0.5].map(|lower| b.mask(g, x, Mask { lower, upper: 6.0 }).unwrap()));
        let outputs = made.into_iter().map(|value| b.unary("Neg", value).unwrap()).collect();
        let graph = Graph { outputs, ..b.finish() };
        let written = write(&graph).unwrap();
        assert!(optimise(&runtime().environment, &[], &graph, &written).unwrap().is_some());
    }
}
