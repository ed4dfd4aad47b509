//! Weights that several sessions read from one place: the engine is lent the same memory for the same `Arc`, however
//! many programs are compiled from one model.

use crate::runtime::OrtError;
use crate::value::Lent;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use whyglass_graph::Tensor;

/// A constant that is lent to sessions.
pub(crate) struct Weight {
    // Dropped before the tensor: it points into its bytes.
    lent: Lent,
    tensor: Arc<Tensor>,
}

impl Weight {
    pub(crate) fn lent(&self) -> &Lent {
        &self.lent
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
    /// If the engine refuses the tensor.
    pub(crate) fn share(&self, tensor: &Arc<Tensor>) -> Result<Arc<Weight>, OrtError> {
        let address = Arc::as_ptr(tensor) as usize;
        let mut by_address = self.by_address.lock();
        // An address may have been given to another tensor since: a living weight keeps its own tensor alive, so the
        // comparison below cannot be fooled.
        if let Some(weight) = by_address.get(&address).and_then(Weak::upgrade)
            && Arc::ptr_eq(&weight.tensor, tensor)
        {
            return Ok(weight);
        }
        by_address.retain(|_, weight| weight.strong_count() > 0);
        let weight = Arc::new(Weight { lent: Lent::new(tensor)?, tensor: Arc::clone(tensor) });
        by_address.insert(address, Arc::downgrade(&weight));
        Ok(weight)
    }
}
