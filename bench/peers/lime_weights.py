"""The lime package on segments that are given: weights per segment, with a hidden segment in one grey.

Its classifier is whatever the caller hands over: PyTorch, or a session of ONNX Runtime. Where several numbers of samples
are asked for, the samples of the largest are drawn once, and the surrogate is fitted to the first so many of them.
"""

import contextlib
import os

import numpy as np
import sklearn.metrics
from lime import lime_image


def explain(image, segments, classifier, target, samples, grey, seed):
    """One explanation as people run it: `explain_instance` in batches of 10, its default, for one label."""
    explainer = lime_image.LimeImageExplainer(random_state=seed)
    with quiet():
        explanation = explainer.explain_instance(
            image, classifier, labels=(target,), top_labels=None, hide_color=grey, num_samples=samples,
            segmentation_fn=lambda _: segments,
        )
    return by_segment(explanation.local_exp[target], segments)


def of_samples(image, segments, classifier, target, counts, grey, seed):
    """Weights for each of `counts` samples."""
    explainer = lime_image.LimeImageExplainer(random_state=seed)
    hidden = np.full_like(image, grey)
    with quiet():
        data, scores = explainer.data_labels(image, hidden, segments, classifier, max(counts))
    distances = sklearn.metrics.pairwise_distances(data, data[:1], metric="cosine").ravel()
    fitted = lambda n: explainer.base.explain_instance_with_data(
        data[:n], scores[:n], distances[:n], target, data.shape[1], feature_selection="auto"
    )[1]
    return np.stack([by_segment(fitted(count), segments) for count in counts])


def by_segment(explanation, segments):
    weights = np.zeros(int(segments.max()) + 1)
    for segment, weight in explanation:
        weights[segment] = weight
    return weights


@contextlib.contextmanager
def quiet():
    """The package draws a progress bar; the caller reads lines."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield
