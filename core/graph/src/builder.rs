//! Adds nodes to a specialised graph: unique names, constants deduplicated, the static shape of everything it makes,
//! and each operator in the form that the file's opset wants. Knows no derivative.
//!
//! Every method returns the value that it made, or an existing one where nothing needs to be done.

mod arithmetic;
mod derived;
mod indexing;
mod layout;
mod phases;
mod window;

pub use derived::DerivedConstants;
pub(crate) use phases::Phases;
pub use window::Window;

use crate::own::{self, Mask, OwnKernels};
use crate::{Attribute, Dtype, Error, Graph, Node, Tensor, ValueId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f32> for Attribute {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

impl From<Vec<i64>> for Attribute {
    fn from(value: Vec<i64>) -> Self {
        Self::Ints(value)
    }
}

impl From<&str> for Attribute {
    fn from(value: &str) -> Self {
        Self::String(value.as_bytes().to_vec())
    }
}

/// See the module.
#[derive(Debug)]
pub struct Builder<'d> {
    graph: Graph,
    derived: &'d DerivedConstants,
    kernels: OwnKernels,
    names: HashSet<String>,
    constants: HashMap<(Dtype, Vec<i64>, bytes::Bytes), ValueId>,
    shared: HashMap<*const Tensor, ValueId>,
    phases: HashMap<ValueId, Phases>,
    scope: String,
}

impl<'d> Builder<'d> {
    /// Goes on building `graph`, whose shapes are known.
    #[must_use]
    pub fn new(graph: Graph, derived: &'d DerivedConstants) -> Self {
        let names = graph.values.iter().map(|value| value.name.clone()).collect();
        let shared = graph.constants.iter().map(|(id, tensor)| (Arc::as_ptr(tensor), *id)).collect();
        let (kernels, constants, phases) = (OwnKernels::default(), HashMap::new(), HashMap::new());
        Self { graph, derived, kernels, names, constants, shared, phases, scope: String::new() }
    }

    /// The same, for an engine that has `kernels`.
    #[must_use]
    pub fn with_kernels(self, kernels: OwnKernels) -> Self {
        Self { kernels, ..self }
    }

    /// The operators of our own that may be used.
    pub(crate) fn kernels(&self) -> OwnKernels {
        self.kernels
    }

    /// What has been built so far.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What has been built so far, to be changed.
    pub(crate) fn graph_mut(&mut self) -> &mut Graph {
        &mut self.graph
    }

    /// Ends building.
    #[must_use]
    pub fn finish(self) -> Graph {
        self.graph
    }

    /// Names what is made from now on after `scope`, so that a profile of the graph can be read.
    pub fn set_scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    /// The version of ONNX's own operators that the graph uses.
    #[must_use]
    pub fn opset(&self) -> i64 {
        self.graph.opset
    }

    /// The shape of `value`.
    ///
    /// # Errors
    /// If it is not known, because the graph was not specialised.
    pub fn shape(&self, value: ValueId) -> Result<Vec<i64>, Error> {
        let shape = self.graph.shape(value).or_else(|| self.graph.constant(value).map(|tensor| tensor.shape()));
        shape.map(<[i64]>::to_vec).ok_or_else(|| {
            Error::invalid_request(format!(
                "the shape of {:?} is not known: specialise the graph before differentiating it",
                self.graph.value(value).name
            ))
        })
    }

    /// The tensor behind `value`, if it is a constant.
    #[must_use]
    pub fn constant(&self, value: ValueId) -> Option<Arc<Tensor>> {
        self.graph.constant(value).cloned()
    }

    /// A new value named after `stem`.
    pub fn fresh(&mut self, stem: &str, shape: Vec<i64>) -> ValueId {
        let stem = if self.scope.is_empty() { stem.to_owned() } else { format!("{}/{stem}", self.scope) };
        let mut name = stem.clone();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            count += 1;
            name = format!("{stem}_{count}");
        }
        self.graph.add_value(name, Some(shape))
    }

    /// Appends `op` with one output of `shape`.
    pub fn node<const N: usize>(
        &mut self,
        op: &str,
        inputs: &[ValueId],
        attributes: [(&str, Attribute); N],
        shape: Vec<i64>,
    ) -> ValueId {
        self.node_of("", op, inputs, attributes, shape)
    }

    /// `g` where `mask` lets `x`, of the same shape, pass, else 0: an operator of our own, which not every engine has.
    ///
    /// # Errors
    /// If the shape is not known.
    pub fn mask(&mut self, g: ValueId, x: ValueId, mask: Mask) -> Result<ValueId, Error> {
        let shape = self.shape(g)?;
        self.graph.domains.insert(own::DOMAIN.into(), 1);
        Ok(self.node_of(own::DOMAIN, own::MASK, &[g, x], mask.attributes(), shape))
    }

    /// `g` where the maxima of `window` over `x` are, of two spatial axes: an operator of our own, which not every engine has.
    ///
    /// # Errors
    /// If the shape is not known.
    pub fn max_pool_grad(&mut self, g: ValueId, x: ValueId, window: &Window) -> Result<ValueId, Error> {
        let shape = self.shape(x)?;
        self.graph.domains.insert(own::DOMAIN.into(), 1);
        Ok(self.node_of(own::DOMAIN, own::MAX_POOL_GRAD, &[g, x], window.pool_attributes(), shape))
    }

    /// A map of `shape` (N×C×H×W) of the `phases` that are given, by their number: an operator of our own, which not every engine
    /// has.
    pub(crate) fn interleaved(&mut self, phases: &[(i64, ValueId)], stride: i64, shape: &[i64]) -> ValueId {
        let (numbers, parts): (Vec<_>, Vec<_>) = phases.iter().copied().unzip();
        let attributes = [("stride", stride.into()), ("phases", numbers.into()), ("size", shape[2..].to_vec().into())];
        self.graph.domains.insert(own::DOMAIN.into(), 1);
        self.node_of(own::DOMAIN, own::INTERLEAVE, &parts, attributes, shape.to_vec())
    }

    fn node_of<const N: usize>(
        &mut self,
        domain: &str,
        op: &str,
        inputs: &[ValueId],
        attributes: [(&str, Attribute); N],
        shape: Vec<i64>,
    ) -> ValueId {
        let output = self.fresh(op, shape);
        self.graph.nodes.push(Node {
            name: self.graph.value(output).name.clone(),
            domain: domain.to_owned(),
            op: op.to_owned(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(output)],
            attributes: BTreeMap::from(attributes.map(|(name, value)| (name.to_owned(), value))),
        });
        output
    }

    /// Output `index` of the node that makes `first` as its first output, added to that node if it is not there yet.
    ///
    /// # Errors
    /// If no node makes `first`.
    pub fn further_output(&mut self, first: ValueId, index: usize, shape: Vec<i64>) -> Result<ValueId, Error> {
        let position = self.graph.nodes.iter().position(|node| node.outputs.first() == Some(&Some(first)));
        let position = position.ok_or_else(|| {
            Error::invalid_request(format!("{:?} is not computed by a node", self.graph.value(first).name))
        })?;
        if let Some(Some(output)) = self.graph.nodes[position].outputs.get(index) {
            return Ok(*output);
        }
        let output = self.fresh("indices", shape);
        let outputs = &mut self.graph.nodes[position].outputs;
        outputs.resize(outputs.len().max(index + 1), None);
        outputs[index] = Some(output);
        Ok(output)
    }

    /// A constant with the content of `tensor`.
    pub fn tensor(&mut self, tensor: Tensor) -> ValueId {
        let key = (tensor.dtype(), tensor.shape().to_vec(), tensor.bytes().clone());
        if let Some(value) = self.constants.get(&key) {
            return *value;
        }
        let value = self.share(Arc::new(tensor));
        self.constants.insert(key, value);
        value
    }

    /// A float32 constant.
    pub fn floats(&mut self, shape: &[i64], data: &[f32]) -> ValueId {
        self.tensor(Tensor::f32(shape, data))
    }

    /// A float32 constant of rank 0.
    pub fn scalar(&mut self, value: f32) -> ValueId {
        self.floats(&[], &[value])
    }

    /// An int64 constant of rank 1.
    pub fn ints(&mut self, data: &[i64]) -> ValueId {
        self.tensor(Tensor::i64(&[data.len() as i64], data))
    }

    /// Zeros of `shape`.
    pub fn zeros(&mut self, shape: &[i64]) -> ValueId {
        let elements = shape.iter().product::<i64>();
        self.floats(shape, &vec![0.0; elements as usize])
    }

    /// A constant computed by `make` from `weights`, computed once for all graphs that share the same weights.
    /// `recipe` names what `make` does, with everything that it depends on besides the weights.
    pub fn derive(&mut self, weights: &[&Arc<Tensor>], recipe: String, make: impl FnOnce() -> Tensor) -> ValueId {
        let tensor = self.derived.get(weights, recipe, make);
        self.share(tensor)
    }

    fn share(&mut self, tensor: Arc<Tensor>) -> ValueId {
        if let Some(value) = self.shared.get(&Arc::as_ptr(&tensor)) {
            return *value;
        }
        let value = self.fresh("constant", tensor.shape().to_vec());
        self.shared.insert(Arc::as_ptr(&tensor), value);
        self.graph.constants.insert(value, tensor);
        value
    }
}
