//! One node, and how it is run: forward on libtorch and in plain loops, backward by the graph crate and by autograd.

use crate::values::{In, floats};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use whyglass_graph::{
    Attribute, CompileOptions, CotangentKind, DerivedConstants, Graph, Node, Query, ReferenceRuntime, Runtime, Tensor,
    differentiate,
};
use whyglass_libtorch::TorchRuntime;

const OPTIONS: CompileOptions = CompileOptions { optimise: false, threads: 1 };

#[derive(Clone, Debug)]
pub(crate) struct Case {
    op: &'static str,
    opset: i64,
    inputs: Vec<In>,
    attributes: BTreeMap<String, Attribute>,
    outputs: usize,
}

pub(crate) fn case(op: &'static str, opset: i64, inputs: impl Into<Vec<In>>) -> Case {
    Case { op, opset, inputs: inputs.into(), attributes: BTreeMap::new(), outputs: 1 }
}

impl Case {
    pub(crate) fn with(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn outputs(mut self, outputs: usize) -> Self {
        self.outputs = outputs;
        self
    }

    pub(crate) fn op(&self) -> &'static str {
        self.op
    }

    pub(crate) fn is_differentiated(&self) -> bool {
        self.inputs.iter().any(|input| matches!(input, In::By(_)))
    }

    /// The graph of this one node, and what to feed: what is differentiated by.
    fn graph(&self) -> (Graph, Vec<Tensor>) {
        let mut graph = Graph { opset: self.opset, ..Graph::default() };
        let mut ids = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            ids.push(match input {
                In::Missing => None,
                In::By(tensor) | In::Fixed(tensor) => {
                    Some(graph.add_value(format!("x{index}"), Some(tensor.shape().to_vec())))
                }
            });
        }
        let mut fed = Vec::new();
        for (id, input) in ids.iter().zip(&self.inputs) {
            match (id, input) {
                (Some(id), In::By(tensor)) => {
                    graph.inputs.push(*id);
                    fed.push(tensor.clone());
                }
                (Some(id), In::Fixed(tensor)) => drop(graph.constants.insert(*id, Arc::new(tensor.clone()))),
                _ => {}
            }
        }
        graph.outputs = (0..self.outputs).map(|index| graph.add_value(format!("y{index}"), None)).collect();
        graph.nodes.push(Node {
            name: "node".into(),
            domain: String::new(),
            op: self.op.to_owned(),
            inputs: ids,
            outputs: graph.outputs.iter().copied().map(Some).collect(),
            attributes: self.attributes.clone(),
        });
        (graph, fed)
    }

    /// How far libtorch is from the plain loops at worst, of the largest number.
    pub(crate) fn forward(&self) -> f64 {
        let (graph, fed) = self.graph();
        self.apart(
            &self.run(&TorchRuntime::on(None).unwrap(), &graph, &fed),
            &self.run(&ReferenceRuntime, &graph, &fed),
        )
    }

    /// How far the gradients of the graph crate are from those of autograd at worst, of the largest.
    pub(crate) fn backward(&self) -> f64 {
        let (mut graph, fed) = self.graph();
        let runtime = TorchRuntime::on(None).unwrap();
        let values = self.run(&runtime, &graph, &fed);
        for (id, value) in graph.outputs.clone().iter().zip(&values) {
            graph.values[id.0 as usize].shape = Some(value.shape().to_vec());
        }
        let cotangents: Vec<Tensor> =
            values.iter().enumerate().map(|(index, value)| floats(value.shape(), 101 + index)).collect();
        let program = runtime.compile(&graph, OPTIONS).unwrap();
        let wanted = program.autograd(&fed, &cotangents).unwrap_or_else(|error| panic!("{self}: {error}"));
        let query = Query {
            feeds: graph.inputs.clone(),
            cotangents: graph.outputs.iter().map(|id| (*id, CotangentKind::Fed)).collect(),
            wrt: graph.inputs.clone(),
            ..Query::default()
        };
        let backward = differentiate(&graph, &query, &DerivedConstants::default());
        let backward = backward.unwrap_or_else(|error| panic!("{self}: {error}"));
        self.apart(&self.run(&runtime, &backward, &[fed, cotangents].concat()), &wanted)
    }

    fn run<R: Runtime>(&self, runtime: &R, graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
        let program = runtime.compile(graph, OPTIONS);
        let program = program.unwrap_or_else(|error| panic!("{self} on {}: {error}", runtime.name()));
        runtime.execute(&program, inputs).unwrap_or_else(|error| panic!("{self} on {}: {error}", runtime.name()))
    }

    fn apart(&self, found: &[Tensor], wanted: &[Tensor]) -> f64 {
        assert_eq!(found.len(), wanted.len(), "{self}");
        let mut worst = 0.0_f64;
        for (found, wanted) in found.iter().zip(wanted) {
            assert_eq!(found.shape(), wanted.shape(), "{self}");
            let (found, wanted) = (found.to_f64(), wanted.to_f64());
            let largest = wanted.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
            for (found, wanted) in found.iter().zip(&wanted) {
                assert!(found.is_finite() && wanted.is_finite(), "{self}: {found} instead of {wanted}");
                worst = worst.max((found - wanted).abs() / largest);
            }
        }
        worst
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{} ({})", self.op, self.opset);
        for (name, value) in &self.attributes {
            text += &match value {
                Attribute::Int(value) => format!(" {name}={value}"),
                Attribute::Float(value) => format!(" {name}={value}"),
                Attribute::String(value) => format!(" {name}={}", String::from_utf8_lossy(value)),
                Attribute::Ints(values) => format!(" {name}={values:?}"),
                _ => format!(" {name}"),
            };
        }
        f.pad(&text)
    }
}
