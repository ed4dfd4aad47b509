//! One network's answers for `tests/networks/check.py`: logits, gradients and Grad-CAM of one class on one picture.
//!
//! `network FOLDER MODEL PIXELS TARGET OUT [--sides] [--plain]`: a folder of models and one of them (`MODEL/model.onnx`,
//! `MODEL/model.toml`), a `.npy` of 3×H×W pixels in 0…1, the class, and a folder for the answers, one `.npy` each. Prints
//! what is known of the model as JSON; what could not be answered is in `errors`. With `--sides` the answer is the input
//! gradient alone, with what rectifiers gave and poolings got on its way: `relu-0.npy`, …, `pool-0.npy`, …. With `--plain` the
//! network takes the pixels as they are; else they are given ImageNet's mean and deviation.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use whyglass_engine::{ImageSource, RunSpec, RunState, Target};
use whyglass_graph::{Cotangent, GraphModel, Normalization, Options, Rule, Tensor, Vjp, ops};
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::root;
use whyglass_tests::staged::{engine, follow, plugins};

const IMAGENET: Normalization =
    Normalization { scale: 1.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], bgr: false };

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), String> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| arguments.iter().position(|each| each == name).map(|at| arguments.remove(at)).is_some();
    let (sides, normalization) = (flag("--sides"), (!flag("--plain")).then_some(IMAGENET));
    let [folder, model, pixels, target, out] = &arguments[..] else {
        return Err("usage: network FOLDER MODEL PIXELS.npy TARGET OUT [--sides] [--plain]".to_owned());
    };
    let target = target.parse().map_err(|_| format!("{target} is no class"))?;
    let report = answer(Path::new(folder), model, Path::new(pixels), target, Path::new(out), sides, normalization);
    println!("{}", report.map_err(|error| error.to_string())?);
    Ok(())
}

fn answer(
    folder: &Path,
    name: &str,
    pixels: &Path,
    target: u32,
    out: &Path,
    sides: bool,
    normalization: Option<Normalization>,
) -> Result<Value, Failure> {
    let (shape, pixels) = whyglass_imaging::read_npy(&std::fs::read(pixels)?)?;
    let &[3, height, width] = &shape[..] else { return Err(format!("pixels of shape {shape:?}").into()) };
    let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = Arc::new(OrtRuntime::from_library(&library)?);
    // The size is the file's own where it says one.
    let with = |input_size| Options { normalization, input_size, ..Options::default() };
    let path = folder.join(name).join("model.onnx");
    let model = GraphModel::load(&path, &with(None), Arc::clone(&runtime))
        .or_else(|_| GraphModel::load(&path, &with(Some((height, width))), runtime))?;
    let image = Tensor::f32(&[1, 3, height as i64, width as i64], &pixels);
    let write = |what: &str, tensor: &Tensor| -> Result<(), Failure> {
        let shape: Vec<usize> = tensor.shape()[1..].iter().map(|&length| length as usize).collect();
        let data = tensor.to_f32().ok_or("an answer that is not float32")?;
        Ok(std::fs::write(out.join(format!("{what}.npy")), whyglass_imaging::write_npy(&shape, &data))?)
    };
    let mut errors = Map::new();
    let mut note = |what: &str, result: Result<(), Failure>| {
        if let Err(error) = result {
            errors.insert(what.to_owned(), error.to_string().into());
        }
    };

    let one_hot = || -> Result<Cotangent, Failure> {
        let mut one_hot = vec![0.0; model.classes()];
        *one_hot.get_mut(target as usize).ok_or("the class is not there")? = 1.0;
        Ok(Cotangent::Tensor(Tensor::f32(&[1, one_hot.len() as i64], &one_hot)))
    };
    let feeds = [("input", image.clone())];
    if sides {
        let graph = model.graph();
        let of = |op: &str| graph.nodes.iter().filter(|node| node.op == op).collect::<Vec<_>>();
        let relu = of("Relu").into_iter().filter_map(|node| node.outputs[0]);
        let pool = of("MaxPool").into_iter().filter_map(|node| node.input(0));
        let named = |what: &'static str, (index, id)| (format!("{what}-{index}"), graph.value(id).name.as_str());
        let relu = relu.enumerate().map(|value| named("relu", value));
        let fetched: Vec<_> = relu.chain(pool.enumerate().map(|value| named("pool", value))).collect();
        let fetches: Vec<&str> = fetched.iter().map(|(_, value)| *value).collect();
        let cotangents = [("logits", one_hot()?)];
        let vjp =
            Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &["input"], fetches: &fetches, rule: Rule::Standard };
        let made = model.vjp(&vjp, 0)?;
        write("gradient", &made.wrt[0])?;
        for ((file, _), tensor) in fetched.iter().zip(&made.fetches) {
            write(file, tensor)?;
        }
        return Ok(json!({}));
    }

    let logits = model.run(&[("input", image.clone())], &["logits"], 0);
    note("logits", logits.map_err(Failure::from).and_then(|logits| write("logits", &logits[0])));
    let gradient = |wrt: &str, rule: Rule| -> Result<Tensor, Failure> {
        let cotangents = [("logits", one_hot()?)];
        let vjp = Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &[wrt], fetches: &[], rule };
        Ok(model.vjp(&vjp, 0)?.wrt.remove(0))
    };
    for (what, wrt, rule) in [
        ("gradient", "input", Rule::Standard),
        ("features-gradient", "features", Rule::Standard),
        ("guided-backprop", "input", Rule::Guided),
    ] {
        note(what, gradient(wrt, rule).and_then(|gradient| write(what, &gradient)));
    }
    note("grad-cam", grad_cam(folder, name, (shape, pixels), target, out));

    // What is left of the graph at one size depends on the picture: shape arithmetic is constants by now.
    let unknown = model.graph().nodes.iter().filter(|node| ops::lookup(&node.domain, &node.op).is_none());
    let missing: BTreeSet<&str> = unknown.map(|node| node.op.as_str()).collect();
    Ok(json!({
        "missing": missing,
        "features": model.feature_layer(),
        "free_batch": model.capabilities().free_batch,
        "guided_rules": model.capabilities().guided_rules,
        "errors": errors,
    }))
}

/// Grad-CAM as anybody gets it: through the engine and the staged plugins.
fn grad_cam(
    folder: &Path,
    model: &str,
    (shape, pixels): (Vec<usize>, Vec<f32>),
    target: u32,
    out: &Path,
) -> Result<(), Failure> {
    let engine = engine(&[&plugins()], folder);
    let spec = RunSpec {
        model: model.to_owned(),
        technique: "grad-cam".to_owned(),
        image: ImageSource::Pixels { shape, data: Arc::new(pixels) },
        target: Some(Target::Index(target)),
        params: Map::new(),
        seed: None,
        max_duration: None,
    };
    // Asked first, so that a refusal is a message and not a panic.
    engine.model(model)?;
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| follow(&engine, spec, |_| ())));
    let (run, end) = run.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())?;
    if end.state != RunState::Succeeded {
        return Err(format!("{:?}", end.status).into());
    }
    let map = engine.artifact(&run, "map")?.tensor;
    Ok(std::fs::write(out.join("grad-cam.npy"), whyglass_imaging::write_npy(&map.shape, &map.data))?)
}
