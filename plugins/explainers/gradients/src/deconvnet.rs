//! `deconvnet`: the gradient, let back through a rectifier only where the evidence is positive, whether the unit was on or
//! not.
//!
//! Where a rectifier stands the cotangent R becomes 1[R > 0] · R; elsewhere the derivative is the network's own.
//!
//! Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks*, 2013. We deviate: the way back starts at the
//! class's logit, not at one activation of a layer.
//!
//! # How to read it
//!
//! What comes back is a picture that the network's filters would put together for the class. Textures and edges that
//! belong to strong filters appear where max-pooling remembers to have seen them.
//!
//! # How it misleads
//!
//! - It ignores which units were on: only the places of the maxima in pooling layers tie the map to this picture. In
//!   networks without max-pooling it says almost nothing of the picture.
//! - As `guided-backprop`, it restores edges rather than reasons, and changes little with the class or with random
//!   weights in the upper layers (Adebayo et al., 2018).
//! - Strides of convolutions leave a chequerboard in it.
//! - GELU, HardSwish and sigmoids keep their own derivative; a notice names them.

use crate::channels::{Reduce, artifacts, one_gradient};
use crate::rectifiers::tell_what_is_kept;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ExplainerDescriptor, Need};
use whyglass_sdk::{Call, Explainer, Model, Request, Result, Rule};

/// Parameters of `deconvnet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeconvnetParams {
    /// How the colour channels become one map.
    pub reduce: Reduce,
}

impl Default for DeconvnetParams {
    fn default() -> Self {
        Self { reduce: Reduce::AbsMax }
    }
}

/// The technique.
pub struct Deconvnet;

impl Explainer for Deconvnet {
    type Params = DeconvnetParams;
    const ID: &'static str = "deconvnet";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "Deconvnet".into(),
            description:
                "The gradient, let back only where evidence is positive: what the network would rebuild the class from."
                    .into(),
            family: "gradients".into(),
            paper: "Zeiler & Fergus 2013, https://arxiv.org/abs/1311.2901".into(),
            needs: vec![Need::GuidedRules],
            artifacts: artifacts("Size of what comes back", false),
            deterministic: true,
            ..Default::default()
        }
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &DeconvnetParams,
    ) -> Result<()> {
        tell_what_is_kept(call, model.descriptor())?;
        one_gradient(call, model, request, Rule::Deconvnet, params.reduce, |gradient, _| gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::testing::{Recorder, conv_net, explain, linear};

    /// Red less blue is 1 and −1 (2 pixels side by side).
    fn red(target: usize) -> Vec<f32> {
        let image = Tensor::new(vec![1, 3, 1, 2], vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
        let params = DeconvnetParams { reduce: Reduce::None };
        let recorder = Recorder::new();
        explain(&Deconvnet, &conv_net(1, 2), &image, Some(target), 0, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty() && recorder.notices().is_empty());
        recorder.artifact("red").unwrap().into_data()
    }

    #[test]
    fn positive_evidence_passes_whether_the_unit_is_on_or_not() {
        assert_eq!(red(0), [0.5, 0.5], "the right unit is off");
        assert_eq!(red(2), [0.0, 0.0], "evidence against the class is held back");
    }

    #[test]
    fn a_network_without_rectifiers_is_told_of() {
        let recorder = Recorder::new();
        let (model, image) = (linear(1, 1, &[vec![-1.0, 2.0, 0.0]]), Tensor::zeros(vec![1, 3, 1, 1]));
        explain(&Deconvnet, &model, &image, Some(0), 0, DeconvnetParams::default(), &recorder).unwrap();
        assert_eq!(recorder.notices(), ["NO_RECTIFIER"]);
    }
}
