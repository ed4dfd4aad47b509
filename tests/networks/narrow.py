"""Narrow copies of a few networks, small enough for the repository: models/ and expected/, for `tests/tests/networks.rs`.

Their weights come from the generator of ../golden/weights.py, so the files hold none of any size: what exporters make of a
weight (the same, transposed, a convolution with its batch normalisation folded in) is recognised and left out. What is
left over, shape arithmetic and gathered biases, stays in the file. Run: python narrow.py
"""

import json
import math
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import torch
import torchvision
from torch import nn
from torchvision.models.convnext import CNBlockConfig

import check
import export
import reference
import zoo
from keras_style import KerasStyle

sys.path.append(str(pathlib.Path(__file__).parents[1] / "golden"))
import weights  # noqa: E402

HERE = pathlib.Path(__file__).parent
MODELS, EXPECTED = HERE / "models", HERE / "expected"
SEED = 31
CLASSES = 10
ALIGN = 64
EVERY = 11
#: Initialisers below this many bytes stay in the file.
SMALL = 512
VARIANTS = ("torchscript-dynamic", "dynamo-static")


class Dense(nn.Module):
    """torchvision's DenseNet with its last rectifier as a module."""

    def __init__(self):
        super().__init__()
        whole = torchvision.models.DenseNet(growth_rate=6, block_config=(2, 2, 2), num_init_features=12, num_classes=CLASSES)
        self.features, self.rectifier, self.classifier = whole.features, nn.ReLU(), whole.classifier

    def forward(self, x):
        return self.classifier(nn.functional.adaptive_avg_pool2d(self.rectifier(self.features(x)), (1, 1)).flatten(1))


def vit():
    module = torchvision.models.VisionTransformer(
        image_size=96, patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=CLASSES
    )
    feature = "encoder.layers.encoder_layer_1.ln_1"
    return zoo.Network(module, feature, layout="tokens", grid=(6, 6), size=96, rectifiers=False)


def swin():
    options = {"patch_size": [4, 4], "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": [4, 4], "num_classes": CLASSES}
    return zoo.Network(torchvision.models.SwinTransformer(**options), "permute", size=64, rectifiers=False)


def convnext():
    blocks = [CNBlockConfig(12, 24, 1), CNBlockConfig(24, 32, 1), CNBlockConfig(32, None, 2)]
    module = torchvision.models.ConvNeXt(blocks, num_classes=CLASSES)
    return zoo.Network(module, "features", size=96, rectifiers=False)


def mobilenet():
    module = torchvision.models.mobilenet_v3_small(width_mult=0.35, num_classes=CLASSES)
    return zoo.Network(module, "features", size=128)


def keras():
    module = KerasStyle(width=6)
    module.head = nn.Linear(module.head.in_features, CLASSES)
    return zoo.Network(module, "blocks", layout="nhwc", size=96, channels_last=True)


NETWORKS = {
    "vit": vit,
    "swin": swin,
    "convnext": convnext,
    "mobilenet-v3": mobilenet,
    "densenet": lambda: zoo.Network(Dense(), "rectifier", size=96),
    "keras-style": keras,
}


def build(name: str) -> tuple[zoo.Network, list[dict]]:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    module = network.module.eval().requires_grad_(False)
    for child in module.modules():
        if hasattr(child, "inplace"):
            child.inplace = False
    return network, weights.fill(module, SEED)


def derived(entries: list[dict], epsilons: set[float]) -> list[dict]:
    """What exporters make of weights: folded into each other, or transposed."""
    found = [entry for epsilon in epsilons for entry in weights.folded(entries, epsilon)]
    for entry in entries:
        if len(entry["shape"]) == 2:
            found.append({"name": f"{entry['name']}.T", "shape": entry["shape"][::-1], "transposed": entry["index"]})
    return found


def strip(model: onnx.ModelProto, name: str, known: list[tuple[dict, np.ndarray]]) -> None:
    """Makes generated weights external; marks their entries as used."""
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.nbytes < SMALL or array.dtype != np.float32:
            continue
        for entry, values in known:
            folded = "folded" in entry
            if values.size == array.size and (
                np.allclose(array.reshape(-1), values.reshape(-1), rtol=1e-5, atol=1e-6 * np.abs(values).max())
                if folded
                else np.array_equal(array.reshape(-1), values.reshape(-1))
            ):
                break
        else:
            continue
        entry["used"] = True
        for field in ("raw_data", "float_data"):
            tensor.ClearField(field)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"{name}.bin")
        tensor.external_data.add(key="offset", value=f"@{entry['name']}")
        tensor.external_data.add(key="length", value=str(array.nbytes))
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    model.doc_string = model.graph.doc_string = ""
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        # Where a node comes from is kept: names of blocks are read from it.
        kept = [entry for entry in part.metadata_props if entry.key == "pkg.torch.onnx.name_scopes"]
        del part.metadata_props[:]
        part.metadata_props.extend(kept)


def values(entry: dict, entries: list[dict]) -> np.ndarray:
    if "transposed" in entry:
        return np.ascontiguousarray(weights.values(entries[entry["transposed"]], entries, SEED).T)
    return weights.values(entry, entries, SEED)


def main() -> None:
    MODELS.mkdir(exist_ok=True)
    EXPECTED.mkdir(exist_ok=True)
    index = {"every": EVERY, "cases": {}}
    total = 0
    for name in NETWORKS:
        network, entries = build(name)
        pixels = check.picture.unit(check.picture.picture(network.size))
        exact, single = reference.answers(network, pixels)
        target = exact.pop("target")
        single.pop("target")
        assert exact["grad-cam"].max() > 0
        network, entries = build(name)  # weights untouched by float64
        epsilons = {child.eps for child in network.module.modules() if isinstance(child, nn.BatchNorm2d)}
        extra = derived(entries, epsilons)
        known = [(entry, values(entry, entries)) for entry in (*entries, *extra)]
        stripped = {}
        with tempfile.TemporaryDirectory() as scratch:
            for variant in VARIANTS:
                path = pathlib.Path(scratch) / f"{name}-{variant}.onnx"
                export.export(network, variant, path)
                stripped[path.name] = onnx.load(path)
                strip(stripped[path.name], name, known)
            recipes = entries + [entry for entry in extra if entry.get("used")]
            end = 0
            for entry in recipes:
                entry.pop("used", None)
                entry["at"] = -(-end // ALIGN) * ALIGN
                end = entry["at"] + 4 * math.prod(entry["shape"])
            places = {entry["name"]: entry["at"] for entry in recipes}
            data = bytearray(end)
            for entry in recipes:
                array = values(entry, entries).astype(np.float32)
                data[entry["at"] : entry["at"] + array.nbytes] = array.tobytes()
            (pathlib.Path(scratch) / f"{name}.bin").write_bytes(data)
            lines = ",\n  ".join(json.dumps(entry) for entry in recipes)
            (MODELS / f"{name}.json").write_text(f'{{"seed": {SEED}, "bytes": {end}, "tensors": [\n  {lines}\n]}}\n')
            for file, model in stripped.items():
                for tensor in model.graph.initializer:
                    for entry in tensor.external_data:
                        if entry.key == "offset":
                            entry.value = str(places[entry.value[1:]])
                for folder in (pathlib.Path(scratch), MODELS):
                    onnx.save(model, folder / file)
                session = onnxruntime.InferenceSession(pathlib.Path(scratch) / file, providers=["CPUExecutionProvider"])
                mean, std = (np.float32(numbers).reshape(1, 3, 1, 1) for numbers in (zoo.MEAN, zoo.STD))
                normalised = ((pixels - mean) / std).astype(np.float32)
                fed = normalised.transpose(0, 2, 3, 1) if network.channels_last else normalised
                (scores,) = session.run(None, {"image": np.ascontiguousarray(fed)})
                want = single["logits"] if not network.channels_last else np.exp(single["logits"]) / np.exp(single["logits"]).sum()
                worst = np.abs(scores[0] - want).max()
                assert worst <= 1e-4, f"{file}: off by {worst}"
                size = (MODELS / file).stat().st_size
                total += size
                print(file, size, f"bytes, off by {worst:.1e}", flush=True)
        case = {"target": target, "size": network.size, "grid": list(exact["features"].shape), "gradients": {}, "float32": {}}
        for what, array in exact.items():
            if what == "features":
                continue
            case["float32"][what] = check.compare(what, single[what], array)
            kept = array.reshape(-1)
            if what in ("gradient", "guided-backprop"):
                case["gradients"][what] = {"l2": float(np.linalg.norm(kept)), "largest": float(np.abs(kept).max())}
                kept = kept[::EVERY]
            elif what == "features-gradient":
                kept = array
            else:
                kept = array
            np.save(EXPECTED / f"{name}.{what}.npy", np.ascontiguousarray(kept, dtype=np.float32))
        index["cases"][name] = case
        print(name, "target", target, "spread", float(exact["logits"].std()), json.dumps(case["float32"]))
    (EXPECTED / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    print(total, "bytes of models")


if __name__ == "__main__":
    main()
