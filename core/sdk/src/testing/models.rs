//! Two models in pixel space (no normalisation) whose answers can be worked out by hand.

use super::Chain;
use super::layers::Layer;
use crate::json::{Capability, InputSize};

/// `logits = W·x`: one row of 3·H·W weights per class, over the flattened picture (channel, row, column).
///
/// Nodes: `input`, `logits`, `probabilities`; no `features`, one size only. The gradient of a logit is its row, and
/// occluding a region with 0 costs exactly the sum of w·x over it.
///
/// # Panics
/// Where a row has another length, or there is none.
#[must_use]
pub fn linear(height: u32, width: u32, weights: &[Vec<f32>]) -> Chain {
    let pixels = 3 * height as usize * width as usize;
    assert!(!weights.is_empty() && weights.iter().all(|row| row.len() == pixels), "each class has {pixels} weights");
    let layer = Layer::Linear { weights: weights.concat(), bias: vec![0.0; weights.len()] };
    let layers = vec![(crate::LOGITS, layer), (crate::PROBABILITIES, Layer::Softmax)];
    let capabilities =
        [Capability::Gradients, Capability::InputGradients, Capability::GuidedRules, Capability::InnerFeeds];
    Chain::new(InputSize { height, width }, layers, None, &capabilities)
}

/// Convolution (3→2, 3×3, padding 1) + ReLU + global average pooling + linear (2→3), of any size.
///
/// Nodes: `input`, `conv`, `relu` (= `features`), `pool`, `logits`, `probabilities`. Channel 0 of `conv` is red minus
/// blue at the same place; channel 1 is the mean of green over the 3×3 neighbourhood, minus 1/4. The classes weigh the
/// two pooled channels (1, 0), (0, 1) and (−1, 1).
#[must_use]
pub fn conv_net(height: u32, width: u32) -> Chain {
    let mut weights = vec![0.0; 2 * 3 * 9];
    weights[4] = 1.0; // channel 0, red, centre
    weights[2 * 9 + 4] = -1.0; // channel 0, blue, centre
    weights[(3 + 1) * 9..][..9].fill(1.0 / 9.0); // channel 1, green
    let conv = Layer::Conv3x3 { weights, bias: vec![0.0, -0.25], inputs: 3 };
    let head = Layer::Linear { weights: vec![1.0, 0.0, 0.0, 1.0, -1.0, 1.0], bias: vec![0.0; 3] };
    let layers = vec![
        ("conv", conv),
        ("relu", Layer::Relu),
        ("pool", Layer::GlobalAveragePool),
        (crate::LOGITS, head),
        (crate::PROBABILITIES, Layer::Softmax),
    ];
    let capabilities = [
        Capability::Gradients,
        Capability::InputGradients,
        Capability::GuidedRules,
        Capability::InnerFeeds,
        Capability::FreeSize,
    ];
    Chain::new(InputSize { height, width }, layers, Some("relu"), &capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Recorder;
    use crate::{Cotangent, FEATURES, INPUT, LOGITS, Model, PROBABILITIES, Rule, Tensor, TensorView, Vjp};

    fn picture(height: i64, width: i64) -> Tensor {
        let count = usize::try_from(3 * height * width).unwrap();
        Tensor::new(vec![1, 3, height, width], (0..count).map(|i| (i * 37 % 101) as f32 / 101.0).collect())
    }

    fn query<'a>(
        feeds: &'a [(&'a str, TensorView<'a>)],
        cotangents: &'a [(&'a str, Cotangent<'a>)],
        wrt: &'a [&'a str],
    ) -> Vjp<'a> {
        Vjp { feeds, cotangents, wrt, fetches: &[LOGITS], rule: Rule::Standard }
    }

    #[test]
    fn a_linear_model_gives_its_weights_as_the_gradient() {
        let weights = [vec![1.0, 2.0, 3.0], vec![-1.0, 0.5, 0.0]];
        let model = linear(1, 1, &weights);
        let recorder = Recorder::new();
        let image = Tensor::new(vec![2, 3, 1, 1], vec![1.0, 1.0, 1.0, 0.0, 2.0, 1.0]);
        let feeds = [(INPUT, image.view())];
        let out = model.run(&recorder.call(), &feeds, &[LOGITS, PROBABILITIES]).unwrap();
        assert_eq!(out[0], Tensor::new(vec![2, 2], vec![6.0, -0.5, 7.0, 1.0]));
        assert!((out[1].data()[0] + out[1].data()[1] - 1.0).abs() < 1e-6);
        let one_hot = [0.0, 1.0, 1.0, 0.0];
        let cotangents = [(LOGITS, Cotangent::Tensor(TensorView::new(&[2, 2], &one_hot)))];
        let gradients = model.vjp(&recorder.call(), &query(&feeds, &cotangents, &[INPUT])).unwrap();
        assert_eq!(gradients.wrt[0].data(), [-1.0, 0.5, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(gradients.fetches[0], out[0]);
    }

    #[test]
    fn the_gradient_of_the_convolutional_net_agrees_with_central_differences() {
        let model = conv_net(4, 5);
        let recorder = Recorder::new();
        let call = recorder.call();
        let image = picture(4, 5);
        let one_hot = [0.0, 0.0, 1.0];
        let cotangents = [(PROBABILITIES, Cotangent::Tensor(TensorView::new(&[1, 3], &one_hot)))];
        let feeds = [(INPUT, image.view())];
        let gradients = model.vjp(&call, &query(&feeds, &cotangents, &[INPUT])).unwrap();
        let score = |index: usize, by: f32| {
            let mut moved = image.clone();
            moved.data_mut()[index] += by;
            model.run(&call, &[(INPUT, moved.view())], &[PROBABILITIES]).unwrap()[0].data()[2]
        };
        for index in 0..60 {
            let slope = (score(index, 1e-2) - score(index, -1e-2)) / 2e-2;
            let gradient = gradients.wrt[0].data()[index];
            assert!((slope - gradient).abs() < 2e-3, "pixel {index}: {slope} against {gradient}");
        }
    }

    #[test]
    fn an_inner_feed_cuts_off_what_is_upstream() {
        let model = conv_net(2, 2);
        let recorder = Recorder::new();
        let features = Tensor::new(vec![1, 2, 2, 2], vec![4.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        let image = picture(2, 2);
        let out = model.run(&recorder.call(), &[(FEATURES, features.view())], &[LOGITS]).unwrap();
        assert_eq!(out[0].data(), [1.0, 1.0, 0.0]);
        let feeds = [(INPUT, image.view()), (FEATURES, features.view())];
        let cotangents = [(LOGITS, Cotangent::Itself)];
        let gradients = model.vjp(&recorder.call(), &query(&feeds, &cotangents, &[INPUT, FEATURES])).unwrap();
        assert!(gradients.wrt[0].data().iter().all(|&g| g == 0.0));
        assert_eq!(gradients.wrt[1].data(), [0.25; 8]);
    }

    #[test]
    fn the_rule_changes_what_relu_lets_back() {
        let model = conv_net(1, 1);
        let recorder = Recorder::new();
        // Red below blue: channel 0 is off. Green: channel 1 is 0.8/9 − 0.25 < 0, off too.
        let image = Tensor::new(vec![1, 3, 1, 1], vec![0.1, 0.8, 0.9]);
        let feeds = [(INPUT, image.view())];
        let one_hot = [1.0, 0.0, 0.0];
        let cotangents = [(LOGITS, Cotangent::Tensor(TensorView::new(&[1, 3], &one_hot)))];
        let red = |rule| {
            let vjp = Vjp { rule, ..query(&feeds, &cotangents, &[INPUT]) };
            model.vjp(&recorder.call(), &vjp).unwrap().wrt[0].data()[0]
        };
        assert_eq!((red(Rule::Standard), red(Rule::Guided), red(Rule::Deconvnet)), (0.0, 0.0, 1.0));
    }

    #[test]
    fn bad_questions_are_answered_with_the_name_of_what_is_wrong() {
        let model = conv_net(2, 2);
        let recorder = Recorder::new();
        let call = recorder.call();
        assert_eq!(model.run(&call, &[], &["nowhere"]).unwrap_err().field, "nowhere");
        assert_eq!(model.run(&call, &[], &[LOGITS]).unwrap_err().field, INPUT);
        let grey = Tensor::zeros(vec![1, 1, 2, 2]);
        assert_eq!(model.run(&call, &[(INPUT, grey.view())], &[LOGITS]).unwrap_err().field, INPUT);
        assert!(!linear(1, 1, &[vec![0.0; 3]]).without_gradients().has_vjp());
        recorder.cancel();
        assert!(model.run(&call, &[], &[INPUT]).unwrap_err().is_cancelled());
    }
}
