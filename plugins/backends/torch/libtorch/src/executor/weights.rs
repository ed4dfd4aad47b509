//! Weights that several programs read from one place: the same tensor of libtorch for the same `Arc`, however many programs
//! are compiled from one model.

use super::Result;
use super::value::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tch::Device;
use whyglass_graph::Tensor;

/// A constant on the device.
pub(crate) struct Weight {
    value: Value,
    tensor: Arc<Tensor>,
}

// SAFETY: libtorch's tensors may be read from several threads at once, and nothing writes into a weight.
unsafe impl Sync for Weight {}

impl Weight {
    pub(crate) fn value(&self) -> Value {
        self.value.share()
    }
}

/// Weights in use, by the address of their tensor. Weak: when the last program is gone, so is the weight.
#[derive(Default)]
pub(crate) struct Weights {
    by_address: Mutex<HashMap<usize, Weak<Weight>>>,
}

impl Weights {
    /// The one weight over `tensor`.
    ///
    /// # Errors
    /// If libtorch refuses the tensor.
    pub(crate) fn share(&self, tensor: &Arc<Tensor>, device: Device) -> Result<Arc<Weight>> {
        let address = Arc::as_ptr(tensor) as usize;
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        // An address may have been given to another tensor since: a living weight keeps its own tensor alive, so the
        // comparison below cannot be fooled.
        if let Some(weight) = by_address.get(&address).and_then(Weak::upgrade)
            && Arc::ptr_eq(&weight.tensor, tensor)
        {
            return Ok(weight);
        }
        by_address.retain(|_, weight| weight.strong_count() > 0);
        let weight = Arc::new(Weight { value: Value::constant(tensor, device)?, tensor: Arc::clone(tensor) });
        by_address.insert(address, Arc::downgrade(&weight));
        Ok(weight)
    }
}
