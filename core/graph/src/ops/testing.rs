//! Draws random applications of operators and compares their derivative graphs, run in float64, with central
//! differences.

use crate::reference::ReferenceRuntime;
use crate::{
    Attribute, CompileOptions, CotangentKind, DerivedConstants, Graph, Node, OwnKernels, Query, Rule, Runtime,
};
use crate::{Tensor, ValueId, differentiate_for, ops};
use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::test_runner::{RngSeed, TestRunner};
use std::collections::BTreeMap;

/// The opsets between which the forms of operators differ.
const OPSETS: [i64; 8] = [7, 9, 11, 13, 16, 18, 20, 23];
/// Random applications per mention of an operator.
const CASES: u32 = 48;
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;

/// Random choices that follow from one seed.
pub struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn int(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.int(0, 1) == 1
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.int(0, from.len() as i64 - 1) as usize].clone()
    }

    /// An opset in which an operator exists that came with `since`.
    pub(crate) fn opset(&mut self, since: i64) -> i64 {
        let from: Vec<i64> = OPSETS.into_iter().filter(|opset| *opset >= since).collect();
        self.pick(&from)
    }

    pub(crate) fn shape(&mut self, low: i64, high: i64) -> Vec<i64> {
        (0..self.int(low, high)).map(|_| self.int(1, 3)).collect()
    }

    /// A shape that broadcasts to `shape`: some axes of size 1, or missing from the left.
    pub(crate) fn broadcastable(&mut self, shape: &[i64]) -> Vec<i64> {
        let start = if self.flag() { 0 } else { self.int(0, shape.len() as i64) };
        shape[start as usize..].iter().map(|size| if self.int(0, 2) == 0 { 1 } else { *size }).collect()
    }

    /// Numbers from -1.5 to 1.5, no two of which are equal or come near each other or 0.
    pub(crate) fn distinct(&mut self, shape: &[i64]) -> Vec<f64> {
        let count = shape.iter().product::<i64>() as usize;
        let mut numbers: Vec<f64> =
            (0..count).map(|index| 3.0 * (index as f64 + 0.37) / count as f64 - 1.5 + 0.000_7).collect();
        for index in (1..count).rev() {
            numbers.swap(index, self.int(0, index as i64) as usize);
        }
        away_from(&mut numbers, &[0.0]);
        numbers
    }

    pub(crate) fn weights(&mut self, shape: &[i64]) -> Tensor {
        let numbers: Vec<f32> = self.distinct(shape).into_iter().map(|number| number as f32).collect();
        Tensor::f32(shape, &numbers)
    }
}

/// Moves numbers that are near a kink away from it.
pub(crate) fn away_from(numbers: &mut [f64], kinks: &[f64]) {
    for number in numbers {
        if kinks.iter().any(|kink| (*number - kink).abs() < 1e-3) {
            *number += 2.3e-3;
        }
    }
}

#[derive(Clone, Debug)]
enum Input {
    Wrt(Vec<i64>, Vec<f64>),
    Constant(Tensor),
    /// Known only when the graph runs, and not differentiated by.
    Fed(Tensor),
    Missing,
}

/// One application of an operator.
#[derive(Clone, Debug)]
pub struct Case {
    pub(crate) opset: i64,
    op: String,
    attributes: BTreeMap<String, Attribute>,
    inputs: Vec<Input>,
    outputs: usize,
    rule: Rule,
}

impl Case {
    pub(crate) fn new(opset: i64, op: &str) -> Self {
        let (attributes, inputs) = (BTreeMap::new(), Vec::new());
        Self { opset, op: op.to_owned(), attributes, inputs, outputs: 1, rule: Rule::Standard }
    }

    pub(crate) fn attribute(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// An input that is differentiated by.
    pub(crate) fn wrt(mut self, shape: &[i64], data: &[f64]) -> Self {
        self.inputs.push(Input::Wrt(shape.to_vec(), data.to_vec()));
        self
    }

    pub(crate) fn constant(mut self, tensor: Tensor) -> Self {
        self.inputs.push(Input::Constant(tensor));
        self
    }

    /// An input that is known only when the graph runs, and is not differentiated by.
    pub(crate) fn fed(mut self, tensor: Tensor) -> Self {
        self.inputs.push(Input::Fed(tensor));
        self
    }

    pub(crate) fn missing(mut self) -> Self {
        self.inputs.push(Input::Missing);
        self
    }

    pub(crate) fn outputs(mut self, outputs: usize) -> Self {
        self.outputs = outputs;
        self
    }

    /// The graph of this one node, with the shapes of its outputs as the reference runtime finds them.
    fn graph(&self) -> Graph {
        let mut graph = Graph { opset: self.opset, ..Graph::default() };
        let mut inputs = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            inputs.push(match input {
                Input::Missing => None,
                Input::Wrt(..) | Input::Fed(_) => {
                    let shape = match input {
                        Input::Fed(tensor) => tensor.shape().to_vec(),
                        Input::Wrt(shape, _) => shape.clone(),
                        _ => Vec::new(),
                    };
                    let id = graph.add_value(format!("x{index}"), Some(shape));
                    graph.inputs.push(id);
                    Some(id)
                }
                Input::Constant(tensor) => {
                    let id = graph.add_value(format!("c{index}"), Some(tensor.shape().to_vec()));
                    graph.constants.insert(id, tensor.clone().into());
                    Some(id)
                }
            });
        }
        graph.outputs = (0..self.outputs).map(|index| graph.add_value(format!("y{index}"), None)).collect();
        graph.nodes.push(Node {
            name: "node".into(),
            domain: String::new(),
            op: self.op.clone(),
            inputs,
            outputs: graph.outputs.iter().copied().map(Some).collect(),
            attributes: self.attributes.clone(),
        });
        let outputs = execute(&graph, &self.numbers());
        for (id, output) in graph.outputs.clone().into_iter().zip(outputs) {
            graph.values[id.0 as usize].shape = Some(output.shape().to_vec());
        }
        graph
    }

    /// The inputs of `graph`, which is this one's, that are differentiated by.
    fn differentiated(&self, graph: &Graph) -> Vec<ValueId> {
        let given = self.inputs.iter().filter(|input| matches!(input, Input::Wrt(..) | Input::Fed(_)));
        graph
            .inputs
            .iter()
            .copied()
            .zip(given)
            .filter(|(_, input)| matches!(input, Input::Wrt(..)))
            .map(|(id, _)| id)
            .collect()
    }

    fn numbers(&self) -> Vec<Tensor> {
        let given = self.inputs.iter().filter_map(|input| match input {
            Input::Wrt(shape, data) => Some(Tensor::f64(shape, data)),
            Input::Fed(tensor) => Some(tensor.clone()),
            _ => None,
        });
        given.collect()
    }
}

fn execute(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let program = ReferenceRuntime.compile(graph, CompileOptions { optimise: false, threads: 1 }).unwrap();
    ReferenceRuntime.execute(&program, inputs).unwrap()
}

/// The forms that a derivative may take.
const FORMS: [OwnKernels; 2] = [OwnKernels::NONE, OwnKernels::ALL];

/// The gradients of `case` by every input that it is differentiated by, for the `cotangents` of its outputs, in ONNX's own
/// operators.
pub(crate) fn gradients(case: &Case, cotangents: &[Vec<f64>]) -> Vec<Vec<f64>> {
    gradients_with(FORMS[0], case, cotangents)
}

fn gradients_with(kernels: OwnKernels, case: &Case, cotangents: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let graph = case.graph();
    let query = Query {
        feeds: graph.inputs.clone(),
        cotangents: graph.outputs.iter().map(|id| (*id, CotangentKind::Fed)).collect(),
        wrt: case.differentiated(&graph),
        fetches: Vec::new(),
        rule: case.rule,
    };
    let backward = differentiate_for(kernels, &graph, &query, &DerivedConstants::default()).unwrap();
    let mut inputs = case.numbers();
    for (id, cotangent) in graph.outputs.iter().zip(cotangents) {
        inputs.push(Tensor::f64(graph.shape(*id).unwrap(), cotangent));
    }
    let gradients = execute(&backward, &inputs);
    for (input, gradient) in query.wrt.iter().zip(&gradients) {
        assert_eq!(graph.shape(*input), Some(gradient.shape()));
    }
    gradients.iter().map(Tensor::to_f64).collect()
}

/// What `case` comes to when each output is weighed with its cotangent.
fn objective(graph: &Graph, numbers: &[Tensor], cotangents: &[Vec<f64>]) -> f64 {
    let outputs = execute(graph, numbers);
    let weigh = |(output, weights): (&Tensor, &Vec<f64>)| -> f64 {
        // Integers and truth values carry no gradient: they count for nothing.
        let output = if output.dtype() == crate::Dtype::F64 { output.to_f64() } else { vec![0.0; output.len()] };
        output.iter().zip(weights).map(|(a, b)| a * b).sum()
    };
    outputs.iter().zip(cotangents).map(weigh).sum()
}

fn compare(case: &Case, draw: &mut Draw) -> Result<(), String> {
    let graph = case.graph();
    let cotangents: Vec<Vec<f64>> = graph.outputs.iter().map(|id| draw.distinct(graph.shape(*id).unwrap())).collect();
    let forms = FORMS.map(|kernels| gradients_with(kernels, case, &cotangents));
    let numbers = case.numbers();
    let wrt = case.differentiated(&graph);
    for (number, id) in wrt.iter().enumerate() {
        let input = graph.inputs.iter().position(|other| other == id).expect("an input");
        let symbolic = forms.each_ref().map(|form| &form[number]);
        let scale = symbolic.into_iter().flatten().fold(1.0, |largest: f64, value| largest.max(value.abs()));
        for index in 0..symbolic[0].len() {
            let at = |step: f64| {
                let mut numbers = numbers.clone();
                let mut data = numbers[input].to_f64();
                data[index] += step;
                numbers[input] = Tensor::f64(numbers[input].shape(), &data);
                objective(&graph, &numbers, &cotangents)
            };
            let numeric = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            for symbolic in symbolic.map(|form| form[index]) {
                if (symbolic - numeric).abs() > TOLERANCE * scale || symbolic.is_nan() {
                    return Err(format!("element {index} of input {input}: {symbolic}, by differences {numeric}"));
                }
            }
        }
    }
    Ok(())
}

/// Compares random applications of each of `names` with central differences; a name may be said twice for more of them.
pub(crate) fn check(names: &[&str]) {
    for (round, name) in names.iter().enumerate() {
        check_one(name, CASES, round as u64);
    }
}

fn check_one(name: &str, cases: u32, round: u64) {
    let operator = ops::lookup("", name).unwrap_or_else(|| panic!("{name} is not in the table"));
    let seed = name.bytes().fold(round, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    };
    let result = TestRunner::new(config).run(&any::<u64>().no_shrink(), |seed| {
        let mut draw = Draw(seed);
        let case = operator.example(name, &mut draw);
        compare(&case, &mut draw)
            .map_err(|error| proptest::test_runner::TestCaseError::fail(format!("{error}\n{case:?}")))
    });
    if let Err(error) = result {
        panic!("{name}: {error}");
    }
}

#[test]
fn every_operator_of_the_table_agrees_with_central_differences() {
    for (name, ..) in ops::TABLE {
        check_one(name, 8, 1000);
    }
}

#[test]
fn the_table_is_sorted_and_names_every_operator_once() {
    assert!(ops::TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn random_values_keep_away_from_each_other() {
    let mut numbers = Draw(1).distinct(&[5, 7]);
    numbers.sort_by(f64::total_cmp);
    assert!(numbers.windows(2).all(|pair| pair[1] - pair[0] > 100.0 * STEP));
}
