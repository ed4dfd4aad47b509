"""How many samples LIME's antithetic pairs save: the table and the figures of docs/adr/0008.

    python bench/lime/pairs.py target/release/whyglass PICTURE...      wants onnxruntime, numpy and pillow

For each picture it evaluates EfficientNet-Lite0 on 8,001 masks in pairs of opposites, over the segments that Whyglass itself cuts, and
prints which share of what a linear model leaves over is odd; then, over all pictures, the mean squared error of the weights from
some of the samples, in pairs and plain (one of each pair), in parts of the variance of the weights from all.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from PIL import Image

MODEL = pathlib.Path(__file__).parents[2] / "models/efficientnet-lite0"
PAIRS = 4000
SEED = 7
LOOKS = (384, 512, 640, 768, 896)
DRAWS = 6


def pixels(path: str) -> np.ndarray:
    """Short side 256, the middle 224×224, as the model wants it."""
    image = Image.open(path).convert("RGB")
    image = image.resize([round(side * 256 / min(image.size)) for side in image.size], Image.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    image = image.crop((left, top, left + 224, top + 224))
    return ((np.asarray(image, np.float32) - 127) / 128).transpose(2, 0, 1)


def segments(binary: str, path: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "explain", "lime", MODEL, path, "--out", folder, "-p", "samples=200"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return np.load(pathlib.Path(folder) / "segments.npy").astype(int)


def evaluate(session: onnxruntime.InferenceSession, image: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks, and the probability of the picture's class under each."""
    name, count = session.get_inputs()[0].name, cut.max() + 1
    half = np.random.default_rng(SEED).random((PAIRS, count)) < 0.5
    masks = np.concatenate([np.ones((1, count), bool), np.stack([half, ~half], 1).reshape(-1, count)])
    logits = [session.run(None, {name: image * masks[n : n + 8][:, cut][:, None]})[0] for n in range(0, len(masks), 8)]
    logits = np.concatenate(logits).astype(np.float64)
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    return masks, (probabilities / probabilities.sum(1, keepdims=True))[:, logits[0].argmax()]


def weights(masks: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """LIME's ridge regression: kernel width 0.25 on the cosine distance, penalty 1, intercept free."""
    distance = 1 - np.sqrt(masks.mean(1))
    proximity = np.exp(-(distance**2) / 2 / 0.25**2)
    design = np.c_[np.ones(len(masks)), masks]
    penalty = np.diag(np.r_[0.0, np.ones(masks.shape[1])])
    return np.linalg.solve((design.T * proximity) @ design + penalty, (design.T * proximity) @ scores)[1:]


def odd_share(masks: np.ndarray, scores: np.ndarray) -> float:
    signs = 2.0 * masks[1::2] - 1
    odd, even = (scores[1::2] - scores[2::2]) / 2, (scores[1::2] + scores[2::2]) / 2
    linear = np.linalg.lstsq(signs, odd, rcond=None)[0]
    rest = np.mean((odd - signs @ linear) ** 2) * PAIRS / (PAIRS - signs.shape[1])
    return rest / (rest + even.var())


def main() -> None:
    binary, *pictures = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    session = onnxruntime.InferenceSession(MODEL / "model.onnx", options)
    errors: dict[tuple[str, int], list[float]] = {}
    for path in pictures:
        masks, scores = evaluate(session, pixels(path), segments(binary, path))
        share, all_of_them = odd_share(masks, scores), weights(masks, scores)
        print(f"{pathlib.Path(path).stem}: odd share {share:.2f}, samples, plain to pairs: {1 / share / 2:.1f}", flush=True)
        for look in LOOKS:
            for draw in range(DRAWS):
                first = 1 + draw * (2 * PAIRS // DRAWS // 2 * 2)
                rows = (first - 1 + np.arange(2 * look)) % (2 * PAIRS) + 1
                for how, chosen in (("pairs", rows[:look]), ("plain", rows[::2])):
                    chosen = np.r_[0, chosen]
                    error = np.mean((weights(masks[chosen], scores[chosen]) - all_of_them) ** 2) / all_of_them.var()
                    errors.setdefault((how, look), []).append(error)
    for (how, look), found in sorted(errors.items()):
        print(f"{how}, {look} samples: {np.median(found):.3f} of the variance")


if __name__ == "__main__":
    main()
