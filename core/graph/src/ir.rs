//! The graph as this crate holds it: values by number, nodes in topological order, constants apart.
//!
//! It is ONNX's own graph with the noise removed: nodes keep the operator, attributes and opset of the file, so that
//! what is not understood can still be run. Reading and writing files is next door.

use crate::Tensor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value of a [`Graph`]: an index into its table of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// What is known of a value.
#[derive(Clone, Debug, Default)]
pub struct Value {
    /// Unique in the graph; the file's own name where it has one.
    pub name: String,
    /// Concrete, once the graph is specialised.
    pub shape: Option<Vec<i64>>,
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    String(Vec<u8>),
    Tensor(Arc<Tensor>),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strings(Vec<Vec<u8>>),
}

/// One operator application. Outputs that nobody reads may be `None`, as may optional inputs.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    /// Empty for ONNX's own operators.
    pub domain: String,
    pub op: String,
    pub inputs: Vec<Option<ValueId>>,
    pub outputs: Vec<Option<ValueId>>,
    pub attributes: BTreeMap<String, Attribute>,
}

impl Node {
    /// Input `index`, if it is present.
    #[must_use]
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// The integer attribute `name`, or `default`.
    #[must_use]
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => *value,
            _ => default,
        }
    }

    /// The float attribute `name`, or `default`.
    #[must_use]
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => *value,
            _ => default,
        }
    }

    /// The integer list `name`, if it is there.
    #[must_use]
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// The string attribute `name`, if it is there and UTF-8.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Attribute::String(value)) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }
}

/// A graph with inputs, outputs and constants. Nodes are in topological order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Version of ONNX's own operator set.
    pub opset: i64,
    /// Versions of further operator sets, by domain.
    pub domains: BTreeMap<String, i64>,
    pub nodes: Vec<Node>,
    pub inputs: Vec<ValueId>,
    pub outputs: Vec<ValueId>,
    /// Weights and other constants. The same `Arc` in several graphs is the same memory: runtimes share by its address.
    pub constants: BTreeMap<ValueId, Arc<Tensor>>,
    pub values: Vec<Value>,
}

impl Graph {
    /// Adds a value called `name`, made unique with a suffix where it is taken is the caller's business.
    pub fn add_value(&mut self, name: impl Into<String>, shape: Option<Vec<i64>>) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).expect("fewer than 2^32 values"));
        self.values.push(Value { name: name.into(), shape });
        id
    }

    #[must_use]
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// The concrete shape of `id`, once the graph is specialised.
    #[must_use]
    pub fn shape(&self, id: ValueId) -> Option<&[i64]> {
        self.value(id).shape.as_deref()
    }

    /// The value called `name`. Linear: build a map where it is asked often.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|value| value.name == name).map(|index| ValueId(index as u32))
    }

    #[must_use]
    pub fn constant(&self, id: ValueId) -> Option<&Arc<Tensor>> {
        self.constants.get(&id)
    }
}
