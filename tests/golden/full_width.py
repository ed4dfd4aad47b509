"""How far VGG-11 at full width is from float64: Whyglass, and PyTorch's own float32 beside it, seed by seed.

Prints a row of a table per seed; README.md says what it shows. The files it makes (half a gigabyte) go with it.
Run: python full_width.py WHYGLASS [--maps] [--dynamo] [seed...], with the binary of `cargo xtask build`. With --maps it compares
occlusion and Grad-CAM instead, which takes 829 evaluations in float64 a seed. With --dynamo the file is the other exporter's.
"""

import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn

import make
import networks
import picture
import weights

DYNAMO = "--dynamo" in sys.argv
SWEEPS = ((45, 22), (16, 8))
TECHNIQUES = {"gradient": "saliency", "guided-backprop": "guided-backprop", "deconvnet": "deconvnet"}


def build(seed: int) -> nn.Module:
    # Every weight is overwritten: PyTorch's own initialisation would only cost time.
    with torch.device("meta"):
        network = torchvision.models.vgg11(weights=None, init_weights=False)
    network = network.to_empty(device="cpu")
    weights.fill(network, seed)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return network.eval().requires_grad_(False)


def export(network: nn.Module, path: pathlib.Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = {"dynamo": True, "verbose": False} if DYNAMO else {"dynamo": False, "opset_version": 17}
        torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), path, **arguments)


def explain(binary: str, model: pathlib.Path, target: int, techniques: str, *parameters: str) -> pathlib.Path:
    """Explains the procedural picture; returns where the results lie."""
    image, out = model.with_name("picture.png"), model.with_name(f"out-{techniques}-{len(parameters)}-{'-'.join(parameters[-1:])}")
    Image.fromarray(picture.picture().transpose(1, 2, 0)).save(image)
    arguments = ["--normalize", "imagenet", "--target", str(target), "--seed", "1", "--out", out]
    arguments += [argument for parameter in parameters for argument in ("-p", parameter)]
    subprocess.run([binary, "explain", techniques, model, image, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out


def gradients(binary: str, model: pathlib.Path, target: int) -> dict[str, np.ndarray]:
    """What Whyglass says, by the names of TECHNIQUES: 3×224×224."""
    out = explain(binary, model, target, ",".join(TECHNIQUES.values()), "reduce=none")
    found = {}
    for name, technique in TECHNIQUES.items():
        planes = [next(out.glob(f"**/{technique}/{channel}.npy")) for channel in ("red", "green", "blue")]
        found[name] = np.stack([np.load(plane) for plane in planes])
    return found


def maps(binary: str, seed: int) -> str:
    """Largest error of occlusion's windows and of Grad-CAM's map, of the largest value."""
    model, x, target = prepared(seed)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "vgg11.onnx"
        export(model.network, file)
        found = {"grad-cam": np.load(next(explain(binary, file, target, "grad-cam").glob("**/map.npy")))}
        for size, stride in SWEEPS:
            parameters = ["clip=false", "fill=value", "value=0", f"size={size}", f"stride={stride}"]
            found[f"occlusion {size}/{stride}"] = np.load(next(explain(binary, file, target, "occlusion", *parameters).glob("**/windows.npy")))
    model, x = model.double(), x.double()
    expected = {"grad-cam": make.grad_cam(model, model.network.features, x, target)}
    with torch.no_grad():
        for size, stride in SWEEPS:
            expected[f"occlusion {size}/{stride}"], _ = make.occlusion(model, x, target, size, stride)
    errors = [f"{name} {np.abs(found[name] - expected[name]).max() / np.abs(expected[name]).max():.1e}" for name in expected]
    return f"seed {seed}: " + ", ".join(errors)


def off(found: np.ndarray, expected: np.ndarray) -> str:
    error = found.reshape(-1) - expected.reshape(-1)
    outside = (np.abs(error) > 1e-3 * np.abs(expected).max()).mean()
    return f"{100 * outside:.2f} % · {np.linalg.norm(error) / np.linalg.norm(expected):.1e}"


def prepared(seed: int) -> tuple[nn.Module, torch.Tensor, int]:
    """The network with normalisation, the picture, and the class that it says."""
    model = networks.Normalised(build(seed)).eval()
    x = torch.from_numpy(picture.unit(picture.picture()))
    return model, x, int(model(x)[0].argmax())


def row(binary: str, seed: int) -> str:
    model, x, target = prepared(seed)
    own = make.gradients(model, x, target, True)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "vgg11.onnx"
        export(model.network, file)
        found = gradients(binary, file, target)
    expected = make.gradients(model.double(), x.double(), target, True)
    return " | ".join([str(seed)] + [off(which[name], expected[name]) for name in TECHNIQUES for which in (found, own)])


def main() -> None:
    binary, *seeds = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    binary = str(pathlib.Path(binary).resolve())
    if "--maps" in sys.argv:
        for seed in seeds or range(12):
            print(maps(binary, int(seed)), flush=True)
        return
    print("| seed | " + " | ".join(f"{name}, {whose}" for name in TECHNIQUES for whose in ("Whyglass", "PyTorch")) + " |")
    print("|---|" + "---|" * 2 * len(TECHNIQUES))
    for seed in seeds or range(12):
        print(f"| {row(binary, int(seed))} |", flush=True)


if __name__ == "__main__":
    main()
