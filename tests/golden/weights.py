"""Weights from a counter: the same bits here and in `tests/src/weights.rs`, so that no weight is ever stored.

Specified in README.md. Nothing here but integers, one exact conversion, one float32 product and one float32 sum.
"""

import math

import numpy as np

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    """The output function of SplitMix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def tensor(seed: int, index: int, count: int, offset: float, step: float) -> np.ndarray:
    """`count` float32 values: offset + step · k with k an integer in −2²³ … 2²³ − 1, a function of (seed, index, position)."""
    key = mix((seed + (index + 1) * STEP) & MASK)
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(STEP)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    k = (z >> np.uint64(40)).astype(np.int64) - (1 << 23)
    return np.float32(offset) + k.astype(np.float32) * np.float32(step)


def recipe(name: str, shape: tuple[int, ...], batch_norm: bool) -> tuple[float, float]:
    """(offset, step) for the parameter `name`: He's uniform bound for weights, mild spreads for everything else."""
    leaf = name.rsplit(".", 1)[-1]
    if batch_norm:
        offset, spread = {"weight": (0.8, 0.2), "bias": (0.0, 0.2), "running_mean": (0.0, 0.2), "running_var": (1.0, 0.3)}[leaf]
    elif leaf in ("bias", "summand"):
        offset, spread = 0.0, 0.05
    elif leaf == "layer_scale":
        offset, spread = 0.3, 0.2
    elif len(shape) == 1:
        # The gain of a normalisation.
        offset, spread = 0.8, 0.2
    else:
        offset, spread = 0.0, math.sqrt(6.0 / math.prod(shape[1:]))
    return float(np.float32(offset)), float(np.float32(spread * 2.0**-23))


def fill(module, seed: int) -> list[dict]:
    """Sets every parameter and running statistic of a torch module; returns the recipes, in the order of their indices."""
    import torch

    normalised = {name for name, child in module.named_modules() if isinstance(child, torch.nn.BatchNorm2d)}
    entries = []
    for name, value in module.state_dict().items():
        if name.endswith("num_batches_tracked") or not value.is_floating_point():
            continue
        shape = tuple(value.shape)
        offset, step = recipe(name, shape, name.rsplit(".", 1)[0] in normalised)
        index = len(entries)
        data = tensor(seed, index, math.prod(shape), offset, step).reshape(shape)
        value.copy_(torch.from_numpy(data))
        entries.append({"name": name, "shape": list(shape), "index": index, "offset": offset, "step": step})
    return entries


def folded(recipes: list[dict], epsilon: float = 1e-5) -> list[dict]:
    """What exporters make of a convolution and the batch normalisation behind it: a weight and a bias, from five tensors."""
    entries = []
    for before, conv in enumerate(recipes[:-4]):
        norm = recipes[before + 1 : before + 5]
        # In a dense block the next normalisation may be another's: it has other channels.
        follows = len(conv["shape"]) == 4 and norm[2]["name"].endswith("running_mean")
        if follows and norm[2]["shape"] == conv["shape"][:1]:
            sources = [conv["index"], *(entry["index"] for entry in norm)]
            layer = conv["name"].removesuffix(".weight")
            entries.append({"name": f"{layer}.folded.weight", "shape": conv["shape"], "folded": sources, "epsilon": epsilon})
            entries.append({"name": f"{layer}.folded.bias", "shape": norm[0]["shape"], "folded": sources, "epsilon": epsilon})
    return entries


def values(recipe: dict, recipes: list[dict], seed: int) -> np.ndarray:
    """The tensor of an entry, generated or folded, in float32 throughout."""
    if "folded" not in recipe:
        count = math.prod(recipe["shape"])
        return tensor(seed, recipe["index"], count, recipe["offset"], recipe["step"]).reshape(recipe["shape"])
    weight, gamma, beta, mean, variance = (values(recipes[index], recipes, seed) for index in recipe["folded"])
    factor = gamma / np.sqrt(variance + np.float32(recipe["epsilon"]))
    return weight * factor[:, None, None, None] if len(recipe["shape"]) == 4 else beta - mean * factor
