//! Random small networks, cut at random: hiding rectangles in windows gives what running everything gives, in float64.

use super::plan::Plan;
use super::sweep::{Job, Sweeper};
use super::{Error, Rect};
use crate::ops::testing::Draw;
use crate::specialise;
use crate::{Attribute, CompileOptions, DerivedConstants, Graph, Node, ReferenceRuntime, Runtime, Tensor, ValueId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

const TOLERANCE: f64 = 1e-10;
const OPTIONS: CompileOptions = CompileOptions { optimise: false, threads: 1 };

/// A network that grows node by node.
struct Grown {
    graph: Graph,
    picture: ValueId,
    /// Values on grids, with their shapes.
    cells: Vec<(ValueId, Vec<i64>)>,
}

impl Grown {
    fn new(height: i64, width: i64) -> Self {
        let mut graph = Graph { opset: 19, ..Graph::default() };
        let picture = graph.add_value("picture", Some(vec![1, 3, height, width]));
        graph.inputs = vec![picture];
        Self { graph, picture, cells: vec![(picture, vec![1, 3, height, width])] }
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let id = self.graph.add_value(format!("c{}", self.graph.values.len()), Some(tensor.shape().to_vec()));
        self.graph.constants.insert(id, Arc::new(tensor));
        id
    }

    fn add<const N: usize>(&mut self, op: &str, inputs: &[ValueId], attributes: [(&str, Attribute); N]) -> ValueId {
        let id = self.graph.add_value(format!("v{}", self.graph.values.len()), None);
        self.graph.nodes.push(Node {
            name: format!("{op}-{}", id.0),
            domain: String::new(),
            op: op.to_owned(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(id)],
            attributes: BTreeMap::from(attributes.map(|(name, value)| (name.to_owned(), value))),
        });
        id
    }

    /// Keeps `id` as cells if it has any; takes it back if it cannot be run.
    fn keep(&mut self, id: ValueId) -> bool {
        let graph = Graph { outputs: vec![id], ..self.graph.clone() };
        let shape = specialise(&graph, &self.cells[0].1, &ReferenceRuntime)
            .ok()
            .and_then(|graph| Some(graph.shape(id)?.to_vec()));
        match shape {
            Some(shape) if shape.iter().all(|dim| *dim > 0) => {
                self.cells.push((id, shape));
                true
            }
            _ => {
                self.graph.nodes.pop();
                false
            }
        }
    }

    /// One more operator on a value drawn from the last few.
    fn grow(&mut self, draw: &mut Draw) {
        let recent = self.cells.len().saturating_sub(3) as i64;
        let (x, shape) = self.cells[draw.int(recent, self.cells.len() as i64 - 1) as usize].clone();
        let channels = shape[1];
        let twice = |a: i64, b: i64| Attribute::Ints(vec![a, b]);
        let id = match draw.int(0, 9) {
            0..=2 => {
                let kernel = [draw.int(1, 4), draw.int(1, 3)];
                let group = if channels % 2 == 0 { draw.pick(&[1, 2, channels]) } else { draw.pick(&[1, channels]) };
                let per_group = draw.int(1, 2);
                let weights = draw.weights(&[group * per_group, channels / group, kernel[0], kernel[1]]);
                let weights = self.constant(weights);
                let pads = [kernel[0], kernel[1], kernel[0], kernel[1]].map(|kernel| draw.int(0, (kernel - 1).min(2)));
                let strides = ("strides", twice(draw.int(1, 2), draw.pick(&[1, 1, 2, 3])));
                let group = ("group", group.into());
                if draw.int(0, 3) == 0 {
                    self.add(
                        "Conv",
                        &[x, weights],
                        [strides, group, ("auto_pad", draw.pick(&["SAME_UPPER", "SAME_LOWER"]).into())],
                    )
                } else {
                    let dilations = ("dilations", twice(draw.pick(&[1, 1, 2]), draw.pick(&[1, 1, 2])));
                    self.add("Conv", &[x, weights], [strides, group, dilations, ("pads", pads.to_vec().into())])
                }
            }
            3 | 4 => {
                let kernel = [draw.int(1, 3), draw.int(2, 3)];
                let pads = [kernel[0], kernel[1], kernel[0], kernel[1]].map(|kernel| draw.int(0, (kernel - 1).min(1)));
                let attributes = [
                    ("kernel_shape", twice(kernel[0], kernel[1])),
                    ("strides", twice(draw.int(1, 2), draw.int(1, 2))),
                    ("pads", pads.to_vec().into()),
                    ("ceil_mode", draw.int(0, 1).into()),
                ];
                if draw.flag() {
                    self.add("MaxPool", &[x], attributes)
                } else {
                    let [a, b, c, d] = attributes;
                    self.add("AveragePool", &[x], [a, b, c, d, ("count_include_pad", draw.int(0, 1).into())])
                }
            }
            5 => self.add(draw.pick(&["Relu", "Sigmoid", "Tanh"]), &[x], []),
            6 => {
                let constants = [0.5, 1.5, 2.5].map(|from: f32| {
                    let numbers: Vec<f32> = (0..channels).map(|channel| from + channel as f32 * 0.1).collect();
                    self.constant(Tensor::f32(&[channels], &numbers))
                });
                self.add("BatchNormalization", &[x, constants[0], constants[1], constants[1], constants[2]], [])
            }
            7 => {
                let same = |(_, other): &&(ValueId, Vec<i64>)| *other == shape;
                let others: Vec<ValueId> = self.cells.iter().filter(same).map(|(id, _)| *id).collect();
                let other = draw.pick(&others);
                self.add(draw.pick(&["Add", "Mul", "Max"]), &[x, other], [])
            }
            8 => {
                let beside = |(_, other): &&(ValueId, Vec<i64>)| other[2..] == shape[2..];
                let others: Vec<ValueId> = self.cells.iter().filter(beside).map(|(id, _)| *id).collect();
                let other = draw.pick(&others);
                self.add("Concat", &[x, other], [("axis", 1.into())])
            }
            _ => {
                let pooled = self.add("GlobalAveragePool", &[x], []);
                let gate = self.add("Sigmoid", &[pooled], []);
                self.add("Mul", &[x, gate], [])
            }
        };
        self.keep(id);
    }

    /// Three scores that see every cell of the last values.
    fn finish(mut self, draw: &mut Draw) -> (Graph, ValueId, ValueId) {
        let count = if draw.flag() { 1 } else { 2 };
        let seen: Vec<_> = self.cells.iter().rev().take(count).cloned().collect();
        let flat: Vec<ValueId> = seen.iter().map(|(id, _)| self.add("Flatten", &[*id], [])).collect();
        let row = self.add("Concat", &flat, [("axis", 1.into())]);
        let width = seen.iter().map(|(_, shape)| shape.iter().product::<i64>()).sum();
        let matrix = draw.weights(&[width, 3]);
        let matrix = self.constant(matrix);
        let scores = self.add("MatMul", &[row, matrix], []);
        self.graph.outputs = vec![scores];
        (self.graph, self.picture, scores)
    }
}

fn run(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let program = ReferenceRuntime.compile(graph, OPTIONS).unwrap();
    ReferenceRuntime.execute(&program, inputs).unwrap()
}

fn hide(picture: &Tensor, fill: &Tensor, rect: Rect) -> Tensor {
    let &[_, channels, height, width] = picture.shape() else { panic!("one picture") };
    let mut numbers = picture.to_f32().unwrap();
    let fill = fill.to_f32().unwrap();
    for row in (0..channels as usize).flat_map(|c| (rect.top..rect.bottom).map(move |y| c * height as usize + y)) {
        let span = row * width as usize + rect.left..row * width as usize + rect.right;
        numbers[span.clone()].copy_from_slice(&fill[span]);
    }
    Tensor::from_f32(picture.shape().to_vec(), numbers)
}

/// A random network with random rectangles, and random cuts: all rows are what running everything gives. How many
/// stages there were.
fn check(seed: u64) -> usize {
    let mut draw = Draw::new(seed);
    let (height, width) = (draw.int(8, 17), draw.int(8, 17));
    let mut grown = Grown::new(height, width);
    for _ in 0..draw.int(2, 9) {
        grown.grow(&mut draw);
    }
    let (graph, picture, scores) = grown.finish(&mut draw);
    let shape = [1, 3, height, width];
    let one = specialise(&graph, &shape, &ReferenceRuntime).unwrap();
    let mut span = |size: i64| {
        let start = draw.int(0, size - 1);
        let limit = if draw.flag() { size } else { (start + 4).min(size) };
        let end = draw.int(start + 1, limit);
        (start as usize, end as usize)
    };
    let mut rects: Vec<Rect> = (0..7)
        .map(|_| {
            let ((top, bottom), (left, right)) = (span(height), span(width));
            Rect { top, left, bottom, right }
        })
        .collect();
    rects.insert(2, Rect { top: 3, left: 3, bottom: 3, right: 5 });
    let plan = Plan::forced(&one, picture, scores, &rects, |nodes| {
        let end = draw.int(1.min(nodes as i64), nodes as i64) as usize;
        let mut cuts = vec![0];
        cuts.extend((1..end).filter(|_| draw.int(0, 2) == 0));
        cuts.push(end);
        cuts.dedup();
        cuts
    });
    let plan = match plan {
        Ok(plan) => plan,
        Err(Error::NotIncremental { .. }) => return 0,
        Err(error) => panic!("{error}"),
    };
    let numbers =
        |draw: &mut Draw| Tensor::f32(&shape, &draw.distinct(&shape).iter().map(|v| *v as f32).collect::<Vec<_>>());
    let (pixels, fill) = (numbers(&mut draw), numbers(&mut draw));
    let wanted: Vec<Vec<f64>> =
        rects.iter().map(|rect| run(&one, &[hide(&pixels, &fill, *rect)])[0].to_f64()).collect();

    let base: Vec<ValueId> = plan.base().iter().map(|cells| plan.cells(*cells)).collect();
    let base = if base.is_empty() {
        Vec::new()
    } else {
        run(&one.cut(&[picture], &base).unwrap(), std::slice::from_ref(&pixels))
    };
    let rows = draw.int(1, 4);
    let batch = specialise(&graph, &[rows, 3, height, width], &ReferenceRuntime).unwrap();
    let feeds: Vec<ValueId> = plan.feeds().iter().map(|cells| plan.cells(*cells)).collect();
    let stages = plan.stages.len();
    let job = Job {
        runtime: &ReferenceRuntime,
        derived: &DerivedConstants::default(),
        rects: &rects,
        picture: &pixels,
        fill: &fill,
        base,
        rest: Arc::new(batch.cut(&feeds, &[scores]).unwrap()),
        rows: rows as usize,
        workers: draw.int(1, 3) as usize,
    };
    let mut found: Vec<f64> = Vec::new();
    let swept = Sweeper::<ReferenceRuntime>::new(plan).run(&job, &|| false, &mut |first, tensor| {
        assert_eq!(first * 3, found.len(), "rows come in order");
        found.extend(tensor.to_f64());
        ControlFlow::Continue(())
    });
    swept.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let wanted: Vec<f64> = wanted.concat();
    assert_eq!(found.len(), wanted.len());
    for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0),
            "seed {seed}, row {}: {found} instead of {wanted}",
            index / 3
        );
    }
    stages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_computed_in_windows_is_what_the_whole_network_gives(seed: u64) {
        check(seed);
    }
}

#[test]
fn most_random_networks_can_be_split() {
    let stages: Vec<usize> = (0..40).map(check).collect();
    assert!(stages.iter().filter(|stages| **stages > 0).count() > 25, "{stages:?}");
    assert!(stages.iter().any(|stages| *stages > 2), "{stages:?}");
}

/// A 3×3 convolution of 16×16 pixels, and the sum over all cells.
#[test]
fn a_plan_tells_how_many_multiplications_it_saves() {
    let mut grown = Grown::new(16, 16);
    let weights = grown.constant(Tensor::f32(&[2, 3, 3, 3], &[1.0; 54]));
    let picture = grown.picture;
    let cells = grown.add("Conv", &[picture, weights], [("pads", Attribute::Ints(vec![1; 4]))]);
    let sum = grown.add("GlobalAveragePool", &[cells], []);
    let graph = Graph { outputs: vec![sum], ..grown.graph.clone() };
    let one = specialise(&graph, &[1, 3, 16, 16], &ReferenceRuntime).unwrap();
    let saving = |top, bottom| {
        let rects = [Rect { top, left: 6, bottom, right: 8 }];
        Plan::forced(&one, picture, sum, &rects, |_| vec![0, 1]).unwrap().saving()
    };
    // 2×2 pixels are seen by 4×4 cells of 16×16; at the border by 3×4.
    assert!((saving(6, 8) - 16.0).abs() < 1e-9);
    assert!((saving(0, 2) - 256.0 / 12.0).abs() < 1e-9);
}
