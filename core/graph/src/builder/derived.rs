//! Constants made from weights (flipped kernels, phase kernels, scales), each made once and shared by every graph of a
//! model, as the weights are.

use crate::Tensor;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// See the module. Lives as long as the model.
#[derive(Debug, Default)]
pub struct DerivedConstants {
    made: Mutex<HashMap<Key, Made>>,
}

/// Weights by address, and what was done with them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    weights: Vec<usize>,
    recipe: String,
}

#[derive(Debug)]
struct Made {
    /// Held, so that their addresses name them for good.
    _weights: Vec<Arc<Tensor>>,
    tensor: Arc<Tensor>,
}

impl DerivedConstants {
    /// The constant that `make` makes from `weights`; `recipe` names what it does.
    pub(super) fn get(&self, weights: &[&Arc<Tensor>], recipe: String, make: impl FnOnce() -> Tensor) -> Arc<Tensor> {
        let key = Key { weights: weights.iter().map(|weight| Arc::as_ptr(weight) as usize).collect(), recipe };
        let mut made = self.made.lock();
        let entry = made.entry(key).or_insert_with(|| Made {
            _weights: weights.iter().map(|weight| Arc::clone(weight)).collect(),
            tensor: Arc::new(make()),
        });
        Arc::clone(&entry.tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_recipe_for_the_same_weight_is_the_same_memory() {
        let derived = DerivedConstants::default();
        let weight = Arc::new(Tensor::f32(&[1], &[2.0]));
        let twin = Arc::new(Tensor::f32(&[1], &[2.0]));
        let make = || Tensor::f32(&[1], &[4.0]);
        let first = derived.get(&[&weight], "square".into(), make);
        assert!(Arc::ptr_eq(&first, &derived.get(&[&weight], "square".into(), make)));
        assert!(!Arc::ptr_eq(&first, &derived.get(&[&weight], "double".into(), make)));
        assert!(!Arc::ptr_eq(&first, &derived.get(&[&twin], "square".into(), make)));
    }
}
