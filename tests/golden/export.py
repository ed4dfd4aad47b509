"""Exports VGG-11 and ResNet-18 with both of PyTorch's exporters and strips their weights.

What is left is a valid ONNX file whose weights are external, in `<network>.bin`; that file is made from the recipes in
`models/<network>.json` (see README.md), by `tests/src/weights.rs` or by `refill` below. Run: python export.py
"""

import json
import math
import pathlib
import tempfile
import warnings

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import torch

import networks
import picture
import weights

FOLDER = pathlib.Path(__file__).parent / "models"
ALIGN = 64


def layout(entries: list[dict]) -> int:
    """Gives every tensor its place in the .bin file; returns the file's size."""
    end = 0
    for entry in entries:
        entry["at"] = -(-end // ALIGN) * ALIGN
        end = entry["at"] + 4 * math.prod(entry["shape"])
    return end


def refill(folder: pathlib.Path, name: str) -> None:
    """Writes `<name>.bin` into `folder`."""
    index = json.loads((FOLDER / f"{name}.json").read_text())
    data = bytearray(index["bytes"])
    for entry in index["tensors"]:
        values = weights.values(entry, index["tensors"], index["seed"])
        data[entry["at"] : entry["at"] + values.nbytes] = values.tobytes()
    (folder / f"{name}.bin").write_bytes(data)


def strip(model: onnx.ModelProto, name: str, entries: list[dict]) -> None:
    """Makes the weights external, and drops what only a debugger reads.

    An initialiser is one of ours if it equals a generated tensor bit for bit, or a folded one up to float32's rounding.
    """
    known = [(entry, weights.values(entry, entries, networks.SEEDS[name])) for entry in entries]
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        entry = next((entry for entry, values in known if same(array, values, "folded" in entry)), None)
        if entry is None:
            assert array.nbytes < 1024, f"{name}: {tensor.name} {array.shape} is not a generated weight"
            continue
        for field in ("raw_data", "float_data"):
            tensor.ClearField(field)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", f"{name}.bin"), ("offset", entry["at"]), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    model.doc_string = model.graph.doc_string = ""
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]


def same(array: np.ndarray, values: np.ndarray, folded: bool) -> bool:
    if array.shape != values.shape or array.dtype != values.dtype:
        return False
    return np.allclose(array, values, rtol=1e-5, atol=1e-6 * np.abs(values).max()) if folded else np.array_equal(array, values)


def torchscript(network, path: pathlib.Path, dynamic: bool) -> None:
    """The TorchScript-based exporter, batch normalisation left in the graph."""
    axes = {"image": {0: "batch"}, "scores": {0: "batch"}} if dynamic else None
    preserve = torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(network, (example(dynamic),), path, dynamo=False, opset_version=17, training=preserve, dynamic_axes=axes, **NAMES)


def dynamo(network, path: pathlib.Path, dynamic: bool, optimize: bool = True) -> None:
    """The dynamo exporter: by default it folds batch normalisation; unoptimised it leaves its shape arithmetic in the graph."""
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    options = {"optimize": optimize, "external_data": False, "verbose": False}
    torch.onnx.export(network, (example(dynamic),), path, dynamo=True, dynamic_shapes=shapes, **options, **NAMES)


def example(dynamic: bool) -> torch.Tensor:
    return torch.zeros(2 if dynamic else 1, 3, 224, 224)


NAMES = {"input_names": ["image"], "output_names": ["scores"]}
VARIANTS = {
    "torchscript-static": lambda network, path: torchscript(network, path, False),
    "torchscript-dynamic": lambda network, path: torchscript(network, path, True),
    "dynamo-static": lambda network, path: dynamo(network, path, False),
    "dynamo-dynamic": lambda network, path: dynamo(network, path, True),
    "dynamo-unoptimised": lambda network, path: dynamo(network, path, True, optimize=False),
}


def main() -> None:
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    pixels = picture.unit(picture.picture())
    normalised = ((pixels - np.float32(networks.MEAN).reshape(1, 3, 1, 1)) / np.float32(networks.STD).reshape(1, 3, 1, 1)).astype(np.float32)
    for name in networks.NETWORKS:
        network, _, entries = networks.build(name)
        entries += weights.folded(entries)
        size = layout(entries)
        lines = ",\n  ".join(json.dumps(entry) for entry in entries)
        (FOLDER / f"{name}.json").write_text(f'{{"seed": {networks.SEEDS[name]}, "bytes": {size}, "tensors": [\n  {lines}\n]}}\n')
        expected = network(torch.from_numpy(normalised)).numpy()
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            refill(scratch, name)
            for variant, export in VARIANTS.items():
                file = f"{name}-{variant}.onnx"
                export(network, scratch / file)
                model = onnx.load(scratch / file)
                strip(model, name, entries)
                for folder in (scratch, FOLDER):
                    onnx.save(model, folder / file)
                session = onnxruntime.InferenceSession(scratch / file, providers=["CPUExecutionProvider"])
                (scores,) = session.run(None, {"image": normalised})
                worst = np.abs(scores - expected).max()
                assert worst <= 1e-4, f"{file}: off by {worst}"
                operators = sorted({node.op_type for node in model.graph.node})
                opset = next(entry.version for entry in model.opset_import if entry.domain == "")
                print(file, f"opset {opset},", (FOLDER / file).stat().st_size, f"bytes, off by {worst:.1e}:", *operators)


if __name__ == "__main__":
    main()
