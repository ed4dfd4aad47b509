//! Model files that lie: 5,000 ways and more to be wrong, each made from a small sound model and a number.
//!
//! Responsible for making them and for trying one; whoever tries many does it in a process of their own, since the engine
//! underneath is part of what is tried.

use crate::weights::Draw;
use prost::Message as _;
use std::path::Path;
use std::sync::Arc;
use whyglass_graph::proto::{
    AttributeProto, AttributeType, DimensionProto, EXTERNAL, GraphProto, ModelProto, NodeProto, StringStringEntryProto,
    TensorProto,
};
use whyglass_graph::{Cotangent, GraphModel, Options, Rule, Tensor, Vjp};
use whyglass_onnxruntime::OrtRuntime;

/// Numbers that no file has a reason for.
const ODD: [i64; 16] = [
    0,
    -1,
    -2,
    1,
    2,
    3,
    7,
    1 << 16,
    i32::MAX as i64,
    1 << 31,
    1 << 32,
    1 << 40,
    1 << 62,
    i64::MAX,
    i64::MIN,
    -(1 << 31),
];

/// What a node may be turned into.
const OPERATORS: [&str; 24] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "LayerNormalization",
    "LSTM",
    "MatMul",
    "MaxPool",
    "Pad",
    "ReduceMean",
    "Reshape",
    "Resize",
    "Slice",
    "Softmax",
    "Tile",
    "Transpose",
    "Nonsense",
];

/// Where tensors claim to be; `link`, `pipe` and `device` lie beside the model, `secret` above it.
const PLACES: [&str; 12] = [
    "../secret",
    "link",
    "pipe",
    "device",
    "missing",
    "/etc/hostname",
    "",
    ".",
    "inner/../../secret",
    "model.onnx",
    "/dev/zero",
    "weights\0",
];

/// What lies beside a model in `folder` (which is an inner folder of one of its own), for [`PLACES`].
///
/// # Panics
/// If the folder cannot be written to.
#[cfg(unix)]
pub fn set_traps(folder: &Path) {
    use std::os::unix::fs::symlink;
    let outer = folder.parent().expect("an inner folder");
    std::fs::write(outer.join("secret"), [0_u8; 4096]).expect("the folder can be written to");
    symlink("../secret", folder.join("link")).expect("links can be made");
    symlink("/dev/zero", folder.join("device")).expect("links can be made");
    let pipe = std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().expect("mkfifo is there");
    assert!(pipe.success());
}

/// The mutation of `base` with this number: what it is, and the file.
#[must_use]
pub fn mutate(base: &[u8], number: u64) -> (String, Vec<u8>) {
    let mut draw = Draw::new(number);
    match number % 4 {
        0 => bytes(base, &mut draw),
        _ => {
            let mut model = ModelProto::decode(base).expect("the base is sound");
            let what = fields(&mut model, &mut draw);
            (what, model.encode_to_vec())
        }
    }
}

/// Changes that know nothing of the format.
fn bytes(base: &[u8], draw: &mut Draw) -> (String, Vec<u8>) {
    let mut file = base.to_vec();
    let at = draw.below(file.len());
    let what = match draw.below(6) {
        0 => {
            file.truncate(at);
            format!("cut after {at} bytes")
        }
        1 => {
            let end = (at + 1 + draw.below(64)).min(file.len());
            file.drain(at..end);
            format!("bytes {at} to {end} taken out")
        }
        2 => {
            let end = (at + 1 + draw.below(256)).min(file.len());
            let part = file[at..end].to_vec();
            file.splice(at..at, part);
            format!("bytes {at} to {end} twice")
        }
        _ => {
            let flips = 1 + draw.below(4);
            for _ in 0..flips {
                let at = draw.below(file.len());
                file[at] ^= 1 << draw.below(8);
            }
            format!("{flips} bits flipped")
        }
    };
    (what, file)
}

/// Changes of one field of a file that stays well-formed.
fn fields(model: &mut ModelProto, draw: &mut Draw) -> String {
    let kind = draw.below(20);
    if kind == 0 {
        let version = [0, 1, 6, 24, i64::MAX, i64::MIN, -1, 7, 11, 23][draw.below(10)];
        model.opset_import.iter_mut().for_each(|import| import.version = version);
        return format!("operator set {version}");
    }
    let graph = model.graph.as_mut().expect("the base has a graph");
    match kind {
        1 => cycle(graph, draw),
        2 | 3 => input_dimension(graph, draw),
        4..=6 => tensor(graph, draw),
        7 | 8 => external(graph, draw),
        9..=12 => attribute(graph, draw),
        13 | 14 => {
            let node = draw.below(graph.node.len());
            let op = OPERATORS[draw.below(OPERATORS.len())];
            let node = &mut graph.node[node];
            let was = std::mem::replace(&mut node.op_type, op.to_owned());
            format!("{was} {:?} becomes {op}", node.name)
        }
        15 => {
            let node = graph.node.remove(draw.below(graph.node.len()));
            format!("without {} {:?}", node.op_type, node.name)
        }
        16 => {
            let (from, to) = (draw.below(graph.node.len()), draw.below(graph.node.len()));
            let input = graph.node[from].input.first().cloned().unwrap_or_default();
            let node = &mut graph.node[to];
            let at = draw.below(node.input.len().max(1));
            if let Some(slot) = node.input.get_mut(at) {
                slot.clone_from(&input);
            }
            format!("input {at} of {:?} becomes {input:?}", node.name)
        }
        17 => {
            let at = draw.below(graph.node.len());
            let node = &mut graph.node[at];
            let count = [0, 1, 7, 100][draw.below(4)];
            let one = node.input.first().cloned().unwrap_or_default();
            node.input = vec![one; count];
            format!("{count} inputs for {:?}", node.name)
        }
        18 => {
            let node = draw.below(graph.node.len());
            let output = graph.node[node].output.first().cloned().unwrap_or_default();
            graph.output.iter_mut().for_each(|value| value.name.clone_from(&output));
            format!("the output becomes {output:?}")
        }
        _ => chain(graph, draw),
    }
}

fn cycle(graph: &mut GraphProto, draw: &mut Draw) -> String {
    let last = graph.node.len() - 1;
    let output = graph.node[last].output.first().cloned().unwrap_or_default();
    let node = &mut graph.node[draw.below(last + 1)];
    if let Some(input) = node.input.first_mut() {
        *input = output;
    }
    format!("{:?} reads the last output", node.name)
}

fn input_dimension(graph: &mut GraphProto, draw: &mut Draw) -> String {
    let shape =
        graph.input[0].r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()).and_then(|kind| kind.shape.as_mut());
    let dims = &mut shape.expect("the base declares its input").dim;
    let (at, value) = (draw.below(dims.len()), ODD[draw.below(ODD.len())]);
    if draw.below(8) == 0 {
        dims.extend(vec![DimensionProto { dim_value: Some(value), dim_param: None }; 5]);
        return "a picture of nine dimensions".to_owned();
    }
    dims[at] = DimensionProto { dim_value: Some(value), dim_param: None };
    format!("dimension {at} of the picture is {value}")
}

fn tensor(graph: &mut GraphProto, draw: &mut Draw) -> String {
    let index = draw.below(graph.initializer.len());
    let tensor = &mut graph.initializer[index];
    match draw.below(5) {
        0 => tensor.data_type = [0, 2, 6, 7, 8, 9, 10, 11, 14, 16, 20, -1, i32::MAX][draw.below(13)],
        1 => {
            // Two gigabytes, and nothing there.
            tensor.dims = vec![1 << 29];
        }
        2 => tensor.dims = vec![ODD[draw.below(ODD.len())]; 1 + draw.below(3)],
        3 => {
            if let Some(dim) = tensor.dims.first_mut() {
                *dim = ODD[draw.below(ODD.len())];
            }
        }
        _ => {
            // What the numbers say changes: shapes, indices and sizes are tensors too.
            let value = ODD[draw.below(ODD.len())];
            let single = [f32::NAN, f32::INFINITY, 1e38][draw.below(3)];
            if let Some(raw) = &mut tensor.raw_data {
                let one: &[u8] = if tensor.data_type == 7 { &value.to_le_bytes() } else { &single.to_le_bytes() };
                *raw = one.repeat(raw.len() / one.len()).into();
            }
        }
    }
    format!("tensor {:?} is {:?} of type {}", tensor.name, tensor.dims, tensor.data_type)
}

fn external(graph: &mut GraphProto, draw: &mut Draw) -> String {
    let index = draw.below(graph.initializer.len());
    let tensor = &mut graph.initializer[index];
    let place = PLACES[draw.below(PLACES.len())];
    *tensor = TensorProto {
        dims: tensor.dims.clone(),
        name: tensor.name.clone(),
        data_type: 1,
        data_location: EXTERNAL,
        ..Default::default()
    };
    let mut entry = |key: &str, value: &str| {
        tensor.external_data.push(StringStringEntryProto { key: key.into(), value: value.into() });
    };
    entry("location", place);
    match draw.below(4) {
        0 => entry("offset", &ODD[draw.below(ODD.len())].to_string()),
        1 => entry("length", &ODD[draw.below(ODD.len())].to_string()),
        _ => {}
    }
    format!("tensor {:?} in {place:?}", tensor.name)
}

fn attribute(graph: &mut GraphProto, draw: &mut Draw) -> String {
    let with: Vec<usize> = (0..graph.node.len()).filter(|&index| !graph.node[index].attribute.is_empty()).collect();
    let node: &mut NodeProto = &mut graph.node[with[draw.below(with.len())]];
    let at = draw.below(node.attribute.len());
    let value = ODD[draw.below(ODD.len())];
    let attribute: &mut AttributeProto = &mut node.attribute[at];
    match draw.below(6) {
        0 => attribute.r#type = draw.below(16) as i32,
        1 => attribute.ints.clear(),
        2 => attribute.ints.extend([value; 9]),
        3 => attribute.r#type = AttributeType::Graph as i32,
        _ => {
            attribute.i = value;
            attribute.f = f32::NAN;
            let at = draw.below(attribute.ints.len().max(1));
            if let Some(slot) = attribute.ints.get_mut(at) {
                *slot = value;
            }
        }
    }
    format!("attribute {:?} of {} {:?}, {value}", attribute.name, node.op_type, node.name)
}

/// Very many nodes, one after the other or all reading the same.
fn chain(graph: &mut GraphProto, draw: &mut Draw) -> String {
    let count = [1_000, 10_000, 100_000, 1_000_000][draw.below(4)];
    let wide = draw.below(2) == 0;
    let first = graph.node[0].output.first().cloned().unwrap_or_default();
    let name = |index: usize| if index == 0 { first.clone() } else { format!("link {index}") };
    for index in 1..=count {
        let input = if wide { first.clone() } else { name(index - 1) };
        graph.node.push(NodeProto {
            input: vec![input],
            output: vec![name(index)],
            op_type: "Relu".into(),
            ..Default::default()
        });
    }
    // So that they are needed; a file's unneeded nodes are never looked at.
    if draw.below(4) > 0 {
        graph.output[0].name = name(count);
    }
    format!("{count} nodes more, {}", if wide { "side by side" } else { "one after the other" })
}

/// Reads, runs and differentiates the model at `path`: what came of it, in a word, or the error.
///
/// # Errors
/// What is wrong with the model.
pub fn try_model(path: &Path, runtime: &Arc<OrtRuntime>) -> Result<&'static str, String> {
    let options = Options::default();
    let model = GraphModel::load(path, &options, Arc::clone(runtime)).map_err(|error| error.to_string())?;
    let (height, width) = model.input_size();
    let picture = Tensor::filled(&[1, 3, height as i64, width as i64], 0.5);
    let feeds = [("input", picture)];
    model.run(&feeds, &["logits"], 1).map_err(|error| error.to_string())?;
    let mut one_hot = vec![0.0; model.classes()];
    one_hot[0] = 1.0;
    let cotangent = Cotangent::Tensor(Tensor::f32(&[1, one_hot.len() as i64], &one_hot));
    let vjp = Vjp {
        feeds: &feeds,
        cotangents: &[("logits", cotangent)],
        wrt: &["input"],
        fetches: &[],
        rule: Rule::Standard,
    };
    match model.vjp(&vjp, 1) {
        Ok(_) => Ok("ran"),
        Err(error) => Err(error.to_string()),
    }
}

/// What came of one mutation.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: u64,
    pub what: String,
    /// A word or a message of error; `None`: the process died or hung.
    pub outcome: Option<String>,
    pub milliseconds: u64,
}

/// Tries mutations `numbers` of `bases` in this process, in a folder of its own, and says so line by line on standard output for
/// [`supervise`].
///
/// # Panics
/// If a file cannot be written.
pub fn try_all(bases: &[Vec<u8>], numbers: std::ops::Range<u64>, folder: &Path, runtime: &Arc<OrtRuntime>) {
    let path = folder.join("model.onnx");
    for number in numbers {
        let base = &bases[(number / 4) as usize % bases.len()];
        let (what, file) = mutate(base, number);
        std::fs::write(&path, file).expect("the folder can be written to");
        println!("{BEGIN}{}", serde_json::json!([number, what]));
        let start = std::time::Instant::now();
        let outcome = try_model(&path, runtime).map_or_else(|error| error, str::to_owned);
        println!("{END}{}", serde_json::json!([outcome, start.elapsed().as_millis() as u64]));
    }
}

const BEGIN: &str = "mutation begins: ";
const END: &str = "mutation ends: ";
/// A mutation that takes longer hangs.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs processes that [`try_all`] the rest of `numbers` each, until all have been tried; one that dies or hangs costs one
/// mutation. `command` makes a process for numbers.
///
/// # Panics
/// If a process cannot be started, or dies before it has tried anything.
pub fn supervise(
    numbers: std::ops::Range<u64>,
    command: impl Fn(std::ops::Range<u64>) -> std::process::Command,
    mut seen: impl FnMut(&Attempt),
) {
    use std::io::{BufRead as _, BufReader};
    let mut next = numbers.start;
    while next < numbers.end {
        let mut child = command(next..numbers.end).stdout(std::process::Stdio::piped()).spawn().expect("it starts");
        let output = child.stdout.take().expect("it is piped");
        let (lines, received) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let mut pending: Option<(u64, String)> = None;
        let first = next;
        while let Ok(line) = received.recv_timeout(PATIENCE) {
            // Behind what a test harness writes on the same line.
            if let Some((_, json)) = line.split_once(BEGIN) {
                pending = serde_json::from_str(json).ok();
            } else if let Some((_, json)) = line.split_once(END)
                && let Some((number, what)) = pending.take()
            {
                let (outcome, milliseconds) = serde_json::from_str(json).expect("as it was written");
                seen(&Attempt { number, what, outcome: Some(outcome), milliseconds });
                next = number + 1;
            }
        }
        // It has hung, if it has not ended.
        let _ = child.kill();
        let status = child.wait().expect("it was started");
        let _ = reader.join();
        if let Some((number, what)) = pending {
            seen(&Attempt { number, what, outcome: None, milliseconds: PATIENCE.as_millis() as u64 });
            next = number + 1;
        }
        assert!(next > first, "the process ends before it tries anything: {status}");
    }
}

/// Small sound models to begin from.
///
/// # Panics
/// If one cannot be written.
#[must_use]
pub fn bases() -> Vec<Vec<u8>> {
    [crate::tiny::graph(), crate::tiny::transformer()]
        .iter()
        .map(|graph| whyglass_graph::write_whole(graph).expect("a sound graph"))
        .collect()
}
