//! Weights that several sessions read from one place: the engine is lent the same memory for the same `Arc`, and for what
//! it has packed to the same bytes, however many programs are compiled from one model.

use crate::runtime::OrtError;
use crate::value::Lent;
use bytes::Bytes;
use ort::session::builder::PrepackedWeights;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
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

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// In bytes.
    pub(crate) fn len(&self) -> usize {
        self.tensor.bytes().len()
    }

    /// Whether it is the same numbers in the same shape.
    pub(crate) fn is(&self, tensor: &Tensor) -> bool {
        *self.tensor == *tensor
    }

    pub(crate) fn address(&self) -> usize {
        self.tensor.bytes().as_ptr() as usize
    }
}

/// Weights in use, by the address of their tensor, or by their bytes. Weak: when the last program is gone, so is the weight.
pub(crate) struct Weights {
    by_address: Mutex<HashMap<usize, Weak<Weight>>>,
    by_bytes: Mutex<HashMap<u64, Weak<Weight>>>,
    /// Those that were made of others, by what they were made of.
    #[cfg(target_arch = "x86_64")]
    made: Mutex<HashMap<[u64; 2], Weak<Weight>>>,
    hasher: RandomState,
    /// What the engine packs of them when a session is made, in the engine's own keeping, and how many sessions have been
    /// given it.
    packed: Mutex<(PrepackedWeights, usize)>,
}

/// The engine forgets nothing of what it has packed as long as a session has been given it. So after this many sessions what
/// comes next is packed anew, and the old goes with its sessions.
const SESSIONS: usize = 256;

/// What the engine's kernels read at once, and where its own allocator begins.
const LINE: usize = 64;

impl Weights {
    /// None yet. The engine has been loaded.
    pub(crate) fn new() -> Self {
        Self {
            by_address: Mutex::default(),
            by_bytes: Mutex::default(),
            #[cfg(target_arch = "x86_64")]
            made: Mutex::default(),
            hasher: RandomState::new(),
            packed: Mutex::new((PrepackedWeights::new(), 0)),
        }
    }

    /// For one more session.
    pub(crate) fn packed(&self) -> PrepackedWeights {
        let mut packed = self.packed.lock();
        if packed.1 == SESSIONS {
            *packed = (PrepackedWeights::new(), 0);
        }
        packed.1 += 1;
        packed.0.clone()
    }

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

    /// All of `tensors`, by their names.
    ///
    /// # Errors
    /// As [`Weights::share`].
    pub(crate) fn share_all(&self, tensors: &[(String, Arc<Tensor>)]) -> Result<Vec<(String, Arc<Weight>)>, OrtError> {
        tensors.iter().map(|(name, tensor)| Ok((name.clone(), self.share(tensor)?))).collect()
    }

    /// The one weight of the bytes of `tensor`, which is copied if there is none yet.
    ///
    /// # Errors
    /// If the engine refuses the tensor.
    pub(crate) fn intern(&self, tensor: &Tensor) -> Result<Arc<Weight>, OrtError> {
        let hash = self.hasher.hash_one((tensor.dtype(), tensor.shape(), &tensor.bytes()[..]));
        let mut by_bytes = self.by_bytes.lock();
        if let Some(weight) = by_bytes.get(&hash).and_then(Weak::upgrade)
            && *weight.tensor == *tensor
        {
            return Ok(weight);
        }
        by_bytes.retain(|_, weight| weight.strong_count() > 0);
        let tensor = Arc::new(Tensor::new(tensor.dtype(), tensor.shape().to_vec(), at_a_line(tensor.bytes())));
        let weight = Arc::new(Weight { lent: Lent::new(&tensor)?, tensor });
        by_bytes.insert(hash, Arc::downgrade(&weight));
        Ok(weight)
    }
}

#[cfg(target_arch = "x86_64")]
impl Weights {
    /// The one weight that `make` makes of `source`, by a `recipe` that says what that is. What it was made of is not kept.
    ///
    /// # Errors
    /// If the engine refuses what was made.
    pub(crate) fn made(
        &self,
        source: &Tensor,
        recipe: impl Hash,
        make: impl FnOnce() -> Tensor,
    ) -> Result<Arc<Weight>, OrtError> {
        // 128 bits by a key that nobody knows: what was hashed is not there any more to be compared.
        let key = [0, 1]
            .map(|half: u8| self.hasher.hash_one((half, &recipe, source.dtype(), source.shape(), &source.bytes()[..])));
        let mut made = self.made.lock();
        if let Some(weight) = made.get(&key).and_then(Weak::upgrade) {
            return Ok(weight);
        }
        made.retain(|_, weight| weight.strong_count() > 0);
        let tensor = make();
        let tensor = Arc::new(Tensor::new(tensor.dtype(), tensor.shape().to_vec(), at_a_line(tensor.bytes())));
        let weight = Arc::new(Weight { lent: Lent::new(&tensor)?, tensor });
        made.insert(key, Arc::downgrade(&weight));
        Ok(weight)
    }
}

/// A copy of `bytes` that begins at a line.
fn at_a_line(bytes: &[u8]) -> Bytes {
    let mut memory = vec![0; bytes.len() + LINE];
    let start = memory.as_ptr().align_offset(LINE).min(LINE);
    memory[start..start + bytes.len()].copy_from_slice(bytes);
    Bytes::from(memory).slice(start..start + bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn what_is_made_of_a_weight_is_made_once_while_somebody_has_it() {
        let _runtime = crate::blocked::testing::runtime();
        let (weights, mut made) = (Weights::new(), 0);
        let mut of = |source: &Tensor, times: u8| {
            let make = || {
                made += 1;
                let numbers = source.to_f32().unwrap();
                Tensor::f32(source.shape(), &numbers.iter().map(|n| f32::from(times) * n).collect::<Vec<_>>())
            };
            (weights.made(source, times, make).unwrap(), made)
        };
        let numbers = Tensor::f32(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let ((first, _), (again, count)) = (of(&numbers, 2), of(&numbers.clone(), 2));
        assert!(Arc::ptr_eq(&first, &again) && count == 1);
        assert_eq!(first.tensor().to_f32().unwrap()[..], [2.0, 4.0, 6.0, 8.0]);
        // As many numbers in another shape are another source.
        assert_eq!(of(&Tensor::f32(&[4], &[1.0, 2.0, 3.0, 4.0]), 2).1, 2);
        assert_eq!(of(&numbers, 3).0.tensor().to_f32().unwrap()[..], [3.0, 6.0, 9.0, 12.0]);
        drop((first, again));
        assert_eq!(of(&numbers, 2).1, 4, "nobody had it any more");
    }

    #[test]
    fn a_copy_begins_at_a_line_wherever_the_bytes_did() {
        let bytes: Vec<u8> = (0..=255).collect();
        for start in 0..9 {
            let copy = at_a_line(&bytes[start..]);
            assert_eq!(copy, bytes[start..]);
            assert_eq!(copy.as_ptr().align_offset(LINE), 0);
        }
    }
}
