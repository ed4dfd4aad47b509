//! A node about to run: its inputs, and what is read of its attributes by more than one family.

use super::value::Value;
use super::{Result, TorchError};
use std::rc::Rc;
use tch::{Device, Tensor as Torch};
use whyglass_graph::Node;

pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) opset: i64,
    pub(super) device: Device,
    pub(super) inputs: Vec<Option<Rc<Value>>>,
}

impl Call<'_> {
    pub(super) fn input(&self, index: usize) -> Result<&Value> {
        self.optional(index).ok_or_else(|| TorchError::Graph(format!("input {index} is missing")))
    }

    pub(super) fn tensor(&self, index: usize) -> Result<&Torch> {
        Ok(&self.input(index)?.tensor)
    }

    pub(super) fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_deref)
    }

    pub(super) fn optional_tensor(&self, index: usize) -> Option<&Torch> {
        self.optional(index).map(|value| &value.tensor)
    }

    /// A list of integers that is an attribute or, in later opsets, an input.
    pub(super) fn list(&self, name: &str, index: usize) -> Result<Option<Vec<i64>>> {
        match self.node.ints(name) {
            Some(values) => Ok(Some(values.to_vec())),
            None => self.optional(index).map(Value::ints).transpose(),
        }
    }

    /// The attribute `axis`, wrapped at `rank`.
    pub(super) fn axis(&self, default: i64, rank: usize) -> Result<i64> {
        wrap(self.node.int("axis", default), rank)
    }

    pub(super) fn unsupported<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(TorchError::Unsupported { op: self.node.op.clone(), what: what.into() })
    }
}

/// A possibly negative axis as one below `rank`.
pub(super) fn wrap(axis: i64, rank: usize) -> Result<i64> {
    wrap_end(axis, rank).and_then(|wrapped| if wrapped < rank as i64 { Ok(wrapped) } else { Err(outside(axis, rank)) })
}

/// The same where everything from an axis on is meant, which may be nothing.
pub(super) fn wrap_end(axis: i64, rank: usize) -> Result<i64> {
    let wrapped = if axis < 0 { axis + rank as i64 } else { axis };
    if (0..=rank as i64).contains(&wrapped) { Ok(wrapped) } else { Err(outside(axis, rank)) }
}

fn outside(axis: i64, rank: usize) -> TorchError {
    TorchError::Graph(format!("axis {axis} of rank {rank}"))
}

/// One output.
pub(super) fn one(tensor: Result<Torch>) -> Result<Vec<Value>> {
    tensor.map(|tensor| vec![Value::of(tensor)])
}
