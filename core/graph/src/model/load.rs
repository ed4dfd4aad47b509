//! File → [`GraphModel`]: finds the roles, puts the pixels in front, and proves what the model can do.

use super::cache::Cache;
use super::names::Names;
use super::plans::Plans;
use super::{Capabilities, GraphModel, Options, groups};
use crate::builder::DerivedConstants;
use crate::features::{self, Features};
use crate::layers::{self, Landmarks, Layer};
use crate::roles::{self, Scores};
use crate::specialise::{self, Observation, apply, fold, free_batch, observe};
use crate::{Attribute, Error, Graph, Node, Runtime, Tensor, ValueId, blocks, normalise};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// Names that always mean the same, whatever the file calls its values.
const RESERVED: [&str; 4] = ["input", "logits", "probabilities", "features"];

impl<R: Runtime> GraphModel<R> {
    /// Loads the ONNX file at `path`, and runs it at least twice to see its shapes and what it can do.
    ///
    /// # Errors
    /// If the file cannot be read or run, or is no classifier of pictures.
    pub fn load(path: &Path, options: &Options, runtime: Arc<R>) -> Result<Self, Error> {
        Self::from_graph(crate::read(path)?, options, runtime)
    }

    /// As [`GraphModel::load`], from a graph in memory.
    ///
    /// # Errors
    /// If the graph cannot be run, or is no classifier of pictures.
    pub fn from_graph(mut graph: Graph, options: &Options, runtime: Arc<R>) -> Result<Self, Error> {
        let by_name = |graph: &Graph, name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => graph.find(name).map(Some).ok_or_else(|| names_of(graph).unknown(name)),
        };
        let chosen_logits = by_name(&graph, &options.logits)?;
        let chosen_features = by_name(&graph, &options.feature_layer)?;
        let aliases = graph.drop_identities();
        let canonical = |id: ValueId| aliases.get(&id).copied().unwrap_or(id);
        // A value that is chosen must survive even if no output needs it.
        graph.outputs.extend(chosen_logits.map(canonical).filter(|id| !graph.outputs.contains(id)));
        graph.drop_dead();

        let found = roles::input(&graph, options.input_size)?;
        let file_name = graph.value(found.id).name.clone();
        let pixels = normalise::put_in_front(&mut graph, found.id, found.layout, options.normalization.as_ref());
        let size = (found.height, found.width);
        let picture = noise(size);

        // One picture: shapes, constants, roles.
        let outputs = graph.outputs.clone();
        let mut one = observe(&graph, &picture, &outputs, &*runtime)?;
        let mut source = fold(&graph, &one);
        free_batch(&mut source, &mut one);
        let first = apply(&source, &one);
        specialise::check_axes(&first)?;
        let scores = roles::scores(&first, chosen_logits.map(canonical))?;
        let probe = outputs.iter().position(|id| *id == scores.output);
        let answer = probe.and_then(|index| one.probes.get(index)).cloned();
        let answer = answer.ok_or_else(|| Error::malformed("the scores are no output of the graph"))?;
        let features = match chosen_features.map(canonical) {
            Some(chosen) => Some(spatial(&first, chosen)?),
            None => match features::find(&first, scores.logits) {
                Some(Features::ChannelsLast(found)) => features::channels_first(&mut source, &mut one.shapes, found),
                Some(Features::Planes(found) | Features::Tokens(found)) => Some(found),
                None => None,
            },
        };
        name_reserved(&mut source, &one, pixels, scores, features);
        let (mut logits, mut probabilities) = add_scores(&mut source, &mut one, scores);
        let mut classes = scores.classes;
        if !options.groups.is_empty() {
            let groups = groups::complete(&options.groups, classes as usize)?;
            (logits, probabilities) = groups::add(&mut source, &mut one, logits, classes as usize, &groups);
            classes = groups.len() as i64;
        }
        let landmarks = Landmarks { input: pixels, logits, features };
        let mut names = Names::default();
        let one_picture = apply(&source, &one);
        name_all(&mut names, &one_picture, landmarks, probabilities);
        if names.resolve(&file_name).is_err() {
            names.insert(file_name, found.id);
        }
        for (&alias, &target) in &aliases {
            let name = &source.value(alias).name;
            if names.resolve(name).is_err() {
                names.insert(name.clone(), target);
            }
        }

        // Two pictures, another size: what is free.
        let shown = prove_batch(&source, &picture, scores.output, &answer, &*runtime).map(|two| (one, two));
        let free_size = sizes_are_free(&source, size, logits, classes, &*runtime);

        let layers = with_reserved(layers::list(&one_picture, landmarks), landmarks, probabilities);
        let gradients = layers.iter().any(|layer| layer.id != "logits" && layer.differentiable);
        let capabilities = Capabilities {
            gradients,
            input_gradients: layers.iter().any(|layer| layer.id == "input" && layer.differentiable),
            guided_rules: gradients && layers::rectifies(&one_picture),
            free_size,
            free_batch: shown.is_some(),
        };
        Ok(Self {
            names,
            landmarks,
            layers,
            blocks: blocks::chain(&one_picture, landmarks),
            classes: classes as usize,
            capabilities,
            normalization: options.normalization,
            macs: layers::macs(&one_picture),
            threads: options.threads,
            plans: Plans::new(Arc::clone(&runtime), source, size, one_picture, shown),
            programs: Cache::new(NonZeroUsize::new(Self::PROGRAMS).expect("not zero")),
            sweeps: Cache::new(NonZeroUsize::new(Self::SWEEPS).expect("not zero")),
            derived: DerivedConstants::default(),
            runtime,
        })
    }
}

fn names_of(graph: &Graph) -> Names {
    let mut names = Names::default();
    for (index, value) in graph.values.iter().enumerate() {
        names.insert(value.name.clone(), ValueId(index as u32));
    }
    names
}

fn spatial(graph: &Graph, id: ValueId) -> Result<ValueId, Error> {
    match graph.shape(id) {
        Some([_, _, _, _] | [1, _, _]) if graph.constant(id).is_none() => Ok(id),
        shape => Err(Error::Role {
            role: "features",
            what: format!(
                "{:?} has shape {shape:?}; choose one that is N×C×H×W, or a sequence N×T×C",
                graph.value(id).name
            ),
        }),
    }
}

/// A picture that is nothing in particular, the same each time: a flat one would hide what rows do to each other.
fn noise((height, width): (i64, i64)) -> Tensor {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let data = (0..3 * height * width).map(|_| next()).collect();
    Tensor::from_f32(vec![1, 3, height, width], data)
}

/// Makes the scores N×classes, adds what is missing of them, and keeps both alive as outputs.
fn add_scores(graph: &mut Graph, one: &mut Observation, scores: Scores) -> (ValueId, ValueId) {
    let ready = (is_row(one, scores.logits), scores.probabilities.filter(|id| is_row(one, *id)));
    let mut add = |op: &str, wanted: &str, from: ValueId| {
        let name = graph.unique_name(wanted);
        let id = graph.add_value(name.clone(), None);
        one.shapes.insert(id, vec![1, scores.classes]);
        graph.nodes.push(Node {
            name,
            domain: String::new(),
            op: op.to_owned(),
            inputs: vec![Some(from)],
            outputs: vec![Some(id)],
            attributes: BTreeMap::from([("axis".to_owned(), Attribute::Int(1))]),
        });
        id
    };
    let logits = if ready.0 { scores.logits } else { add("Flatten", "logits", scores.logits) };
    let probabilities = match (ready.1, scores.probabilities) {
        (Some(ready), _) => ready,
        (None, Some(wide)) => add("Flatten", "probabilities", wide),
        (None, None) => add("Softmax", "probabilities", logits),
    };
    for id in [logits, probabilities] {
        if !graph.outputs.contains(&id) {
            graph.outputs.push(id);
        }
    }
    (logits, probabilities)
}

/// Takes the reserved names from all values of the file that do not mean what they say.
fn name_reserved(graph: &mut Graph, one: &Observation, pixels: ValueId, scores: Scores, features: Option<ValueId>) {
    let logits = Some(scores.logits).filter(|id| is_row(one, *id));
    let probabilities = scores.probabilities.filter(|id| is_row(one, *id));
    for (name, meant) in RESERVED.into_iter().zip([Some(pixels), logits, probabilities, features]) {
        if let Some(id) = graph.find(name).filter(|id| Some(*id) != meant) {
            let other = graph.unique_name(&format!("{name}.file"));
            graph.values[id.0 as usize].name = other;
        }
    }
    graph.values[pixels.0 as usize].name = "input".into();
}

/// Whether `id` is classes in a row, with no dimensions of one behind.
fn is_row(one: &Observation, id: ValueId) -> bool {
    one.shapes.get(&id).is_some_and(|shape| shape.len() == 2)
}

fn name_all(names: &mut Names, graph: &Graph, landmarks: Landmarks, probabilities: ValueId) {
    let made = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten());
    for &id in made.chain([&landmarks.input]) {
        names.insert(graph.value(id).name.clone(), id);
    }
    names.insert("logits", landmarks.logits);
    names.insert("probabilities", probabilities);
    if let Some(features) = landmarks.features {
        names.insert("features", features);
    }
}

/// The layers, each reserved name after the value that it is another name for.
fn with_reserved(layers: Vec<(ValueId, Layer)>, landmarks: Landmarks, probabilities: ValueId) -> Vec<Layer> {
    let reserved =
        [(landmarks.features, "features"), (Some(landmarks.logits), "logits"), (Some(probabilities), "probabilities")];
    let mut all = Vec::with_capacity(layers.len() + reserved.len());
    for (id, layer) in layers {
        let own = layer.id.clone();
        all.push(layer.clone());
        for (_, name) in reserved.iter().filter(|(target, name)| *target == Some(id) && *name != own) {
            all.push(Layer { id: (*name).to_owned(), parameters: 0, ..layer.clone() });
        }
    }
    all
}

/// Runs `picture` as the second of two, and returns what that showed if the answer is the same as for it alone.
fn prove_batch<R: Runtime>(
    source: &Graph,
    picture: &Tensor,
    output: ValueId,
    alone: &Tensor,
    runtime: &R,
) -> Option<Observation> {
    let dark = Tensor::filled(picture.shape(), 0.0);
    let pair = Tensor::concatenate(&[dark, picture.clone()]);
    let two = observe(source, &pair, &[output], runtime).ok()?;
    let both = two.probes.first()?;
    if both.shape().first() != Some(&2) || both.shape().get(1..) != alone.shape().get(1..) {
        return None;
    }
    let (second, alone) = (both.rows(1, 1).to_f64(), alone.to_f64());
    let scale = alone.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let same = second.iter().zip(&alone).all(|(a, b)| (a - b).abs() <= 1e-3 * scale + 1e-6);
    same.then_some(two)
}

/// Whether a larger picture of another aspect gives scores of the right shape.
fn sizes_are_free<R: Runtime>(
    source: &Graph,
    (height, width): (i64, i64),
    logits: ValueId,
    classes: i64,
    runtime: &R,
) -> bool {
    let other = Tensor::filled(&[1, 3, height + 64, width + 32], 0.5);
    specialise::observe(source, &other, &[], runtime)
        .is_ok_and(|seen| seen.shapes.get(&logits).is_some_and(|shape| *shape == [1, classes]))
}
