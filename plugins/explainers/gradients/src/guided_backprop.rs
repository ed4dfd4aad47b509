//! `guided-backprop`: the gradient, let back through a rectifier only where the unit was on and the evidence is positive.
//!
//! Where a rectifier stands the cotangent R becomes 1[f > 0] · 1[R > 0] · R (of ReLU6: 1[0 < f < 6]); elsewhere the
//! derivative is the network's own.
//!
//! Springenberg, Dosovitskiy, Brox & Riedmiller, *Striving for Simplicity*, 2014. We deviate in nothing. The map shows the
//! edges that the network sees rather than what speaks for the class: it hardly changes with the class, or with random
//! weights at the top (Adebayo et al., *Sanity Checks for Saliency Maps*, 2018).
//!
//! # How to read it
//!
//! Lines are edges and textures that pass through the network's rectifiers to the logit. Use it to see which detail
//! in a region (found by another technique) the network can see at all.
//!
//! # How it misleads
//!
//! - It looks more convincing than it is. Holding back negative evidence at each rectifier restores the picture's
//!   edges, nearly whatever the network has learned: the map hardly changes with the class, nor when the upper layers
//!   are given random weights (Adebayo et al., *Sanity Checks for Saliency Maps*, 2018; Nie et al., *A Theoretical
//!   Explanation for Perplexing Behaviors of Backpropagation-based Visualizations*, 2018). Do not take it for the
//!   reason of a decision.
//! - It has no meaning in numbers: it is not the gradient of anything.
//! - GELU, HardSwish and sigmoids keep their own derivative; a notice names them. A network without any rectifier
//!   gets its plain gradient.

use crate::channels::{Reduce, artifacts, one_gradient};
use crate::rectifiers::tell_what_is_kept;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ExplainerDescriptor, Need};
use whyglass_sdk::{Call, Explainer, Model, Request, Result, Rule};

/// Parameters of `guided-backprop`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GuidedBackpropParams {
    /// How the colour channels become one map.
    pub reduce: Reduce,
}

impl Default for GuidedBackpropParams {
    fn default() -> Self {
        Self { reduce: Reduce::AbsMax }
    }
}

/// The technique.
pub struct GuidedBackprop;

impl Explainer for GuidedBackprop {
    type Params = GuidedBackpropParams;
    const ID: &'static str = "guided-backprop";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "Guided backpropagation".into(),
            description: "The gradient, let back only where units are on and evidence is positive: the edges that the network sees.".into(),
            family: "gradients".into(),
            paper: "Springenberg et al. 2014, https://arxiv.org/abs/1412.6806".into(),
            needs: vec![Need::GuidedRules],
            artifacts: artifacts("Size of the guided gradient", false),
            deterministic: true,
            ..Default::default()
        }
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &GuidedBackpropParams,
    ) -> Result<()> {
        tell_what_is_kept(call, model.descriptor())?;
        one_gradient(call, model, request, Rule::Guided, params.reduce, |gradient, _| gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::testing::{Recorder, conv_net, explain, linear};

    /// Red less blue is 1 and −1, green is 1 (2 pixels side by side).
    fn red(target: usize) -> (Vec<f32>, Recorder) {
        let image = Tensor::new(vec![1, 3, 1, 2], vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
        let params = GuidedBackpropParams { reduce: Reduce::None };
        let recorder = Recorder::new();
        explain(&GuidedBackprop, &conv_net(1, 2), &image, Some(target), 0, params, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        (recorder.artifact("red").unwrap().into_data(), recorder)
    }

    #[test]
    fn evidence_passes_where_the_unit_is_on_and_only_if_it_is_positive() {
        // Class 0 weighs the pooled channel by 1, so that each pixel gets 1/2; class 2 weighs it by −1.
        assert_eq!(red(0).0, [0.5, 0.0], "the right unit is off");
        assert_eq!(red(2).0, [0.0, 0.0], "evidence against the class is held back");
        assert!(red(0).1.notices().is_empty());
    }

    #[test]
    fn a_network_without_rectifiers_is_told_of() {
        let recorder = Recorder::new();
        let (model, image) = (linear(1, 1, &[vec![-1.0, 2.0, 0.0]]), Tensor::zeros(vec![1, 3, 1, 1]));
        explain(&GuidedBackprop, &model, &image, Some(0), 0, GuidedBackpropParams::default(), &recorder).unwrap();
        assert_eq!(recorder.notices(), ["NO_RECTIFIER"]);
        assert_eq!(recorder.artifact("map").unwrap().data(), [2.0]);
    }
}
