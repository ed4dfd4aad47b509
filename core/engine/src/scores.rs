//! From logits to what people are shown: the best classes with their probabilities.

/// A class and how sure the model is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScore {
    pub index: u32,
    /// The index as text where nothing names the class.
    pub label: String,
    pub logit: f32,
    pub probability: f32,
}

/// How a model's probabilities come from its logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Softmax,
    /// Each logit is the log-odds of its class: a derived model's groups.
    Logistic,
}

/// The `top` best classes, best first; equal logits in the order of their index. 0 asks for all.
pub(crate) fn best(logits: &[f32], labels: &[String], top: usize, link: Link) -> Vec<ClassScore> {
    let largest = logits.iter().copied().filter(|z| z.is_finite()).fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|z| f64::from(z - largest).exp()).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order.truncate(if top == 0 { logits.len() } else { top });
    order
        .into_iter()
        .map(|index| ClassScore {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            label: label(labels, index),
            logit: logits[index],
            probability: match link {
                Link::Softmax => f64::from(logits[index] - largest).exp() / total,
                Link::Logistic => 1.0 / (1.0 + f64::from(-logits[index]).exp()),
            } as f32,
        })
        .collect()
}

/// The label of class `index`, or the index as text.
pub(crate) fn label(labels: &[String], index: usize) -> String {
    labels.get(index).cloned().unwrap_or_else(|| index.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_odds_are_probabilities_of_their_own() {
        let scores = best(&[0.0, 3.0_f32.ln(), -400.0], &[], 0, Link::Logistic);
        assert_eq!(scores.iter().map(|s| s.probability).collect::<Vec<_>>(), [0.75, 0.5, 0.0]);
    }

    #[test]
    fn probabilities_add_up_and_the_best_comes_first() {
        let labels = ["ox".to_owned(), "bear".to_owned()];
        let scores = best(&[1.0, 1000.0, -5.0], &labels, 0, Link::Softmax);
        assert_eq!(scores[0].label, "bear");
        assert_eq!(scores[2].label, "2");
        assert!((scores.iter().map(|s| s.probability).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(best(&[0.0; 9], &[], 5, Link::Softmax).iter().map(|s| s.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
}
