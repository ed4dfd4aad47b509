//! Running a technique without a host: a [`Recorder`] that keeps what was emitted, pictures in memory, and models
//! small enough to be worked out by hand.

mod chain;
mod layers;
mod models;
mod pictures;
mod recorder;

pub use chain::Chain;
pub use models::{conv_net, linear};
pub use pictures::Pictures;
pub use recorder::{Event, Recorder};

use crate::{Explainer, Model, Result, Tensor};

/// Resolves `params` and explains one picture (1×3×H×W) as a host would, recording into `recorder`.
///
/// # Errors
/// What the technique returns.
pub fn explain<E: Explainer>(
    explainer: &E,
    model: &dyn Model,
    image: &Tensor,
    target: Option<usize>,
    seed: u64,
    params: E::Params,
    recorder: &Recorder,
) -> Result<()> {
    let call = recorder.call();
    let params = explainer.resolve(&call, model, params)?;
    let pictures = Pictures::single(image.clone());
    explainer.explain(&call, model, &crate::Request::new(&pictures, target, seed), &params)
}
