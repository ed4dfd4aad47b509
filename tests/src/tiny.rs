//! A model of a few weights as a model folder: 3×16×16 pixels, a convolution with ReLU, global average pooling and a
//! linear layer with three classes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use whyglass_graph::{Attribute, Graph, Node, Tensor, ValueId};
use whyglass_imaging::{Picture, encode_png};

/// Side of its input in pixels.
pub const SIDE: usize = 16;
/// Its name in the folder of models.
pub const NAME: &str = "tiny";

/// Writes the folder `tiny` into `models`.
///
/// # Panics
/// Where it cannot be written.
pub fn write(models: &Path) {
    let folder = models.join(NAME);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let bytes = whyglass_graph::write_whole(&graph()).expect("a sound graph");
    std::fs::write(folder.join("model.onnx"), bytes).expect("a file can be written");
    std::fs::write(folder.join("labels.txt"), "zero\none\ntwo\n").expect("a file can be written");
    let toml = "title = \"Tiny\"\nfile = \"model.onnx\"\nlabels = \"labels.txt\"\n\
                input = { width = 16, height = 16, resize = \"stretch\", filter = \"bilinear\" }\n\
                normalize = { mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25] }\n";
    std::fs::write(folder.join("model.toml"), toml).expect("a file can be written");
}

/// The folder of the same network as TorchScript, and of files that are none (`tools/torchscript/tiny.py`).
#[must_use]
pub fn torchscript() -> std::path::PathBuf {
    crate::build::root().join("tests/models/tiny-torch")
}

/// Writes the same network, as TorchScript, as the folder `name` of `models`.
///
/// # Panics
/// Where it cannot be written.
pub fn write_torchscript(models: &Path, name: &str) {
    let folder = models.join(name);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::copy(torchscript().join("model.pt"), folder.join("model.pt")).expect("the file is in the repository");
    std::fs::write(folder.join("labels.txt"), "zero\none\ntwo\n").expect("a file can be written");
    let toml = "title = \"Tiny\"\nfile = \"model.pt\"\nlabels = \"labels.txt\"\n\
                input = { width = 16, height = 16, resize = \"stretch\", filter = \"bilinear\" }\n\
                normalize = { mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25] }\n";
    std::fs::write(folder.join("model.toml"), toml).expect("a file can be written");
}

/// Name of its dataset.
pub const DATASET: &str = "tiny-set";

/// Writes the dataset `tiny-set` into `folder/datasets`: twelve pictures in three classes, each of one colour.
///
/// # Panics
/// Where it cannot be written.
pub fn write_dataset(folder: &Path) {
    let side = SIDE as u32;
    for index in 0..12_u8 {
        let class = folder.join("datasets").join(DATASET).join(["zero", "one", "two"][usize::from(index) % 3]);
        std::fs::create_dir_all(&class).expect("a folder can be made");
        let colour = [20 * index, 255 - 15 * index, 90 + 7 * index];
        let picture = Picture::new(side, side, colour.repeat(SIDE * SIDE)).expect("a picture of its size");
        let bytes = encode_png(&picture).expect("writing to memory works");
        std::fs::write(class.join(format!("{index}.png")), bytes).expect("a file can be written");
    }
}

/// The graph of it.
#[must_use]
pub fn graph() -> Graph {
    let mut graph = Graph { opset: 17, ..Graph::default() };
    let side = SIDE as i64;
    let image = graph.add_value("image", Some(vec![1, 3, side, side]));
    graph.inputs.push(image);
    let kernel = constant(&mut graph, "conv.weight", &[4, 3, 3, 3]);
    let bias = constant(&mut graph, "conv.bias", &[4]);
    let pads = [("pads", Attribute::Ints(vec![1, 1, 1, 1]))];
    let convolved = node(&mut graph, "Conv", "conv", &[image, kernel, bias], &pads);
    let active = node(&mut graph, "Relu", "relu", &[convolved], &[]);
    let pooled = node(&mut graph, "GlobalAveragePool", "pool", &[active], &[]);
    let flat = node(&mut graph, "Flatten", "flat", &[pooled], &[]);
    let weight = constant(&mut graph, "linear.weight", &[4, 3]);
    let bias = constant(&mut graph, "linear.bias", &[3]);
    let scores = node(&mut graph, "Gemm", "scores", &[flat, weight, bias], &[]);
    graph.outputs.push(scores);
    graph
}

/// Weights that are neither all alike nor random: sines of the index.
fn constant(graph: &mut Graph, name: &str, shape: &[i64]) -> ValueId {
    let count: i64 = shape.iter().product();
    let phase = name.len() as f32;
    let data: Vec<f32> = (0..count).map(|index| (phase + index as f32 * 1.7).sin() * 0.5).collect();
    let id = graph.add_value(name, Some(shape.to_vec()));
    graph.constants.insert(id, Arc::new(Tensor::f32(shape, &data)));
    id
}

fn node(graph: &mut Graph, op: &str, name: &str, inputs: &[ValueId], attributes: &[(&str, Attribute)]) -> ValueId {
    let output = graph.add_value(name, None);
    graph.nodes.push(Node {
        name: name.to_owned(),
        domain: String::new(),
        op: op.to_owned(),
        inputs: inputs.iter().copied().map(Some).collect(),
        outputs: vec![Some(output)],
        attributes: attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
    });
    output
}

/// A transformer of the same size of picture: 4×4 patches of four pixels and a class token, one block, three classes.
#[must_use]
pub fn transformer() -> Graph {
    let mut graph = Graph { opset: 17, ..Graph::default() };
    let side = SIDE as i64;
    let image = graph.add_value("image", Some(vec![1, 3, side, side]));
    graph.inputs.push(image);
    let g = &mut graph;
    let integers = |g: &mut Graph, name: &str, values: &[i64]| {
        let id = g.add_value(name, Some(vec![values.len() as i64]));
        g.constants.insert(id, Arc::new(Tensor::i64(&[values.len() as i64], values)));
        id
    };
    let last = [("axis", Attribute::Int(-1))];
    let patches = constant(g, "patches.weight", &[8, 3, 4, 4]);
    let patches = node(g, "Conv", "patches", &[image, patches], &[("strides", Attribute::Ints(vec![4, 4]))]);
    let rows = integers(g, "rows", &[1, 8, 16]);
    let flat = node(g, "Reshape", "flat", &[patches, rows], &[]);
    let tokens = node(g, "Transpose", "tokens", &[flat], &[("perm", Attribute::Ints(vec![0, 2, 1]))]);
    let class = constant(g, "class", &[1, 1, 8]);
    let sequence = node(g, "Concat", "sequence", &[class, tokens], &[("axis", Attribute::Int(1))]);
    let (scale, shift) = (constant(g, "norm.scale", &[8]), constant(g, "norm.shift", &[8]));
    let normed = node(g, "LayerNormalization", "norm", &[sequence, scale, shift], &last);
    let project = |g: &mut Graph, what: &str| {
        let weight = constant(g, &format!("{what}.weight"), &[8, 8]);
        node(g, "MatMul", what, &[normed, weight], &[])
    };
    let (query, key, value) = (project(g, "query"), project(g, "key"), project(g, "value"));
    let key = node(g, "Transpose", "key.T", &[key], &[("perm", Attribute::Ints(vec![0, 2, 1]))]);
    let scores = node(g, "MatMul", "attention.scores", &[query, key], &[]);
    let attention = node(g, "Softmax", "attention", &[scores], &last);
    let mixed = node(g, "MatMul", "mixed", &[attention, value], &[]);
    let output = constant(g, "output.weight", &[8, 8]);
    let mixed = node(g, "MatMul", "output", &[mixed, output], &[]);
    let sum = node(g, "Add", "residual", &[sequence, mixed], &[]);
    let first = integers(g, "first", &[0]);
    let token = node(g, "Gather", "token", &[sum, first], &[("axis", Attribute::Int(1))]);
    let token = node(g, "Flatten", "token.flat", &[token], &[]);
    let weight = constant(g, "head.weight", &[8, 3]);
    let bias = constant(g, "head.bias", &[3]);
    let scores = node(g, "Gemm", "scores", &[token, weight, bias], &[]);
    graph.outputs.push(scores);
    graph
}
