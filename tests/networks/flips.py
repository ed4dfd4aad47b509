"""Whether a gradient that does not hold is off by flips alone: units on a rectifier's bound, and maxima that are nearly equal.

    python check.py --work FOLDER NETWORK...
    python flips.py --work FOLDER NETWORK...
    python flips.py --work FOLDER --benchmark NETWORK...      those of the benchmarks: resnet50, vgg16, vit-b-16

Two correct engines in float32 may find such a unit on different sides, and the gradients of both are right for what they found.
So PyTorch differentiates in float64 once more, but lets every rectifier and every maximum decide as it did on the way to
Whyglass' gradient. What is left between the two is no flip. PyTorch's own float32 is asked in the same way. The exports are those
of `check.py`, without `--forget`.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

import check
import reference
import zoo

BENCH = check.HERE.parents[1] / "bench/peers"
#: What the benchmarks explain.
BENCHMARK_PICTURE = check.HERE.parents[1] / "tests/golden/chelsea-224.png"


@dataclasses.dataclass
class Case:
    """A network, the picture and the class, PyTorch's gradient in float64, and the exports that are looked at."""

    model: torch.nn.Module
    pixels: np.ndarray
    target: int
    exact: np.ndarray
    exports: list[str]
    #: For the binary.
    flags: list[str]


def of_zoo(name: str, folder: pathlib.Path, near: bool) -> Case:
    """As check.py has left it; the exports are those whose gradient does not hold."""
    model = reference.Normalised(zoo.build(name, away=not near))
    target = json.loads((folder / "expected.json").read_text())["target"]
    exact = np.load(folder / "expected.npz")["gradient"]
    return Case(model, np.load(folder / "pixels.npy"), target, exact, failing(folder), [])


def of_benchmark(name: str, folder: pathlib.Path) -> Case:
    """As the benchmarks make it."""
    sys.path.insert(0, str(BENCH))
    import networks

    pixels = np.asarray(Image.open(BENCHMARK_PICTURE).convert("RGB"), dtype=np.float32) / np.float32(255)
    image = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
    model = networks.load(name, image)
    (folder / "benchmark").mkdir(parents=True, exist_ok=True)
    networks.export(model, image, folder / "benchmark" / "model.onnx")
    np.save(folder / "pixels.npy", image[0].numpy())
    with torch.no_grad():
        target = int(model(image)[0].argmax())
    exact = gradient(model, image[0].numpy(), target, torch.float64, Sides())
    return Case(model, image[0].numpy(), target, exact, ["benchmark"], ["--plain"])


class Sided(torch.autograd.Function):
    """A rectifier that passes on the way back where it is told."""

    @staticmethod
    def forward(context, x, passes):
        context.save_for_backward(passes)
        return x.clamp(min=0)

    @staticmethod
    def backward(context, gradient):
        return gradient * context.saved_tensors[0], None


class Sides:
    """The outputs of rectifiers and the inputs of poolings, in the order of their calls: recorded, or followed."""

    def __init__(self, rectified=None, pooled=None):
        self.follows = rectified is not None
        self.rectified, self.pooled = rectified or [], pooled or []
        self.flipped = self.units = self.moved = 0

    def relu(self, kept, x):
        if not self.follows:
            self.rectified.append(kept(x).detach())
            return kept(x)
        passes = torch.as_tensor(self.rectified.pop(0)) > 0
        assert passes.shape == x.shape, f"a rectifier of {list(passes.shape)} where PyTorch has one of {list(x.shape)}"
        self.flipped += int((passes != (x > 0)).sum())
        self.units += x.numel()
        return Sided.apply(x, passes)

    def max_pool(self, kept, x, *more, **named):
        if not self.follows:
            self.pooled.append(x.detach())
            return kept(x, *more, **named)
        seen = torch.as_tensor(self.pooled.pop(0))
        assert seen.shape == x.shape, f"a pooling of {list(seen.shape)} where PyTorch has one of {list(x.shape)}"
        named["return_indices"] = True
        own = kept(x, *more, **named)[1]
        made, at = kept(seen, *more, **named)
        # Among zeros behind a rectifier it does not matter which is taken.
        self.moved += int(((own != at) & (made != 0)).sum())
        return x.flatten(2).gather(2, at.flatten(2)).view(at.shape)


@contextlib.contextmanager
def following(sides: Sides):
    relu, pool = functional.relu, functional.max_pool2d
    functional.relu = lambda x, inplace=False: sides.relu(torch.relu, x)
    functional.max_pool2d = lambda x, *more, **named: sides.max_pool(pool, x, *more, **named)
    try:
        yield
    finally:
        functional.relu, functional.max_pool2d = relu, pool


def gradient(model: torch.nn.Module, pixels: np.ndarray, target: int, precision: torch.dtype, sides: Sides) -> np.ndarray:
    model.to(precision)
    x = torch.from_numpy(pixels).to(precision)[None].requires_grad_()
    with following(sides):
        (made,) = torch.autograd.grad(model(x)[0, target], x)
    assert not sides.follows or not (sides.rectified or sides.pooled), "a rectifier or a pooling of the file that PyTorch did not ask for"
    return made[0].numpy()


def of_file(binary: str, folder: pathlib.Path, variant: str, target: int, flags: list[str]) -> tuple[np.ndarray, Sides]:
    """Whyglass' gradient, and how its rectifiers and poolings decided on the way."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([binary, str(folder), variant, str(folder / "pixels.npy"), str(target), out, "--sides", *flags], check=True, capture_output=True)
        files = pathlib.Path(out)
        every = lambda what: [np.load(files / f"{what}-{index}.npy")[None] for index in range(len(list(files.glob(f"{what}-*.npy"))))]
        return np.load(files / "gradient.npy"), Sides(every("relu"), every("pool"))


def failing(folder: pathlib.Path) -> list[str]:
    variants = json.loads((folder / "results.json").read_text())["variants"]
    return [variant for variant, report in variants.items() if not report.get("compared", {}).get("gradient", {"holds": True})["holds"]]


def same(folder: pathlib.Path, one: str, other: str) -> bool:
    return np.array_equal(*(np.load(folder / variant / "answers/gradient.npy") for variant in (one, other)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--binary", default=check.BINARY)
    parser.add_argument("--work", type=pathlib.Path, default=check.HERE / "work")
    parser.add_argument("--near", action="store_true", help="as check.py was run with")
    parser.add_argument("--benchmark", action="store_true", help="networks of the benchmarks, which need no check.py")
    arguments = parser.parse_args()
    for name in arguments.networks:
        folder = arguments.work / (f"benchmark-{name}" if arguments.benchmark else name)
        network = of_benchmark(name, folder) if arguments.benchmark else of_zoo(name, folder, arguments.near)
        model, pixels, target, exact = network.model, network.pixels, network.target, network.exact
        own = Sides()
        cases = {"PyTorch's own float32": (gradient(model, pixels, target, torch.float32, own), Sides(own.rectified, own.pooled))}
        found = {}
        for case in [*cases, *network.exports]:
            # The same network by the same exporter: what was equal bit by bit needs no second look.
            twin = next((before for before in found if before not in cases and same(folder, before, case)), None)
            if twin:
                found[case] = found[twin]
                continue
            actual, sides = cases.get(case) or of_file(arguments.binary, folder, case, target, network.flags)
            sided = gradient(model, pixels, target, torch.float64, sides)
            found[case] = {
                "off": check.compare("gradient", actual, exact),
                "units": [sides.flipped, sides.units],
                "maxima": sides.moved,
                "left": check.compare("gradient", actual, sided),
            }
            print(f"{name}, {case}: {found[case]}", flush=True)
        (folder / "flips.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
