//! Builds small graphs and runs them on the reference runtime, value by value, so that every shape is known at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use whyglass_graph::{
    Attribute, CompileOptions, CotangentKind, DerivedConstants, Graph, Node, OwnKernels, Query, ReferenceRuntime,
    Runtime, Tensor, ValueId, differentiate_for,
};

pub(crate) struct Net {
    pub(crate) graph: Graph,
    inputs: BTreeMap<ValueId, Tensor>,
}

impl Net {
    pub(crate) fn new(opset: i64) -> Self {
        Self { graph: Graph { opset, ..Graph::default() }, inputs: BTreeMap::new() }
    }

    pub(crate) fn input(&mut self, name: &str, shape: &[i64], data: &[f64]) -> ValueId {
        let id = self.graph.add_value(name, Some(shape.to_vec()));
        self.graph.inputs.push(id);
        self.inputs.insert(id, Tensor::f64(shape, data));
        id
    }

    pub(crate) fn constant(&mut self, tensor: Tensor) -> ValueId {
        let id = self.graph.add_value(format!("constant{}", self.graph.values.len()), Some(tensor.shape().to_vec()));
        self.graph.constants.insert(id, tensor.into());
        id
    }

    pub(crate) fn node(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.nodes(op, inputs, 1, [])[0]
    }

    pub(crate) fn nodes<const N: usize>(
        &mut self,
        op: &str,
        inputs: &[ValueId],
        outputs: usize,
        attributes: [(&str, Attribute); N],
    ) -> Vec<ValueId> {
        let made: Vec<ValueId> = (0..outputs)
            .map(|index| self.graph.add_value(format!("{op}{}_{index}", self.graph.nodes.len()), None))
            .collect();
        self.push(op, inputs, &made, attributes.map(|(name, value)| (name.to_owned(), value)).into());
        let graph = Graph { outputs: made.clone(), ..self.graph.clone() };
        let tensors: Vec<Tensor> = graph.inputs.iter().map(|id| self.inputs[id].clone()).collect();
        for (id, tensor) in made.iter().zip(run(&graph, &tensors)) {
            self.graph.values[id.0 as usize].shape = Some(tensor.shape().to_vec());
        }
        made
    }

    /// A node of an operator that nobody can run.
    pub(crate) fn unknown(&mut self, op: &str, inputs: &[ValueId], shape: Vec<i64>) -> ValueId {
        let id = self.graph.add_value(op, Some(shape));
        self.push(op, inputs, &[id], BTreeMap::new());
        id
    }

    /// A node of the shape of its input that is not run.
    pub(crate) fn node_unrun(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        let shape = self.graph.shape(inputs[0]).unwrap().to_vec();
        self.unknown(op, inputs, shape)
    }

    fn push(&mut self, op: &str, inputs: &[ValueId], outputs: &[ValueId], attributes: BTreeMap<String, Attribute>) {
        self.graph.nodes.push(Node {
            name: format!("node{}", self.graph.nodes.len()),
            domain: String::new(),
            op: op.to_owned(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: outputs.iter().copied().map(Some).collect(),
            attributes,
        });
    }

    pub(crate) fn numbers(&self, input: ValueId) -> Vec<f64> {
        self.inputs[&input].to_f64()
    }

    /// `value` where `input` is `numbers`.
    pub(crate) fn value(&self, value: ValueId, input: ValueId, numbers: &[f64]) -> Vec<f64> {
        let graph = Graph { outputs: vec![value], ..self.graph.clone() };
        let moved = Tensor::f64(graph.shape(input).unwrap(), numbers);
        let tensor = |id: &ValueId| if *id == input { moved.clone() } else { self.inputs[id].clone() };
        let inputs: Vec<Tensor> = graph.inputs.iter().map(tensor).collect();
        run(&graph, &inputs)[0].to_f64()
    }

    /// What `query` comes to, fed with the inputs' numbers and the `cotangents`: in ONNX's operators as with ours.
    pub(crate) fn run(&self, query: &Query, cotangents: &[&[f64]]) -> Vec<Vec<f64>> {
        let [portable, own] =
            [OwnKernels::NONE, OwnKernels::ALL].map(|kernels| self.run_with(kernels, query, cotangents));
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
        assert!(portable.iter().flatten().zip(own.iter().flatten()).all(close), "the two forms differ");
        portable
    }

    fn run_with(&self, kernels: OwnKernels, query: &Query, cotangents: &[&[f64]]) -> Vec<Vec<f64>> {
        let graph = differentiate_for(kernels, &self.graph, query, &DerivedConstants::default()).unwrap();
        let mut inputs: Vec<Tensor> = query.feeds.iter().map(|id| self.inputs[id].clone()).collect();
        let fed = query.cotangents.iter().filter(|(_, kind)| *kind == CotangentKind::Fed);
        for ((id, _), data) in fed.zip(cotangents) {
            inputs.push(Tensor::f64(self.graph.shape(*id).unwrap(), data));
        }
        execute(&graph, &inputs)
    }

    /// The gradients by `wrt` for these cotangents.
    pub(crate) fn gradient(&self, cotangents: &[(ValueId, &[f64])], wrt: &[ValueId]) -> Vec<Vec<f64>> {
        let query = Query {
            feeds: self.graph.inputs.clone(),
            cotangents: cotangents.iter().map(|(id, _)| (*id, CotangentKind::Fed)).collect(),
            wrt: wrt.to_vec(),
            ..Query::default()
        };
        let data: Vec<&[f64]> = cotangents.iter().map(|(_, data)| *data).collect();
        self.run(&query, &data)
    }
}

fn run(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let program = ReferenceRuntime.compile(graph, CompileOptions { optimise: false, threads: 1 }).unwrap();
    ReferenceRuntime.execute(&program, inputs).unwrap()
}

pub(crate) fn execute(graph: &Graph, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    run(graph, inputs).iter().map(Tensor::to_f64).collect()
}

/// Smooth numbers from -1 to 1 that do not repeat.
fn wave(count: i64, phase: f64) -> Vec<f64> {
    (0..count).map(|index| (index as f64 * 1.7 + phase).sin()).collect()
}

/// Convolutions (dense with stride 2, depthwise with stride 2 and uneven pads, pointwise), batch normalisation, ReLU6,
/// a residual sum, pools and a linear layer, on two 3×13×13 pictures: the graph, its input and its logits.
pub(crate) fn small_network(opset: i64) -> (Net, ValueId, ValueId) {
    let mut net = Net::new(opset);
    let weights = |net: &mut Net, shape: &[i64], phase: f64| {
        let numbers: Vec<f32> = wave(shape.iter().product(), phase).iter().map(|number| *number as f32 * 0.6).collect();
        net.constant(Tensor::f32(shape, &numbers))
    };
    let x = net.input("x", &[2, 3, 13, 13], &wave(2 * 3 * 13 * 13, 0.3));
    let kernel = weights(&mut net, &[4, 3, 3, 3], 1.0);
    let stem =
        net.nodes("Conv", &[x, kernel], 1, [("strides", vec![2, 2].into()), ("pads", vec![1, 1, 1, 1].into())])[0];
    let scale = weights(&mut net, &[4], 2.0);
    let mean = weights(&mut net, &[4], 3.0);
    let variance = net.constant(Tensor::f32(&[4], &[0.5, 1.0, 1.5, 2.0]));
    let normal = net.node("BatchNormalization", &[stem, scale, mean, mean, variance]);
    let active = if opset >= 11 {
        let bounds = [0.0, 1.5].map(|bound| net.constant(Tensor::f32(&[], &[bound])));
        net.node("Clip", &[normal, bounds[0], bounds[1]])
    } else {
        net.nodes("Clip", &[normal], 1, [("min", 0.0.into()), ("max", 1.5.into())])[0]
    };
    let kernel = weights(&mut net, &[4, 1, 3, 3], 4.0);
    let attributes = [("strides", vec![2, 2].into()), ("pads", vec![0, 0, 1, 1].into()), ("group", 4.into())];
    let depthwise = net.nodes("Conv", &[active, kernel], 1, attributes)[0];
    let window =
        [("kernel_shape", vec![3, 3].into()), ("strides", vec![2, 2].into()), ("pads", vec![0, 0, 1, 1].into())];
    let pooled = net.nodes("MaxPool", &[active], 1, window)[0];
    let residual = net.node("Add", &[depthwise, pooled]);
    let kernel = weights(&mut net, &[5, 4, 1, 1], 5.0);
    let pointwise = net.node("Conv", &[residual, kernel]);
    let soft = net.node("Sigmoid", &[pointwise]);
    let window = [("kernel_shape", vec![2, 2].into()), ("strides", vec![1, 1].into())];
    let averaged = net.nodes("AveragePool", &[soft], 1, window)[0];
    let pooled = net.node("GlobalAveragePool", &[averaged]);
    let flat = net.node("Flatten", &[pooled]);
    let matrix = weights(&mut net, &[5, 3], 6.0);
    let bias = weights(&mut net, &[3], 7.0);
    let logits = net.node("Gemm", &[flat, matrix, bias]);
    (net, x, logits)
}
