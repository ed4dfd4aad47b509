//! `input-x-gradient`: what each pixel adds to the class's logit, if the network were linear.
//!
//! S(p) = Σ over the colour channels of x · ∂f_c/∂x. Black pixels get nothing: black is the baseline that this measures
//! from.
//!
//! Shrikumar, Greenside, Shcherbina & Kundaje, *Not Just a Black Box*, 2016. We deviate: x is the picture in 0…1, before
//! the network's own normalisation.
//!
//! # How to read it
//!
//! Red pixels add to the class's logit, blue ones take away from it, to first order and measured from black. For a
//! linear network the map adds up to the logit less its constant; for others it is a sketch of that.
//!
//! # How it misleads
//!
//! - Black pixels get nothing, whatever they mean: on a black animal the animal is dark in the map. With another
//!   meaning of "nothing", another map: `integrated-gradients` lets you choose the baseline.
//! - The product looks like the picture because one factor *is* the picture. That a map shows the object's outline is
//!   no evidence that the network looks at it.
//! - It flickers as `saliency` does, for the same reason.

use crate::channels::{Reduce, artifacts, one_gradient};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ExplainerDescriptor, Need};
use whyglass_sdk::{Call, Explainer, Model, Request, Result, Rule};

/// Parameters of `input-x-gradient`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InputXGradientParams {
    /// How the colour channels become one map.
    pub reduce: Reduce,
}

impl Default for InputXGradientParams {
    fn default() -> Self {
        Self { reduce: Reduce::Sum }
    }
}

/// The technique.
pub struct InputXGradient;

impl Explainer for InputXGradient {
    type Params = InputXGradientParams;
    const ID: &'static str = "input-x-gradient";

    fn descriptor(&self) -> ExplainerDescriptor {
        ExplainerDescriptor {
            title: "Input × gradient".into(),
            description: "Each pixel times its gradient: what it adds to the class's logit, to first order.".into(),
            family: "gradients".into(),
            paper: "Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713".into(),
            needs: vec![Need::InputGradients],
            artifacts: artifacts("Share in the logit, to first order", true),
            deterministic: true,
            ..Default::default()
        }
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &InputXGradientParams,
    ) -> Result<()> {
        one_gradient(call, model, request, Rule::Standard, params.reduce, |mut gradient, picture| {
            gradient.iter_mut().zip(picture).for_each(|(gradient, pixel)| *gradient *= pixel);
            gradient
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::Tensor;
    use whyglass_sdk::testing::{Recorder, explain, linear};

    #[test]
    fn each_pixel_of_a_linear_model_gets_its_term_of_the_sum() {
        let model = linear(2, 2, &[[vec![1.0, 2.0, 3.0, 4.0], vec![-1.0; 4], vec![0.0; 4]].concat()]);
        let image = Tensor::new(vec![1, 3, 2, 2], [vec![1.0, 2.0, 3.0, 4.0], vec![0.5; 4], vec![9.0; 4]].concat());
        let map = |reduce| {
            let recorder = Recorder::new();
            let params = InputXGradientParams { reduce };
            explain(&InputXGradient, &model, &image, Some(0), 0, params, &recorder).unwrap();
            assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
            recorder.artifact("map").unwrap().into_data()
        };
        assert_eq!(map(Reduce::Sum), [0.5, 3.5, 8.5, 15.5]);
        assert_eq!(map(Reduce::AbsMax), [1.0, 4.0, 9.0, 16.0]);
    }
}
