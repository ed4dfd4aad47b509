//! The one question that all of this family ask a model: the gradient of a class's logit with respect to pictures.

use whyglass_sdk::{Call, Cotangent, Error, Model, Result, Rule, TensorView, Vjp};

/// ∂f_c/∂x at each of `pictures` (N×3×H×W), of the same length.
///
/// # Errors
/// `INVALID_ARGUMENT` if there is no class `target`; `INTERNAL` if a number is not finite; what the model says.
pub(crate) fn gradients(
    call: &Call<'_>,
    model: &dyn Model,
    target: usize,
    pictures: TensorView<'_>,
    rule: Rule,
) -> Result<Vec<f32>> {
    let classes = class_count(model, target)?;
    let [rows, ..] = pictures.dims::<4>()?;
    let mut one_hot = vec![0.0; rows * classes];
    one_hot.iter_mut().skip(target).step_by(classes).for_each(|cotangent| *cotangent = 1.0);
    let shape = [rows as i64, classes as i64];
    let query = Vjp {
        feeds: &[("input", pictures)],
        cotangents: &[("logits", Cotangent::Tensor(TensorView::new(&shape, &one_hot)))],
        wrt: &["input"],
        fetches: &[],
        rule,
    };
    let gradient = model.vjp(call, &query)?.wrt.pop().ok_or_else(|| Error::internal("no gradient came back"))?;
    if gradient.data().len() != pictures.data().len() {
        let (got, asked) = (gradient.shape(), pictures.shape());
        return Err(Error::internal(format!("the gradient has shape {got:?}, the pictures {asked:?}")));
    }
    if let Some(value) = gradient.data().iter().find(|value| !value.is_finite()) {
        return Err(Error::internal(format!("the model's gradient at this picture holds {value}")));
    }
    Ok(gradient.into_data())
}

/// The logit of class `target` at each of `pictures` (N×3×H×W).
///
/// # Errors
/// As [`gradients`].
pub(crate) fn logits(call: &Call<'_>, model: &dyn Model, target: usize, pictures: TensorView<'_>) -> Result<Vec<f64>> {
    let classes = class_count(model, target)?;
    let [logits] = &model.run(call, &[("input", pictures)], &["logits"])?[..] else {
        return Err(Error::internal("the logits were asked for, something else came back"));
    };
    Ok(logits.data().chunks_exact(classes).map(|row| f64::from(row[target])).collect())
}

fn class_count(model: &dyn Model, target: usize) -> Result<usize> {
    let classes = model.descriptor().classes as usize;
    if target >= classes {
        return Err(Error::invalid_argument("target", format!("class {target} of a model with {classes} classes")));
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::testing::{Recorder, linear};

    #[test]
    fn each_picture_of_a_batch_has_its_own_gradient_and_logit() {
        let model = linear(1, 1, &[vec![0.0; 3], vec![1.0, 2.0, 3.0]]);
        let recorder = Recorder::new();
        let (shape, data) = ([2, 3, 1, 1], [1.0, 1.0, 1.0, 0.0, 2.0, 0.0]);
        let pictures = TensorView::new(&shape, &data);
        let found = gradients(&recorder.call(), &model, 1, pictures, Rule::Standard).unwrap();
        assert_eq!(found, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_eq!(logits(&recorder.call(), &model, 1, pictures).unwrap(), [6.0, 4.0]);
        assert_eq!(gradients(&recorder.call(), &model, 2, pictures, Rule::Standard).unwrap_err().field, "target");
    }
}
