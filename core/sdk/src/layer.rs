//! What a layer gives for the picture that is explained.

use crate::{Call, Error, INPUT, Model, Result, Tensor, TensorView};

/// The value of `layer` for `picture` (1×3×H×W). Of a layer for which the engine asks before each run
/// ([`first_fetches`](crate::json::ModelDescriptor::first_fetches)) by that very call, which need not be evaluated again.
///
/// # Errors
/// What the model says.
pub fn value_at(call: &Call<'_>, model: &dyn Model, picture: TensorView<'_>, layer: &str) -> Result<Tensor> {
    let first = model.descriptor().first_fetches();
    let fetches = if first.contains(&layer) { first } else { vec![layer] };
    let values = model.run(call, &[(INPUT, picture)], &fetches)?;
    let value = fetches.iter().zip(values).find(|(id, _)| **id == layer).map(|(_, value)| value);
    value.ok_or_else(|| Error::internal(format!("layer {layer:?} was asked for, and did not come back")))
}
