//! ONNX's own conformance tests, as `tests/onnx/pack.py` packs them, taken through the graph crate: read, specialised,
//! folded, cut, run; and differentiated, where a derivative is known.
//!
//! A model of the graph crate has one input, of float32. So a case runs once for each of its floating-point inputs, with
//! the others as weights; a case without any runs with all of them as weights, which folds it away.

use prost::Message as _;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use whyglass_graph::proto::{
    AttributeProto, AttributeType, DimensionProto, ModelProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use whyglass_graph::read::OPSETS;
use whyglass_graph::{
    CompileOptions, CotangentKind, DerivedConstants, Dtype, Graph, Query, Runtime, Tensor, ValueId, differentiate, ops,
    read_bytes, specialise,
};

const ONCE: CompileOptions = CompileOptions { optimise: false, threads: 1 };

/// The cases that need not pass, with the reason, of the list `name` in `tests/onnx`.
///
/// # Panics
/// Where the list is missing or a line of it has no reason.
#[must_use]
pub fn exceptions(name: &str) -> BTreeMap<String, String> {
    let path = crate::build::root().join("tests/onnx").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let entry = |line: &str| {
        let (name, reason) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} gives no reason"));
        (name.to_owned(), reason.to_owned())
    };
    lines.map(entry).collect()
}

/// One test of ONNX's.
pub struct Case {
    pub name: String,
    model: ModelProto,
    /// Inputs and outputs, several times.
    sets: Vec<[Vec<TensorProto>; 2]>,
    relative: f64,
    absolute: f64,
    /// What its values are where they are no tensors of numbers.
    pub no_tensors: Option<String>,
}

/// How a case went.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Passed,
    Failed(String),
}

/// How the derivative of a case went.
#[derive(Clone, Debug, PartialEq)]
pub enum Gradient {
    /// Along a random direction it agrees with differences of the engine's own outputs.
    Agrees,
    /// It does not: at a kink, or because it is wrong.
    Differs(String),
    /// An operator on the way has none, which is named.
    None(String),
    /// The engine does not run it.
    Fails(String),
    /// Nothing to differentiate.
    NoFloats,
}

/// The cases in the archive at `path`, by name.
///
/// # Panics
/// Where it is none of `pack.py`'s.
#[must_use]
pub fn cases(path: &Path) -> Vec<Case> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
    let mut archive = zip::ZipArchive::new(file).expect("a zip archive");
    let mut folders: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("an entry");
        let parts: Vec<String> = entry.name().expect("a name").splitn(3, '/').map(str::to_owned).collect();
        let [kind, case, file] = &parts[..] else { panic!("{:?} is no file of a case", entry.name()) };
        let mut data = Vec::new();
        entry.read_to_end(&mut data).expect("an entry that can be read");
        folders.entry(format!("{kind}/{case}")).or_default().insert(file.clone(), data);
    }
    folders.into_iter().map(|(name, files)| case(name, &files)).collect()
}

fn case(name: String, files: &BTreeMap<String, Vec<u8>>) -> Case {
    let text = |file: &str| files.get(file).map(|data| String::from_utf8_lossy(data).into_owned());
    let tolerance = text("tolerance.txt").unwrap_or_else(|| "0 0".into());
    let (relative, absolute) = tolerance.split_once(' ').expect("two tolerances");
    let tensors = |set: usize, stem: &str| -> Vec<TensorProto> {
        let files = (0..).map_while(|number| files.get(&format!("{set}/{stem}_{number}.pb")));
        files.map(|data| TensorProto::decode(&**data).expect("a tensor")).collect()
    };
    let sets = (0..).map(|set| [tensors(set, "input"), tensors(set, "output")]);
    Case {
        model: ModelProto::decode(&*files["model.onnx"]).expect("a model"),
        sets: sets.take_while(|[_, outputs]| !outputs.is_empty()).collect(),
        relative: relative.parse().expect("a number"),
        absolute: absolute.parse().expect("a number"),
        no_tensors: text("no-tensors.txt"),
        name,
    }
}

impl Case {
    /// What puts the case out of the count: its operators that are not in the table of those whose derivative is known, or
    /// an operator set that is not read.
    #[must_use]
    pub fn unlisted(&self) -> Vec<String> {
        let known = |node: &&NodeProto| {
            node.op_type == "Constant" && node.domain.is_empty() || ops::lookup(&node.domain, &node.op_type).is_some()
        };
        let nodes = self.model.graph.iter().flat_map(|graph| &graph.node).filter(|node| !known(node));
        let mut names: Vec<String> = nodes.map(|node| node.op_type.clone()).collect();
        names.sort();
        names.dedup();
        let newer = self.model.opset_import.iter().filter(|set| set.domain.is_empty() && set.version > *OPSETS.end());
        names.extend(newer.map(|set| format!("operator set {}", set.version)));
        names
    }

    /// Runs every set of the case.
    #[must_use]
    pub fn run<R: Runtime>(&self, runtime: &R) -> (Outcome, Gradient) {
        if let Some(what) = &self.no_tensors {
            return (Outcome::Failed(format!("its values are {what}")), Gradient::NoFloats);
        }
        let mut gradient = Gradient::NoFloats;
        for [inputs, outputs] in &self.sets {
            let moving: Vec<Option<usize>> =
                (0..inputs.len()).filter(|index| self.can_move(*index, &inputs[*index])).map(Some).collect();
            let ways = if moving.is_empty() { vec![None] } else { moving };
            for moving in ways {
                match self.run_one(inputs, outputs, moving, runtime) {
                    Err(error) => return (Outcome::Failed(error), gradient),
                    Ok(found) if gradient == Gradient::NoFloats || gradient == Gradient::Agrees => gradient = found,
                    Ok(_) => {}
                }
            }
        }
        (Outcome::Passed, gradient)
    }

    /// Whether input `index`, which is `value`, can be the one that a model has: floating-point, the same in float32, and
    /// nothing that a shape is made of.
    fn can_move(&self, index: usize, value: &TensorProto) -> bool {
        let nodes = || self.model.graph.iter().flat_map(|graph| &graph.node);
        let name = self.model.graph.as_ref().and_then(|graph| graph.input.get(index)).map(|input| &input.name);
        let shapes = nodes().any(|node| {
            let slot = node.input.iter().position(|input| Some(input) == name);
            match &*node.op_type {
                "Range" => slot.is_some(),
                "OneHot" => slot == Some(1),
                "Resize" | "Upsample" => slot.is_some_and(|slot| slot > 0),
                _ => false,
            }
        });
        let kind = Dtype::from_code(value.data_type);
        let floating = matches!(kind, Some(Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F64));
        let same = |value: &f64| value.is_nan() || f64::from(*value as f32) == *value;
        let exact = || tensor(value).is_some_and(|tensor| !tensor.is_empty() && tensor.to_f64().iter().all(same));
        !shapes && floating && exact()
    }

    fn run_one<R: Runtime>(
        &self,
        inputs: &[TensorProto],
        outputs: &[TensorProto],
        moving: Option<usize>,
        runtime: &R,
    ) -> Result<Gradient, String> {
        let (model, fed) = with_one_input(&self.model, inputs, moving);
        let graph = read_bytes(model.encode_to_vec().into(), None).map_err(|error| error.to_string())?;
        let special = specialise(&graph, fed.shape(), runtime).map_err(|error| error.to_string())?;
        let cut = special.cut(&special.inputs, &special.outputs).map_err(|error| error.to_string())?;
        let made = execute(&cut, std::slice::from_ref(&fed), runtime)?;
        if made.len() != outputs.len() {
            return Err(format!("{} outputs, {} expected", made.len(), outputs.len()));
        }
        for (index, (made, expected)) in made.iter().zip(outputs).enumerate() {
            let expected = tensor(expected).ok_or("an expected output of another type")?;
            self.compare(made, &expected).map_err(|error| format!("output {index}: {error}"))?;
        }
        Ok(match moving {
            Some(_) => gradient(&special, &fed, &made, runtime),
            None => Gradient::NoFloats,
        })
    }

    fn compare(&self, made: &Tensor, expected: &Tensor) -> Result<(), String> {
        if (made.dtype(), made.shape()) != (expected.dtype(), expected.shape()) {
            let of = |tensor: &Tensor| format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(format!("{}, expected {}", of(made), of(expected)));
        }
        let close = |a: f64, b: f64| {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= self.absolute + self.relative * b.abs()
        };
        match made.to_f64().into_iter().zip(expected.to_f64()).enumerate().find(|(_, (a, b))| !close(*a, *b)) {
            Some((index, (a, b))) => Err(format!("element {index} is {a}, expected {b}")),
            None => Ok(()),
        }
    }
}

/// `proto` as a tensor. Its data is raw, as the script writes it.
fn tensor(proto: &TensorProto) -> Option<Tensor> {
    Tensor::checked(Dtype::from_code(proto.data_type)?, proto.dims.clone(), proto.raw_data.clone().unwrap_or_default())
}

/// `model` with input `moving` as its only one, in float32, and the others as weights; and what to feed.
fn with_one_input(model: &ModelProto, inputs: &[TensorProto], moving: Option<usize>) -> (ModelProto, Tensor) {
    let mut model = model.clone();
    let graph = model.graph.as_mut().expect("a graph");
    let declared: Vec<String> = graph.input.iter().map(|input| input.name.clone()).collect();
    let mut fed = ("nothing".to_owned(), Tensor::filled(&[1], 0.0));
    for (index, (name, value)) in declared.iter().zip(inputs).enumerate() {
        graph.initializer.retain(|tensor| tensor.name != *name);
        if Some(index) != moving {
            graph.initializer.push(TensorProto { name: name.clone(), ..value.clone() });
            continue;
        }
        let numbers = tensor(value).expect("a value that can move").to_f64();
        let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
        fed = (name.clone(), Tensor::f32(&value.dims, &numbers));
        if value.data_type != Dtype::F32 as i32 {
            fed.0 = format!("{name}:f32");
            graph.node.push(cast(&fed.0, name, value.data_type));
        }
    }
    let dim = fed.1.shape().iter().map(|size| DimensionProto { dim_value: Some(*size), dim_param: None }).collect();
    let tensor_type = Some(TensorTypeProto { elem_type: Dtype::F32 as i32, shape: Some(TensorShapeProto { dim }) });
    graph.input = vec![ValueInfoProto { name: fed.0, r#type: Some(TypeProto { tensor_type }) }];
    (model, fed.1)
}

fn cast(from: &str, to: &str, kind: i32) -> NodeProto {
    let attribute = AttributeProto {
        name: "to".into(),
        i: i64::from(kind),
        r#type: AttributeType::Int as i32,
        ..Default::default()
    };
    NodeProto {
        input: vec![from.into()],
        output: vec![to.into()],
        op_type: "Cast".into(),
        attribute: vec![attribute],
        ..Default::default()
    }
}

fn execute<R: Runtime>(graph: &Graph, inputs: &[Tensor], runtime: &R) -> Result<Vec<Tensor>, String> {
    let program = runtime.compile(graph, ONCE).map_err(|error| error.to_string())?;
    runtime.execute(&program, inputs).map_err(|error| error.to_string())
}

/// Numbers from -1 to 1 that are nothing in particular.
fn wave(shape: &[i64], phase: f32) -> Tensor {
    let numbers: Vec<f32> =
        (0..shape.iter().product::<i64>()).map(|index| (index as f32 * 2.399_963 + phase).sin()).collect();
    Tensor::f32(shape, &numbers)
}

/// Differentiates `graph` at `fed`, and compares along one direction with central differences of what the engine gives.
fn gradient<R: Runtime>(graph: &Graph, fed: &Tensor, made: &[Tensor], runtime: &R) -> Gradient {
    let input = graph.inputs[0];
    let floats: Vec<(ValueId, &Tensor)> = graph
        .outputs
        .iter()
        .copied()
        .zip(made)
        .filter(|(id, tensor)| tensor.dtype() == Dtype::F32 && !tensor.is_empty() && graph.constant(*id).is_none())
        .collect();
    if floats.is_empty() || graph.constant(input).is_some() {
        return Gradient::NoFloats;
    }
    let query = Query {
        feeds: vec![input],
        cotangents: floats.iter().map(|(id, _)| (*id, CotangentKind::Fed)).collect(),
        wrt: vec![input],
        ..Query::default()
    };
    let backward = match differentiate(graph, &query, &DerivedConstants::default()) {
        Ok(backward) => backward,
        Err(error) => return Gradient::None(error.to_string()),
    };
    let cotangents: Vec<Tensor> =
        floats.iter().enumerate().map(|(index, (_, tensor))| wave(tensor.shape(), index as f32)).collect();
    let mut inputs = vec![fed.clone()];
    inputs.extend(cotangents.iter().cloned());
    let slopes = match execute(&backward, &inputs, runtime) {
        Ok(made) => made[0].to_f64(),
        Err(error) => return Gradient::Fails(error),
    };
    let direction = wave(fed.shape(), 0.5).to_f64();
    let symbolic: f64 = slopes.iter().zip(&direction).map(|(a, b)| a * b).sum();
    let outputs: Vec<ValueId> = floats.iter().map(|(id, _)| *id).collect();
    let forward = match graph.cut(&[input], &outputs) {
        Ok(forward) => forward,
        Err(error) => return Gradient::Fails(error.to_string()),
    };
    let at = |step: f64| -> Result<f64, String> {
        let moved: Vec<f32> = fed.to_f64().iter().zip(&direction).map(|(x, along)| (x + step * along) as f32).collect();
        let outputs = execute(&forward, &[Tensor::f32(fed.shape(), &moved)], runtime)?;
        let weigh = |(output, weights): (&Tensor, &Tensor)| -> f64 {
            output.to_f64().iter().zip(weights.to_f64()).map(|(a, b)| a * b).sum()
        };
        Ok(outputs.iter().zip(&cotangents).map(weigh).sum())
    };
    let step = 2e-3;
    match (at(step), at(-step)) {
        (Ok(above), Ok(below)) => {
            let numeric = (above - below) / (2.0 * step);
            let scale = slopes.iter().zip(&direction).map(|(a, b)| (a * b).abs()).sum::<f64>();
            let close = (symbolic - numeric).abs() <= 0.02 * scale.max(numeric.abs()) + 1e-3;
            if close { Gradient::Agrees } else { Gradient::Differs(format!("{symbolic}, by differences {numeric}")) }
        }
        (Err(error), _) | (_, Err(error)) => Gradient::Fails(error),
    }
}

/// How far a graph's value and gradient are from PyTorch's, as a part of the largest element of these.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    pub value: f64,
    pub gradient: f64,
}

impl Case {
    /// How many nodes the case has.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.model.graph.as_ref().map_or(0, |graph| graph.node.len())
    }

    /// For a case of `random_graphs.py`: inputs are x and the cotangent of y, outputs y and the gradient by x.
    ///
    /// # Errors
    /// What does not work, in words.
    pub fn against_autograd<R: Runtime>(&self, runtime: &R) -> Result<Agreement, String> {
        let [inputs, outputs] = self.sets.first().ok_or("no data")?;
        let numbers = |proto: &TensorProto| tensor(proto).ok_or("a tensor that cannot be read");
        let fed = [numbers(&inputs[0])?, numbers(&inputs[1])?];
        let graph = read_bytes(self.model.encode_to_vec().into(), None).map_err(|error| error.to_string())?;
        let special = specialise(&graph, fed[0].shape(), runtime).map_err(|error| error.to_string())?;
        let query = Query {
            feeds: special.inputs.clone(),
            cotangents: vec![(special.outputs[0], CotangentKind::Fed)],
            wrt: special.inputs.clone(),
            fetches: special.outputs.clone(),
            ..Query::default()
        };
        let backward =
            differentiate(&special, &query, &DerivedConstants::default()).map_err(|error| error.to_string())?;
        let made = execute(&backward, &fed, runtime)?;
        let off = |made: &Tensor, expected: &TensorProto| -> Result<f64, String> {
            let expected = numbers(expected)?;
            if made.shape() != expected.shape() {
                return Err(format!("{:?}, expected {:?}", made.shape(), expected.shape()));
            }
            let (made, expected) = (made.to_f64(), expected.to_f64());
            // Cotangents are about 1: a gradient that cancels to nothing is not judged by what rounding leaves of it.
            let largest = expected.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
            let worst = made.iter().zip(&expected).map(|(a, b)| if a.is_nan() { f64::INFINITY } else { (a - b).abs() });
            Ok(worst.fold(0.0, f64::max) / largest)
        };
        Ok(Agreement { gradient: off(&made[0], &outputs[1])?, value: off(&made[1], &outputs[0])? })
    }
}
