//! What a module is and can do, found by running it: its layers with their shapes, where gradients flow, whether the batch
//! and the picture's size are free.

use crate::device;
use crate::error::torch;
use crate::module::{Module, Nodes};
use crate::value;
use std::time::{Duration, Instant};
use tch::Tensor;
use whyglass_sdk::json::{self, Capability};
use whyglass_sdk::{Error, FEATURES, INPUT, LOGITS, PROBABILITIES, Result, TensorView};

/// Time that a batch may take, so that a stop is felt at once.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// Rows that fill the kernels; more gain nothing.
const MOST_ROWS: u32 = 8;

/// What was found.
pub(crate) struct Found {
    pub(crate) descriptor: json::ModelDescriptor,
    /// A batch runs as one; else its rows run one after the other.
    pub(crate) free_batch: bool,
}

/// Runs `module` on pictures of `size` (height, width).
///
/// # Errors
/// If it cannot be run, or is no classifier.
pub(crate) fn run(module: &Module, size: (i64, i64), feature_layer: Option<&str>) -> Result<Found> {
    let picture = noise(1, size);
    let nodes = module.forward(lent(&picture, size, 1, module)?).map_err(|mut error| {
        if error.reason == "RUNTIME_FAILED" {
            error.message = format!("the module does not run on a picture of {}×{}: {}", size.1, size.0, error.message);
        }
        error
    })?;
    let classes = nodes.get(LOGITS).map_or(0, |logits| logits.size()[1]);
    let again = Instant::now();
    drop(module.forward(lent(&picture, size, 1, module)?)?);
    let time = again.elapsed().max(Duration::from_micros(1));
    let preferred_batch = (BATCH_TIME.as_nanos() / time.as_nanos()).clamp(1, u128::from(MOST_ROWS)) as u32;

    let layers = layers(module, &picture, size)?;
    let features = match feature_layer {
        Some(chosen) => Some(spatial(&layers, chosen)?),
        None => layers.iter().rev().find(|layer| layer.spatial && layer.id != INPUT).map(|layer| layer.id.clone()),
    };
    let free_batch = batch_is_free(module, &nodes, &picture, size);
    let free_size = size_is_free(module, size, classes);
    let has = |name: &str| layers.iter().any(|layer| layer.id == name && layer.differentiable);
    let capabilities = [
        (layers.iter().any(|layer| layer.id != LOGITS && layer.differentiable), Capability::Gradients),
        (has(INPUT), Capability::InputGradients),
        (free_size, Capability::FreeSize),
    ];
    let descriptor = json::ModelDescriptor {
        input: Some(json::InputSize { height: size.0 as u32, width: size.1 as u32 }),
        classes: u32::try_from(classes).unwrap_or(0),
        labels: Vec::new(),
        mean_colour: module.pixels.mean_colour(),
        layers: with_features(layers, features.as_deref()),
        blocks: Vec::new(),
        feature_layer: features,
        capabilities: capabilities.into_iter().filter_map(|(has, capability)| has.then_some(capability)).collect(),
        concurrency: 0,
        device: device::name(module.device, module.precision),
        backend: crate::ID.into(),
        runtime: crate::backend::RUNTIME.into(),
        preferred_batch,
        gradients_together: 0,
        macs: 0,
    };
    Ok(Found { descriptor, free_batch })
}

/// One layer per node, in the order of the module's outputs.
fn layers(module: &Module, picture: &[f32], size: (i64, i64)) -> Result<Vec<json::Layer>> {
    let shape = [1, 3, size.0, size.1];
    let (input, nodes) = tch::with_grad(|| {
        let input = value::lend(&TensorView::new(&shape, picture), module.device)?;
        let input = input.f_set_requires_grad(true).map_err(torch)?;
        let nodes = module.forward(input.shallow_clone())?;
        Ok::<_, Error>((input, nodes))
    })?;
    let all: Vec<(&str, &Tensor)> = nodes.iter().collect();
    let upstream: Vec<&Tensor> = all.iter().filter(|(_, node)| node.requires_grad()).map(|(_, node)| *node).collect();
    let flows = tch::with_grad(|| flows(&nodes, &upstream))?;
    let mut flows = flows.into_iter();
    let parameters = module.parameters();
    let layer = |(name, node): &(&str, &Tensor)| {
        let shape = node.size();
        let differentiable = node.requires_grad() && flows.next().unwrap_or(false);
        let reaches_input = node.requires_grad() || *name == INPUT;
        let reason = match (*name, differentiable, reaches_input) {
            (INPUT, false, _) => Some("the module's scores have no gradient with respect to its input".to_owned()),
            (_, false, _) if *name != PROBABILITIES => {
                Some("the scores are not computed from it: return the tensor that the network goes on with".to_owned())
            }
            (_, _, false) => Some("it has no gradient with respect to the input".to_owned()),
            _ => None,
        };
        json::Layer {
            id: (*name).to_owned(),
            op: if [INPUT, PROBABILITIES].contains(name) { String::new() } else { "TorchScript".to_owned() },
            spatial: shape.len() == 4 && shape[2..].iter().all(|side| *side > 1) && *name != LOGITS,
            shape: shape.get(1..).unwrap_or_default().to_vec(),
            differentiable,
            reaches_input,
            reason,
            receptive_field: None,
            tokens: None,
            parameters: if *name == LOGITS { parameters } else { 0 },
        }
    };
    let layers = all.iter().map(layer).collect();
    drop(input);
    Ok(layers)
}

/// Whether a gradient flows from the logits to each of `wrt`.
fn flows(nodes: &Nodes, wrt: &[&Tensor]) -> Result<Vec<bool>> {
    let logits = nodes.get(LOGITS).ok_or_else(|| Error::internal("there are no logits"))?;
    if !logits.requires_grad() || wrt.is_empty() {
        return Ok(vec![false; wrt.len()]);
    }
    let sum = logits.f_sum(tch::Kind::Float).map_err(torch)?;
    let gradients = Tensor::f_run_backward(&[&sum], wrt, false, false).map_err(torch)?;
    Ok(gradients.iter().map(Tensor::defined).collect())
}

fn spatial(layers: &[json::Layer], chosen: &str) -> Result<String> {
    match layers.iter().find(|layer| layer.id == chosen) {
        Some(layer) if layer.spatial => Ok(layer.id.clone()),
        Some(layer) => Err(Error::failed_precondition(
            "NO_CLASSIFIER",
            format!("{chosen:?} has shape {:?}; choose one that is N×C×H×W", layer.shape),
        )
        .with_field("feature_layer")),
        None => {
            let known: Vec<&str> = layers.iter().map(|layer| layer.id.as_str()).collect();
            let message = format!("the module returns no {chosen:?}: it has {}", known.join(", "));
            Err(Error::invalid_argument("feature_layer", message).with_reason("UNKNOWN_NODE"))
        }
    }
}

/// The reserved name, after the layer that it is another name for.
fn with_features(mut layers: Vec<json::Layer>, features: Option<&str>) -> Vec<json::Layer> {
    if let Some(at) = layers.iter().position(|layer| Some(layer.id.as_str()) == features)
        && layers[at].id != FEATURES
    {
        layers.insert(at + 1, json::Layer { id: FEATURES.to_owned(), parameters: 0, ..layers[at].clone() });
    }
    layers
}

/// Whether a picture as the second of two is scored as it is alone.
fn batch_is_free(module: &Module, alone: &Nodes, picture: &[f32], size: (i64, i64)) -> bool {
    let mut pair = vec![0.0; picture.len()];
    pair.extend_from_slice(picture);
    let Ok(two) = lent(&pair, size, 2, module).and_then(|pair| module.forward(pair)) else { return false };
    let whole = two.iter().zip(alone.iter()).all(|((_, two), (_, one))| {
        let (two, one) = (two.size(), one.size());
        two.len() == one.len() && two[1..] == one[1..] && two[0] == 2 * one[0]
    });
    let value = |nodes: &Nodes, row: usize| {
        let logits = value::take(nodes.get(LOGITS)?).ok()?;
        let classes = usize::try_from(logits.shape()[1]).ok()?;
        Some(logits.data()[row * classes..][..classes].to_vec())
    };
    let (Some(second), Some(one)) = (value(&two, 1), value(alone, 0)) else { return false };
    let scale = one.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    whole && second.iter().zip(&one).all(|(a, b)| (a - b).abs() <= 1e-3 * scale + 1e-6)
}

/// Whether a larger picture of another aspect gives as many scores.
fn size_is_free(module: &Module, (height, width): (i64, i64), classes: i64) -> bool {
    let size = (height + 64, width + 32);
    let nodes = lent(&noise(1, size), size, 1, module).and_then(|picture| module.forward(picture));
    nodes.is_ok_and(|nodes| nodes.get(LOGITS).is_some_and(|logits| logits.size() == [1, classes]))
}

fn lent(pictures: &[f32], (height, width): (i64, i64), rows: i64, module: &Module) -> Result<Tensor> {
    value::lend(&TensorView::new(&[rows, 3, height, width], pictures), module.device)
}

/// Pictures that are nothing in particular, the same each time: flat ones would hide what rows do to each other.
fn noise(rows: i64, (height, width): (i64, i64)) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    (0..rows * 3 * height * width).map(|_| next()).collect()
}
