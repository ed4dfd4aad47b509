//! What the model says of changed pictures: the class's logit, or its probability.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::InputSize;
use whyglass_sdk::{Call, Error, Model, Result, TensorView};

/// The number whose fall is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    #[default]
    Logit,
    Probability,
}

impl Score {
    pub(crate) fn node(self) -> &'static str {
        match self {
            Self::Logit => "logits",
            Self::Probability => "probabilities",
        }
    }
}

/// The score of class `target` for each of `pictures` (N×3×`height`×`width`).
pub(crate) fn scores(
    call: &Call<'_>,
    model: &dyn Model,
    score: Score,
    target: usize,
    pictures: &[f32],
    (height, width): (usize, usize),
) -> Result<Vec<f32>> {
    let rows = pictures.len() / (3 * height * width);
    let shape = [rows as i64, 3, height as i64, width as i64];
    let outputs = model.run(call, &[("input", TensorView::new(&shape, pictures))], &[score.node()])?;
    let [scores] = &outputs[..] else {
        return Err(Error::internal("one matrix of scores was asked for, others came back"));
    };
    column(scores.view(), target)
}

/// Column `target` of a matrix of scores.
pub(crate) fn column(scores: TensorView<'_>, target: usize) -> Result<Vec<f32>> {
    let [_, classes] = scores.dims()?;
    if target >= classes {
        return Err(Error::invalid_argument("target", format!("class {target} of a model with {classes} classes")));
    }
    Ok(scores.data().chunks_exact(classes).map(|row| row[target]).collect())
}

/// The size of the model's input.
///
/// # Errors
/// `FAILED_PRECONDITION` where it does not say.
pub(crate) fn input_size(model: &dyn Model) -> Result<InputSize> {
    model.descriptor().input.ok_or_else(|| {
        Error::failed_precondition(
            "INPUT_SIZE_UNKNOWN",
            "the model does not say how large its input is: name it in model.toml",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::testing::{Recorder, linear};

    #[test]
    fn each_picture_of_a_batch_gets_the_score_of_the_class() {
        let model = linear(1, 1, &[vec![1.0, 2.0, 3.0], vec![0.0; 3]]);
        let recorder = Recorder::new();
        let ask =
            |score, target| scores(&recorder.call(), &model, score, target, &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0], (1, 1));
        assert_eq!(ask(Score::Logit, 0).unwrap(), [1.0, 3.0]);
        let probability = |logit: f32| logit.exp() / (logit.exp() + 1.0);
        let asked = ask(Score::Probability, 0).unwrap();
        assert!(asked.iter().zip([1.0, 3.0]).all(|(p, logit)| (p - probability(logit)).abs() < 1e-6), "{asked:?}");
        assert_eq!(ask(Score::Logit, 2).unwrap_err().field, "target");
    }
}
