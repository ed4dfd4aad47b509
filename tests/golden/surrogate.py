"""Makes expected/lime.*.npy: what the lime package makes of given masks and scores. No network is asked; LIME's own arithmetic is compared.

Run: python surrogate.py
"""

import importlib.metadata
import pathlib

import numpy as np
from lime.lime_base import LimeBase
from sklearn.metrics import pairwise_distances

EXPECTED = pathlib.Path(__file__).parent / "expected"
SAMPLES, SEGMENTS, KERNEL_WIDTH = 300, 49, 0.25


def kernel(distances: np.ndarray) -> np.ndarray:
    """As lime_image.LimeImageExplainer has it."""
    return np.sqrt(np.exp(-(distances**2) / KERNEL_WIDTH**2))


def main() -> None:
    random = np.random.default_rng(4)
    masks = random.integers(0, 2, (SAMPLES, SEGMENTS)).astype(np.float64)
    masks[0] = 1
    # A probability: the logistic of a linear part, two segments that need each other, and noise; exact in float32.
    linear = masks @ random.normal(0, 0.6, SEGMENTS)
    margin = linear - linear.mean() + 1.5 * masks[:, 3] * masks[:, 17] + random.normal(0, 0.2, SAMPLES)
    scores = (1 / (1 + np.exp(-margin))).astype(np.float32)
    distances = pairwise_distances(masks, masks[:1], metric="cosine").ravel()
    arrays = {"masks": masks, "scores": scores}
    for name, features in (("weights", 100_000), ("weights-of-10", 10)):
        labels = scores.astype(np.float64)[:, None]
        _, weights, _, _ = LimeBase(kernel, random_state=0).explain_instance_with_data(masks, labels, distances, 0, features)
        arrays[name] = np.zeros(SEGMENTS)
        for segment, weight in weights:
            arrays[name][segment] = weight
        print(name, len(weights), arrays[name].min(), arrays[name].max())
    for name, array in arrays.items():
        np.save(EXPECTED / f"lime.{name}.npy", np.ascontiguousarray(array, dtype=np.float32))
    print({package: importlib.metadata.version(package) for package in ("lime", "scikit-learn", "numpy", "scipy")})


if __name__ == "__main__":
    main()
