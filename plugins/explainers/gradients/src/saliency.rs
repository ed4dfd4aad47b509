//! `saliency`: how strongly the class's logit answers to a change of each pixel.
//!
//! S(p) = max over the colour channels of |∂f_c/∂x|.
//!
//! Simonyan, Vedaldi & Zisserman, *Deep Inside Convolutional Networks*, 2013. We deviate in nothing; the gradient is that
//! of the picture in 0…1, before the network's own normalisation, and `reduce` can keep its sign.
//!
//! # How to read it
//!
//! Bright pixels are those whose smallest change moves the logit most. That is sensitivity, not contribution: a
//! bright pixel may speak for or against, and a pixel that decides may be dark. Look for where the bright points
//! gather, not at single points.
//!
//! # How it misleads
//!
//! - The gradient is that of the picture as it is. Where the network is sure, units are saturated and the gradient of
//!   what decides is small.
//! - Single pixels flicker: a picture that looks the same can have another map. `smooth-grad` averages this away.
//! - Max-pooling and strides leave a grid in the map that belongs to the network, not to the picture.
//! - The order of brightness says little: two correct engines differ in single pixels where a unit sits at the bend
//!   of a rectifier.

use crate::channels::{Reduce, artifacts, one_gradient};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ExplainerDescriptor, Need};
use whyglass_sdk::{Call, Explainer, Model, Request, Result, Rule};

/// Parameters of `saliency`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SaliencyParams {
    /// How the colour channels become one map.
    pub reduce: Reduce,
}

impl Default for SaliencyParams {
    fn default() -> Self {
        Self { reduce: Reduce::AbsMax }
    }
}

/// The technique.
pub struct Saliency;

impl Explainer for Saliency {
    type Params = SaliencyParams;
    const ID: &'static str = "saliency";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "Saliency".into(),
            description: "The gradient of the class's logit: where a small change of a pixel matters most.".into(),
            family: "gradients".into(),
            paper: "Simonyan et al. 2013, https://arxiv.org/abs/1312.6034".into(),
            needs: vec![Need::InputGradients],
            artifacts: artifacts("Size of the gradient", false),
            deterministic: true,
            ..Default::default()
        }
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &SaliencyParams,
    ) -> Result<()> {
        one_gradient(call, model, request, Rule::Standard, params.reduce, |gradient, _| gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::testing::{Event, Recorder, explain, linear};

    /// Weights 1 −2 3 −4 of red and 0.5 of green on 2×2 pixels.
    fn run(reduce: Reduce) -> Recorder {
        let model = linear(2, 2, &[[vec![1.0, -2.0, 3.0, -4.0], vec![0.5; 4], vec![0.0; 4]].concat()]);
        let image = Tensor::new(vec![1, 3, 2, 2], vec![0.25; 12]);
        let recorder = Recorder::new();
        explain(&Saliency, &model, &image, Some(0), 0, SaliencyParams { reduce }, &recorder).unwrap();
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        recorder
    }

    #[test]
    fn the_saliency_of_a_linear_model_is_its_weights() {
        assert_eq!(run(Reduce::AbsMax).artifact("map").unwrap().data(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(run(Reduce::Sum).artifact("map").unwrap().data(), [1.5, -1.5, 3.5, -3.5]);
    }

    #[test]
    fn the_channels_are_kept_where_they_are_asked_for() {
        let recorder = run(Reduce::None);
        assert_eq!(recorder.artifact("red").unwrap().data(), [1.0, -2.0, 3.0, -4.0]);
        assert_eq!(recorder.artifact("green").unwrap().data(), [0.5; 4]);
        assert_eq!(recorder.artifact("map"), run(Reduce::Sum).artifact("map"));
        assert!(run(Reduce::Sum).artifact("red").is_none());
    }

    #[test]
    fn the_map_says_whether_it_has_signs() {
        for (reduce, signed) in [(Reduce::AbsMax, false), (Reduce::Sum, true)] {
            let events = run(reduce).events();
            let Event::Keyframe { meta, .. } = &events[0] else { panic!("{events:?}") };
            assert_eq!((&meta["signed"], &meta["class"]), (&signed.into(), &0.into()));
        }
    }
}
