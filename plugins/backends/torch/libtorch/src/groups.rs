//! Classes of a file put together into fewer: the logit of a group is its log-odds, log Σ exp z over it less log Σ exp z
//! over the rest; what is in no group is one more, `other`.

use crate::error::torch;
use tch::{Device, Kind, Tensor};
use whyglass_sdk::{Error, Result};

/// Indices inside of each group, and outside of it.
pub(crate) struct Groups(Vec<(Tensor, Tensor)>);

// SAFETY: libtorch's tensors may be read from several threads at once; these are never written to.
unsafe impl Sync for Groups {}

impl Groups {
    /// Checks `groups` of `classes` classes and completes them.
    ///
    /// # Errors
    /// A group without members, a class that is not there or in two groups, or nothing left for the rest.
    pub(crate) fn new(groups: &[Vec<u32>], classes: usize, device: Device) -> Result<Self> {
        let mut owner: Vec<Option<usize>> = vec![None; classes];
        let wrong = |what: String| Error::failed_precondition("NO_CLASSIFIER", what).with_field("groups");
        for (index, group) in groups.iter().enumerate() {
            if group.is_empty() {
                return Err(wrong(format!("group {index} has no classes")));
            }
            for &class in group {
                let slot = owner.get_mut(class as usize);
                let slot = slot.ok_or_else(|| wrong(format!("group {index} names class {class} of {classes}")))?;
                if let Some(first) = slot.replace(index) {
                    return Err(wrong(format!("class {class} is in group {first} and in group {index}")));
                }
            }
        }
        if owner.iter().all(Option::is_some) {
            return Err(wrong("every class is in a group: leave some for `other`".to_owned()));
        }
        let indices = |member: &dyn Fn(Option<usize>) -> bool| {
            let all: Vec<i64> = (0..classes).filter(|&class| member(owner[class])).map(|class| class as i64).collect();
            Tensor::f_from_slice(&all).and_then(|indices| indices.f_to_device(device)).map_err(torch)
        };
        let each = (0..groups.len()).map(Some).chain([None]);
        let sets = each.map(|group| Ok((indices(&|other| other == group)?, indices(&|other| other != group)?)));
        Ok(Self(sets.collect::<Result<_>>()?))
    }

    /// The groups' logits and probabilities, N×groups, from the file's own logits.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn apply(&self, logits: &Tensor) -> Result<(Tensor, Tensor)> {
        let log_sum = |set: &Tensor| logits.f_index_select(1, set)?.f_logsumexp([1], true);
        let odds = self.0.iter().map(|(inside, outside)| log_sum(inside)?.f_sub(&log_sum(outside)?));
        let odds = odds.collect::<Result<Vec<_>, _>>().and_then(|odds| Tensor::f_cat(&odds, 1)).map_err(torch)?;
        let probabilities = odds.f_sigmoid().map_err(torch)?;
        Ok((odds, probabilities))
    }
}

/// The probabilities of plain logits.
///
/// # Errors
/// If libtorch fails.
pub(crate) fn softmax(logits: &Tensor) -> Result<Tensor> {
    logits.f_softmax(1, Kind::Float).map_err(torch)
}
