//! What makes two requests ask for the same run: everything that its result depends on, as one fingerprint. Whether such a
//! run is there, and may be handed out, is said in `index` and `sharing`.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::inputs::Input;
use super::spec::ImageSource;
use crate::models::LoadedModel;
use crate::plugins::Technique;

/// Runs of one key come to the same result.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Of a run with everything resolved; the target is as it was asked for, since the model's top class follows from the
    /// rest. `None` of a dataset, whose pictures may change between two runs.
    pub(super) fn of(
        (model, technique): (&Arc<LoadedModel>, &Technique),
        inputs: &[Input],
        params: &Map<String, Value>,
        (target, seed): (Option<u32>, u64),
        image: &ImageSource,
    ) -> Option<Self> {
        let said = json!({
            // As it is in memory: one that is loaded again may have another file, other labels, another back end. The
            // run that bears the key keeps its model, so no other can come to lie at its address meanwhile.
            "model": [model.name(), model.info().sha256, Arc::as_ptr(model).addr()],
            "technique": [technique.id, technique.plugin, technique.plugin_version],
            "params": params,
            "inputs": inputs.iter().map(Input::identity).collect::<Vec<_>>(),
            "target": target,
            "seed": seed,
        });
        // One text, whose end no picture can be taken for.
        let mut hash = Sha256::new_with_prefix(said.to_string());
        match image {
            ImageSource::Encoded(bytes) => {
                hash.update(b"\nencoded\n");
                hash.update(bytes);
            }
            // Their shape is that of the model's input.
            ImageSource::Pixels { data, .. } => {
                hash.update(b"\npixels\n");
                data.iter().for_each(|value| hash.update(value.to_le_bytes()));
            }
            ImageSource::DatasetItem { .. } | ImageSource::Dataset(_) => return None,
        }
        Some(Self(hash.finalize().into()))
    }
}
