//! What a model gave for pictures themselves, for all who ask the same: each run asks for the scores and the features first,
//! and some techniques begin with the picture as it is. By whole call, threads included, so that an answer is bit for bit
//! what the call would give: a graph cut at other nodes, another number of threads and a row of a batch may round otherwise.
//! Pictures are compared, not hashed: 600 kB take 0.03 ms, SHA-256 0.3, a small network 5. It pays where a run is a few
//! evaluations: `grad-cam` at the features goes through the network once instead of twice, the second run about a picture
//! has its scores at once. To a sweep of hundreds, or to runs that begin at the same time, it is nothing.

use std::sync::Arc;

use parking_lot::Mutex;
use whyglass_abi::safe::OwnedTensor;
use whyglass_abi::{WG_OK, WgCall, WgModel, WgOwned, WgStatus};

use super::LoadedModel;
use crate::call::Call;

/// Calls that are remembered at most; each is looked at when one is sought.
const MOST: usize = 256;

/// A call that feeds a picture, alone, as `input`.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// As the run has it: equal to what is fed.
    pub picture: &'a Arc<Vec<f32>>,
    pub fetches: &'a [&'a str],
    pub threads: u32,
}

/// The memory of one model; it goes with the model.
#[derive(Debug)]
pub(super) struct Activations {
    /// Bytes of pictures and values; 0: nothing is remembered.
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The last one was used last. Those of one picture share it.
    entries: Vec<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    picture: Arc<Vec<f32>>,
    fetches: Vec<String>,
    threads: u32,
    values: Arc<[OwnedTensor]>,
}

impl Activations {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.limit > 0
    }

    /// Larger ones would push out too much at once.
    fn fits(&self, value: &OwnedTensor) -> bool {
        size_of_val(value.data()) <= self.limit / 4
    }

    fn recall(&self, asked: Asked<'_>) -> Option<Arc<[OwnedTensor]>> {
        self.kept.lock().used(asked)
    }

    fn remember(&self, asked: Asked<'_>, values: Vec<OwnedTensor>) {
        let mut kept = self.kept.lock();
        // Another run may have asked meanwhile.
        if kept.used(asked).is_some() {
            return;
        }
        let known = kept.entries.iter().find(|entry| same(&entry.picture, asked.picture));
        let picture = Arc::clone(known.map_or(asked.picture, |entry| &entry.picture));
        let fetches = asked.fetches.iter().map(|&fetch| fetch.to_owned()).collect();
        kept.add(Entry { picture, fetches, threads: asked.threads, values: values.into() });
        while kept.bytes > self.limit || kept.entries.len() > MOST {
            kept.forget_first();
        }
    }
}

impl Kept {
    /// The values of this call, which is now the one that was used last.
    fn used(&mut self, asked: Asked<'_>) -> Option<Arc<[OwnedTensor]>> {
        let place = self.entries.iter().position(|entry| entry.answers(asked))?;
        self.entries[place..].rotate_left(1);
        self.entries.last().map(|entry| Arc::clone(&entry.values))
    }

    fn add(&mut self, entry: Entry) {
        self.bytes += entry.bytes() + self.picture_of(&entry);
        self.entries.push(entry);
    }

    fn forget_first(&mut self) {
        let entry = self.entries.remove(0);
        self.bytes -= entry.bytes() + self.picture_of(&entry);
    }

    /// Bytes of the picture of `entry`, where no other has it.
    fn picture_of(&self, entry: &Entry) -> usize {
        let shared = self.entries.iter().any(|other| Arc::ptr_eq(&other.picture, &entry.picture));
        if shared { 0 } else { size_of_val(&entry.picture[..]) }
    }
}

impl Entry {
    fn answers(&self, asked: Asked<'_>) -> bool {
        self.threads == asked.threads && self.fetches == asked.fetches && same(&self.picture, asked.picture)
    }

    fn bytes(&self) -> usize {
        self.values.iter().map(|value| size_of_val(value.data())).sum()
    }
}

fn same(a: &Arc<Vec<f32>>, b: &Arc<Vec<f32>>) -> bool {
    Arc::ptr_eq(a, b) || bitwise(a, b)
}

/// Whether these are the same bits: 0 and −0 are not.
pub(super) fn bitwise(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

impl LoadedModel {
    /// As [`LoadedModel::invoke`] with one row, or answered from memory: then nothing is evaluated or counted, but a stop
    /// and a pause are felt as ever. Two who ask at the same time both evaluate.
    pub(super) fn invoke_or_recall(
        &self,
        call: &Arc<Call>,
        asked: Asked<'_>,
        out: &mut [WgOwned],
        body: impl FnOnce(&WgModel, &WgCall, *mut WgOwned) -> WgStatus,
    ) -> WgStatus {
        let memory = &self.activations;
        if !memory.is_on() {
            return self.invoke(call, 1, out, body);
        }
        if let Err(status) = self.admit(call) {
            return status;
        }
        if let Some(values) = memory.recall(asked) {
            for (entry, value) in out.iter_mut().zip(&*values) {
                *entry = value.clone().into_raw();
            }
            return WG_OK;
        }
        let mut values = Vec::with_capacity(out.len());
        let status = self.invoke_seen(call, 1, out, body, &mut |value| {
            if memory.fits(value) {
                values.push(value.clone());
            }
        });
        if status == WG_OK && values.len() == out.len() {
            memory.remember(asked, values);
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(grey: f32) -> Arc<Vec<f32>> {
        Arc::new(vec![grey; 100])
    }

    fn values(first: f32) -> Vec<OwnedTensor> {
        vec![OwnedTensor::from_vec(vec![1, 10], vec![first; 10]).unwrap()]
    }

    fn asked<'a>(picture: &'a Arc<Vec<f32>>, fetches: &'a [&'a str]) -> Asked<'a> {
        Asked { picture, fetches, threads: 1 }
    }

    /// Calls and bytes.
    fn size(memory: &Activations) -> (usize, usize) {
        let kept = memory.kept.lock();
        (kept.entries.len(), kept.bytes)
    }

    #[test]
    fn only_the_same_call_of_the_same_bits_is_remembered() {
        let memory = Activations::new(1 << 20);
        memory.remember(asked(&picture(0.0), &["logits"]), values(3.0));
        let recall = |grey, fetches: &[&str], threads| {
            memory.recall(Asked { threads, ..asked(&picture(grey), fetches) }).map(|values| values[0].data()[0])
        };
        assert_eq!(recall(0.0, &["logits"], 1), Some(3.0));
        assert_eq!(recall(-0.0, &["logits"], 1), None);
        assert_eq!(recall(0.0, &["features"], 1), None);
        assert_eq!(recall(0.0, &["logits", "features"], 1), None);
        assert_eq!(recall(0.0, &["logits"], 2), None);
    }

    #[test]
    fn the_bound_counts_a_picture_once_and_what_was_used_longest_ago_goes_first() {
        // Room for two pictures of 400 bytes, and three values of 40.
        let memory = Activations::new(920);
        let [a, b, c] = [1.0, 2.0, 3.0].map(picture);
        memory.remember(asked(&a, &["logits"]), values(1.0));
        memory.remember(asked(&picture(1.0), &["features"]), values(2.0));
        memory.remember(asked(&b, &["logits"]), values(3.0));
        assert_eq!(size(&memory), (3, 920));
        assert!(memory.recall(asked(&a, &["logits"])).is_some());
        memory.remember(asked(&c, &["logits"]), values(4.0));
        let left = [(&a, "logits"), (&a, "features"), (&b, "logits"), (&c, "logits")]
            .map(|(picture, fetch)| memory.recall(asked(picture, &[fetch])).is_some());
        assert_eq!(left, [true, false, false, true]);
        assert_eq!(size(&memory), (2, 880));
    }

    #[test]
    fn there_is_an_end_to_small_ones_too_and_what_is_larger_than_all_is_not_kept() {
        let memory = Activations::new(1 << 30);
        for grey in 0..2 * MOST {
            memory.remember(asked(&picture(grey as f32), &["logits"]), values(0.0));
        }
        assert_eq!(size(&memory).0, MOST);
        let small = Activations::new(100);
        assert!(!small.fits(&values(0.0)[0]));
        small.remember(asked(&picture(0.0), &["logits"]), values(0.0));
        assert_eq!(size(&small), (0, 0));
    }
}
