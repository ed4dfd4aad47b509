"""The procedural picture: smooth, colourful, and made of integers only, so that `tests/src/weights.rs` makes the same bits."""

import numpy as np

WAVES = [  # (dx, dy, phase, weight) per channel; weights add up to 255
    [(2, 1, 30, 120), (-1, 3, 90, 80), (5, 2, 0, 55)],
    [(1, 2, 200, 110), (3, -2, 10, 90), (2, 6, 70, 55)],
    [(-2, 2, 120, 130), (1, 1, 60, 70), (6, -3, 40, 55)],
]


def picture(size: int = 224) -> np.ndarray:
    """3×size×size uint8. A wave is a parabola arc over a phase of 256 steps: 4·t·(256 − t), 0 … 65,536."""
    y, x = np.mgrid[0:size, 0:size].astype(np.int64)
    planes = []
    for waves in WAVES:
        total = np.zeros((size, size), dtype=np.int64)
        for dx, dy, phase, weight in waves:
            t = (dx * x + dy * y + phase) & 255
            total += weight * (4 * t * (256 - t))
        planes.append((total >> 16).astype(np.uint8))
    return np.stack(planes)


def unit(pixels: np.ndarray) -> np.ndarray:
    """1×3×H×W float32 in 0…1 from uint8: one float32 division each."""
    return (pixels.astype(np.float32) / np.float32(255))[None]
