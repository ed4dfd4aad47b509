//! What the backward rules of `guided-backprop` and `deconvnet` change in a network, and what they leave as it is.

use std::collections::BTreeSet;
use whyglass_sdk::json::ModelDescriptor;
use whyglass_sdk::{Call, Result};

/// Operators whose backward rule is replaced; a Clip only where it clips from 0.
const REPLACED: [&str; 5] = ["Relu", "Clip", "LeakyRelu", "PRelu", "ThresholdedRelu"];
/// Activations that keep their own derivative. Erf is what exporters make GELU of.
const KEPT: [&str; 13] = [
    "Celu",
    "Elu",
    "Erf",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Mish",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Swish",
    "Tanh",
];

/// Tells where the rule meets activations that it does not change, or none that it does.
pub(crate) fn tell_what_is_kept(call: &Call<'_>, model: &ModelDescriptor) -> Result<()> {
    let passed: BTreeSet<&str> =
        model.layers.iter().filter(|layer| layer.differentiable).map(|layer| layer.op.as_str()).collect();
    if !REPLACED.iter().any(|op| passed.contains(op)) {
        let message = "the network has no rectifier whose backward rule could be replaced: this is the plain gradient";
        return call.notice("NO_RECTIFIER", message);
    }
    let kept: Vec<&str> = KEPT.into_iter().filter(|op| passed.contains(op)).collect();
    if kept.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} keep their own derivative: only the backward rule of Relu, Clip from 0, LeakyRelu and PRelu is replaced",
        kept.join(", ")
    );
    call.notice("OWN_DERIVATIVE", &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::json::Layer;
    use whyglass_sdk::testing::Recorder;

    fn notices(ops: &[(&str, bool)]) -> Vec<String> {
        let layer =
            |&(op, differentiable): &(&str, bool)| Layer { op: op.into(), differentiable, ..Default::default() };
        let model = ModelDescriptor { layers: ops.iter().map(layer).collect(), ..Default::default() };
        let recorder = Recorder::new();
        tell_what_is_kept(&recorder.call(), &model).unwrap();
        recorder.notices()
    }

    #[test]
    fn activations_that_keep_their_derivative_are_told_of() {
        assert!(notices(&[("Conv", true), ("Relu", true), ("Clip", true)]).is_empty());
        assert_eq!(notices(&[("Relu", true), ("HardSwish", true)]), ["OWN_DERIVATIVE"]);
        assert_eq!(notices(&[("Conv", true), ("Erf", true)]), ["NO_RECTIFIER"]);
    }

    #[test]
    fn what_no_gradient_passes_does_not_matter() {
        assert!(notices(&[("Relu", true), ("Sigmoid", false)]).is_empty(), "a sigmoid behind the logits, say");
    }
}
