"""Makes expected/: what PyTorch (float64), Captum and pytorch-grad-cam say about four pairs of network and picture.

Normalisation is inside the networks, so everything is in pixel space. README.md says what each file holds. Run: python make.py [case...]
"""

import importlib.metadata
import importlib.util
import json
import pathlib
import platform
import sys
import warnings

import numpy as np
import torch
from captum.attr import Deconvolution, GuidedBackprop, LayerGradCam, Occlusion, Saliency
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import efficientnet_lite0
import networks
import picture

FOLDER = pathlib.Path(__file__).parent
EXPECTED = FOLDER / "expected"
EVERY = 11  # odd and not a factor of 224: the cells kept of a gradient fall on every row, column and stride phase
MAP_EVERY = 5
PACKAGES = ["torch", "torchvision", "captum", "grad-cam", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow", "scikit-image"]


def chelsea() -> np.ndarray:
    """scikit-image's cat: short side 256 bicubic, centre crop 224; kept as a PNG, so that no resampler has a say in the test."""
    path = FOLDER / "chelsea-224.png"
    if not path.exists():
        source = pathlib.Path(importlib.util.find_spec("skimage").origin).parent / "data" / "chelsea.png"
        image = Image.open(source).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BICUBIC)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        image.crop((left, top, left + 224, top + 224)).save(path, optimize=True)
    return np.asarray(Image.open(path)).transpose(2, 0, 1)


def occlusion(model, x, target, size, stride):
    """(differences per window, Captum's map): the windows are what Captum itself evaluated; it lets y run fastest."""
    seen = []

    def forward(batch):
        scores = model(batch)[:, target]
        seen.append(scores.detach())
        return scores

    shape, strides = (3, size, size), (3, stride, stride)
    attribution = Occlusion(forward).attribute(x, sliding_window_shapes=shape, strides=strides, baselines=0, perturbations_per_eval=16)
    scores = torch.cat(seen).numpy()
    count = 1 + -(-(x.shape[2] - size) // stride)
    windows = (scores[0] - scores[1:]).reshape(count, count).T
    total, covering = np.zeros((2, *x.shape[2:]))
    for row in range(count):
        for column in range(count):
            covered = np.s_[row * stride : row * stride + size, column * stride : column * stride + size]
            total[covered] += windows[row, column]
            covering[covered] += 1
    attribution = attribution[0].detach().numpy()
    expected = np.broadcast_to(total / covering, attribution.shape)
    np.testing.assert_allclose(attribution, expected, rtol=0, atol=1e-6 * np.abs(windows).max())  # Captum sums in float32
    return windows, attribution[0]


def grad_cam(model, layer, x, target):
    """Captum's map; pytorch-grad-cam must agree."""
    own = LayerGradCam(model, layer).attribute(x, target=target, relu_attributions=True)[0, 0].detach().numpy()
    other = GradCAM(model=model, target_layers=[layer])
    targets = [ClassifierOutputTarget(target)]
    other(input_tensor=x.clone().requires_grad_(), targets=targets)
    activations, gradients = (kept[0].detach().numpy() for kept in (other.activations_and_grads.activations, other.activations_and_grads.gradients))
    theirs = np.maximum(other.get_cam_image(x, layer, targets, activations, gradients)[0], 0)
    other.activations_and_grads.release()
    np.testing.assert_allclose(theirs, own, atol=1e-9 * own.max())
    assert own.max() > 0, "the map is empty: choose another class"
    return own


def gradients(model, x, target, rules):
    """The input gradient and, where asked for, its guided and deconvnet variants, by name."""
    methods = {"gradient": Saliency(model)}
    if rules:
        methods |= {"guided-backprop": GuidedBackprop(model), "deconvnet": Deconvolution(model)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: method.attribute(x, target=target, **({"abs": False} if name == "gradient" else {}))[0].detach().numpy()
            for name, method in methods.items()
        }


def case(name, model, layer, pixels, rules):
    single = torch.from_numpy(picture.unit(pixels))
    with torch.no_grad():
        coarse = model(single)[0].numpy()
    target = int(coarse.argmax())
    coarse_gradients = gradients(model, single, target, rules)
    model.double()
    x = single.double()
    with torch.no_grad():
        logits = model(x)[0].numpy()
    assert logits.argmax() == target
    arrays, entry = {"logits": logits}, {"target": target, "gradients": {}}
    entry["float32"] = {"logits": float(np.abs(coarse - logits).max())}
    arrays["grad-cam"] = grad_cam(model, layer, x, target)
    for kind, full in gradients(model, x, target, rules).items():
        cells = full.reshape(-1)
        error = coarse_gradients[kind].reshape(-1) - cells
        largest, norm = float(np.abs(cells).max()), float(np.linalg.norm(cells))
        arrays[kind] = cells[::EVERY]
        entry["gradients"][kind] = {"l2": norm, "largest": largest}
        outside = float((np.abs(error) > 1e-3 * largest).mean())
        entry["float32"][kind] = {"relative_l2": float(np.linalg.norm(error)) / norm, "outside": outside}
    with torch.no_grad():
        for size, stride in ((45, 22), (16, 8)):
            windows, attribution = occlusion(model, x, target, size, stride)
            arrays[f"occlusion-{size}-{stride}"] = windows
            arrays[f"occlusion-{size}-{stride}-map"] = attribution[::MAP_EVERY, ::MAP_EVERY]
    for what, array in arrays.items():
        np.save(EXPECTED / f"{name}.{what}.npy", np.ascontiguousarray(array, dtype=np.float32))
    print(name, json.dumps(entry, indent=1))
    return entry


def cases():
    """Name → (network with normalisation, feature layer, pixels, whether Captum's ReLU rules apply)."""
    for name in networks.NETWORKS:
        yield name, lambda name=name: generated(name)
    for name, pixels in (("picture", picture.picture), ("chelsea", chelsea)):
        yield f"efficientnet-lite0-{name}", lambda pixels=pixels: trained(pixels())


def generated(name):
    network, layer, _ = networks.build(name)
    return networks.Normalised(network).eval(), layer, picture.picture(), True


def trained(pixels):
    model = efficientnet_lite0.load()
    return model, model.features, pixels, False


def main() -> None:
    EXPECTED.mkdir(exist_ok=True)
    versions = {package: importlib.metadata.version(package) for package in PACKAGES} | {"python": platform.python_version()}
    print(versions)
    path = EXPECTED / "index.json"
    for name, build in cases():
        if name in sys.argv[1:] or len(sys.argv) == 1:
            entry = case(name, *build())
            index = json.loads(path.read_text()) if path.exists() else {"cases": {}}
            index |= {"versions": versions, "every": EVERY, "map_every": MAP_EVERY}
            index["cases"][name] = entry
            path.write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
