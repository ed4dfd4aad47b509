"""Holds Whyglass on libtorch to PyTorch and Captum: networks of torchvision with seeded random weights, exported by the helper,
explained by the release binary and by Captum from the same pixels.

    python tools/torchscript/compare.py --binary target/release/whyglass [--work out/torchscript] [network …]

Prints one line per network and technique: the largest difference, of the largest value of the map. 1e-4 is the bound.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np
import torch
import torchvision
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion, Saliency
from PIL import Image

from whyglass_torchscript import IMAGENET, Layer, Layered, export

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURE = ROOT / "tests" / "golden" / "chelsea-224.png"
BOUND = 1e-4
# The layer that Grad-CAM is asked at.
NETWORKS = {
    "resnet18": "layer4",
    "mobilenet_v3_large": "features.16",
    "vit_b_16": "encoder.layers.encoder_layer_10=tokens",
}


class Normalised(torch.nn.Module):
    """Pixels in 0…1, as Whyglass has them."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        for name, values in zip(("mean", "std"), IMAGENET):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1))

    def forward(self, pixels):
        return self.network((pixels - self.mean) / self.std)


class Spatial(torch.nn.Module):
    """What a vision transformer's layer says, as maps: for Captum, which averages over what comes after the channels."""

    def __init__(self, block, layer: Layer):
        super().__init__()
        self.block, self.layer, self.maps = block, layer, torch.nn.Identity()

    def forward(self, tokens):
        output = self.block(tokens)
        maps, _ = self.layer.take(output)
        maps = self.maps(maps)
        return torch.cat([output[:, : self.layer.skip], maps.flatten(2).transpose(1, 2)], dim=1)


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None)
    for module in net.modules():
        # A vision transformer's head begins at zero: every logit and every map would be.
        if isinstance(module, torch.nn.Linear) and not module.weight.any():
            torch.nn.init.normal_(module.weight, std=0.02)
    return net.eval()


def captum_maps(name: str, layer: Layer, pixels: torch.Tensor, target: int) -> dict[str, np.ndarray]:
    net = network(name)
    if layer.layout == "tokens":
        parent, _, child = layer.name.rpartition(".")
        spatial = Spatial(net.get_submodule(layer.name), layer)
        setattr(net.get_submodule(parent), child, spatial)
        module = spatial.maps
    else:
        module = net.get_submodule(layer.name)
    model = Normalised(net).eval()
    single = pixels.clone().requires_grad_()
    occlusion = Occlusion(model).attribute(
        pixels, target=target, sliding_window_shapes=(3, 45, 45), strides=(3, 22, 22), baselines=0, perturbations_per_eval=8
    )
    integrated = IntegratedGradients(model).attribute(
        single, baselines=0, target=target, n_steps=50, method="gausslegendre", internal_batch_size=5
    )
    return {
        "grad-cam": LayerGradCam(model, module).attribute(single, target=target)[0, 0],
        "saliency": Saliency(model).attribute(single, target=target)[0].amax(0),
        "integrated-gradients": integrated[0].sum(0),
        "occlusion": occlusion[0, 0],
    }


PARAMETERS = {
    "grad-cam": ["relu=false"],
    "saliency": [],
    "integrated-gradients": ["steps=50", "baseline=black"],
    "occlusion": ["size=45", "stride=22", "clip=false", "fill=value", "value=0"],
}


def whyglass_map(binary, models: pathlib.Path, model: str, technique: str, target: int, out: pathlib.Path) -> tuple[np.ndarray, dict]:
    command = [binary, "explain", technique, model, PICTURE, "--models", models, "--out", out, "--target", str(target), "--json"]
    for parameter in PARAMETERS[technique]:
        command += ["-p", parameter]
    answer = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(f"{model}, {technique}: {answer.stderr.strip()}")
    return np.load(out / "map.npy"), json.loads(answer.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "out" / "torchscript")
    arguments = parser.parse_args()
    pixels = np.asarray(Image.open(PICTURE).convert("RGB"), dtype=np.float32) / np.float32(255)
    pixels = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    failed = False
    for name in arguments.networks:
        layer = Layer.parse(NETWORKS[name])
        models = arguments.work / "models"
        export(network(name), models / name, layers=[layer], normalize="imagenet", title=f"{name}, random weights of seed 0")
        with torch.no_grad():
            target = int(Normalised(network(name))(pixels)[0].argmax())
        for technique, wanted in captum_maps(name, layer, pixels, target).items():
            wanted = wanted.detach().numpy().astype(np.float64)
            found, manifest = whyglass_map(arguments.binary, models, name, technique, target, arguments.work / name / technique)
            apart = np.abs(found - wanted).max() / np.abs(wanted).max()
            good = apart <= BOUND
            failed |= not good
            model = manifest.get("manifest", manifest).get("model", {})
            print(f"{name:20} {technique:22} {apart:.1e} {'ok' if good else 'TOO FAR'}  ({model.get('runtime')})", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
