"""Holds Whyglass to PyTorch on full-size networks, and writes the table in docs/networks.md.

    cargo xtask build && cargo build --release --package whyglass-tests --example network
    python check.py --binary ../../target/release/examples/network [--work FOLDER] [NETWORK...]
    python flips.py [--work FOLDER] NETWORK...      those whose gradient does not hold
    python check.py --near --work NEAR ...          and flips.py likewise: units where random weights put them
    python check.py --table [--work FOLDER] [--near-work NEAR]

Exports, PyTorch's answers and results are kept in FOLDER, so that a second run asks Whyglass alone; `--forget` drops the
exports of a network once it is done (vgg11-bn's are half a gigabyte each).
"""

import argparse
import collections
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
import time

import numpy as np
import onnx

import export
import reference
import zoo

HERE = pathlib.Path(__file__).parent
BINARY = str(HERE.parents[1] / "target/release/examples/network")
picture = zoo.picture

MODEL = """title = "{name}, random weights"
file = "model.onnx"
input = {{ width = {size}, height = {size}, resize = "stretch" }}
normalize = {{ mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }}
"""
GRADIENTS = ("gradient", "features-gradient", "guided-backprop")
PACKAGES = ["torch", "torchvision", "timm", "onnx", "onnxscript", "onnxruntime", "numpy"]


def prepare(name: str, folder: pathlib.Path, near: bool = False) -> None:
    """PyTorch's answers and the exports, where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    pending = [variant for variant in export.VARIANTS if not (folder / variant / "model.onnx").exists()]
    if (folder / "expected.npz").exists() and not pending:
        return
    network = zoo.build(name, away=not near)
    if not (folder / "expected.npz").exists():
        pixels = picture.unit(picture.picture(network.size))
        np.save(folder / "pixels.npy", pixels[0])
        exact, single = reference.answers(network, pixels)
        target = exact.pop("target")
        single.pop("target")
        spread = float(exact["logits"].std())
        assert 0.3 < spread < 20 and exact["grad-cam"].max() > 0, f"{name}: logits with a spread of {spread}"
        own = {what: compare(what, single[what], exact[what]) for what in exact if what != "features"}
        (folder / "expected.json").write_text(json.dumps({"target": target, "float32": own, "grid": list(exact["features"].shape)}))
        np.savez(folder / "expected.npz", **{what: array for what, array in exact.items() if what != "features"})
    for variant in pending:
        (folder / variant).mkdir(exist_ok=True)
        (folder / variant / "model.toml").write_text(MODEL.format(name=name, size=network.size))
        start = time.time()
        (folder / variant / "failed.txt").unlink(missing_ok=True)
        try:
            export.export(network, variant, folder / variant / "model.onnx")
        except Exception as error:  # noqa: BLE001: an exporter may fail in any way, and then says so in the table
            (folder / variant / "failed.txt").write_text(f"{type(error).__name__}: {str(error).splitlines()[0]}")
        print(f"{name}: {variant} exported in {time.time() - start:.0f} s", flush=True)


def compare(what: str, actual: np.ndarray, expected: np.ndarray) -> dict:
    """Distances from `expected`, and whether they hold under the criterion of ../golden/README.md."""
    if actual.size != expected.size:
        return {"holds": False, "why": f"shape {list(actual.shape)} instead of {list(expected.shape)}"}
    error = np.abs(actual.astype(np.float64).reshape(-1) - expected.reshape(-1))
    largest = float(np.abs(expected).max())
    if what == "logits":
        return {"off": float(error.max()), "holds": bool(error.max() <= 1e-4)}
    if what == "grad-cam":
        return {"off": float(error.max()) / largest, "holds": bool(error.max() <= 1e-4 * largest)}
    relative = float(np.linalg.norm(error) / np.linalg.norm(expected))
    outside = float((error > 1e-3 * largest).mean())
    return {"relative_l2": relative, "outside": outside, "holds": relative <= 1e-2 and outside <= 0.01}


def ask(binary: str, folder: pathlib.Path, variant: str, expected: dict) -> dict:
    """Whyglass' answers about one export, compared."""
    failed = folder / variant / "failed.txt"
    if failed.exists():
        return {"exporter": failed.read_text()}
    out = folder / variant / "answers"
    out.mkdir(exist_ok=True)
    for old in out.glob("*.npy"):
        old.unlink()
    command = [binary, str(folder), variant, str(folder / "pixels.npy"), str(expected["target"]), str(out)]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        return {"failed": (process.stderr.strip().splitlines() or ["no word"])[-1]}
    report = json.loads(process.stdout)
    arrays = np.load(folder / "expected.npz")
    report["compared"] = {}
    for what in arrays.files:
        path = out / f"{what}.npy"
        if not path.exists():
            report["compared"][what] = {"holds": False, "why": report["errors"].get(what, "no answer")}
            continue
        report["compared"][what] = compare(what, shaped(what, np.load(path), expected["grid"]), arrays[what])
    return report


def shaped(what: str, array: np.ndarray, grid: list[int]) -> np.ndarray:
    """Tokens to planes, those before the grid left out, as reference.planes does."""
    if what == "features-gradient" and array.ndim == 2:
        cells = grid[1] * grid[2]
        return np.ascontiguousarray(array[array.shape[0] - cells :].T).reshape(grid)
    return array


def operators(path: pathlib.Path) -> dict:
    model = onnx.load(path, load_external_data=False)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return {"opset": opset, "operators": dict(collections.Counter(node.op_type for node in model.graph.node))}


def check(name: str, work: pathlib.Path, binary: str, forget: bool, near: bool) -> None:
    folder = work / name
    prepare(name, folder, near)
    expected = json.loads((folder / "expected.json").read_text())
    results = {"float32": expected["float32"], "variants": {}}
    for variant in export.VARIANTS:
        start = time.time()
        report = ask(binary, folder, variant, expected)
        if (folder / variant / "model.onnx").exists():
            report |= operators(folder / variant / "model.onnx")
        results["variants"][variant] = report
        compared = report.get("compared", {})
        bad = [f"{what}: {entry.get('why', entry)}" for what, entry in compared.items() if not entry["holds"]]
        word = report.get("failed") or report.get("exporter") or ("; ".join(bad) if bad else "all hold")
        print(f"{name} {variant} ({time.time() - start:.0f} s): {word}; missing {report.get('missing')}", flush=True)
    (folder / "flips.json").unlink(missing_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    if forget:
        for path in folder.glob("*/model.onnx"):
            path.unlink()


def cell(what: str, entry: dict | None) -> str:
    if entry is None:
        return "–"
    if "why" in entry:
        return "**" + entry["why"].replace("|", "/") + "**"
    if "off" in entry:
        text = f"{entry['off']:.0e}"
    else:
        text = f"{entry['relative_l2']:.0e}, {100 * entry['outside']:.2f} %"
    return text if entry["holds"] else f"**{text}**"


def table(work: pathlib.Path) -> str:
    columns = ["logits", "gradient", "features-gradient", "guided-backprop", "grad-cam"]
    lines = ["| network | exporter | opset | logits | input gradient | gradient at `features` | guided backprop | Grad-CAM | batch |", "|---|---|---|---|---|---|---|---|---|"]
    for name in zoo.NETWORKS:
        path = work / name / "results.json"
        if not path.exists():
            lines.append(f"| {name} | not run | | | | | | | |")
            continue
        results = json.loads(path.read_text())
        for variant, report in results["variants"].items():
            trouble = report.get("failed") or report.get("exporter")
            if trouble:
                who = "Whyglass" if "failed" in report else "the exporter"
                lines.append(f"| {name} | {variant} | {report.get('opset', '')} | **{who}: {trouble.replace('|', '/')}** | | | | | |")
                continue
            cells = [cell(what, report["compared"].get(what)) for what in columns]
            batch = "free" if report["free_batch"] else "row by row"
            lines.append(f"| {name} | {variant} | {report['opset']} | {' | '.join(cells)} | {batch} |")
        own = [cell(what, results["float32"].get(what)) for what in columns]
        lines.append(f"| {name} | *PyTorch's own float32* | | {' | '.join(own)} | |")
    return "\n".join(lines)


FLIPS = """## What does not hold, with the same sides

By `tests/networks/flips.py`: PyTorch in float64 once more, with every rectifier and every maximum of a pooling window deciding as
it did in float32, on the way to the gradient that is compared. The last column is the distance from *that* gradient: what is left
when the flips are taken away. Maxima of pooling cannot be kept apart as units are; as many of PyTorch's own float32 fall elsewhere.
"""

NEAR = """## With units where random weights put them

Then the input gradient of more networks does not hold, of PyTorch's own float32 neither. A unit of some millions that is nearer to its
bound than float32 can tell is enough to move the gradient of a network of random weights by more than the criterion allows.
"""


def flips(work: pathlib.Path) -> str:
    """What `flips.py` has found for the networks whose gradient does not hold."""
    lines = ["| network | exporter | input gradient | units flipped | maxima elsewhere | with the same sides |", "|---|---|---|---|---|---|"]
    for name in zoo.NETWORKS:
        path = work / name / "flips.json"
        for case, found in (json.loads(path.read_text()) if path.exists() else {}).items():
            flipped, units = found["units"]
            case = case if case in export.VARIANTS else f"*{case}*"
            lines.append(f"| {name} | {case} | {cell('', found['off'])} | {flipped} of {units:,} | {found['maxima']} | {cell('', found['left'])} |")
    return "\n".join(lines)


HEAD = """# Networks

Made by `tests/networks/check.py`, which says how to repeat it. Networks have random weights and are explained for the class of the
largest logit on the procedural picture of `tests/golden`; every number is a distance from PyTorch in **float64**, with
normalisation on both sides. The criterion is that of `tests/golden/README.md`:

- logits: largest difference, at most 1e-4;
- gradients: L2-relative error (at most 1e-2), and the share of cells that are off by more than 1e-3 of the largest (at most 1 %);
- Grad-CAM at `features`: largest difference in parts of the largest value, at most 1e-4. For the vision transformers that is
  computed on the grid of patch tokens.

The channels of batch normalisation in front of rectifiers are switched on or off (`zoo.py`): with offsets that are small a few units of
some millions sit nearer to a rectifier's bound than float32 can tell, and that is what a gradient's distance then measures. What it
is without that stands below.

What is **bold** does not hold. The last line of each network is PyTorch's own float32 against its float64: what float32 can keep.
A dash: the network has no rectifiers, so guided backpropagation is its gradient.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    parser.add_argument("--forget", action="store_true")
    parser.add_argument("--prepare", action="store_true", help="only export and ask PyTorch")
    parser.add_argument("--near", action="store_true", help="leave units where random weights put them, for flips.py")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--near-work", type=pathlib.Path, default=HERE / "near", help="where it was run with --near")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.networks if name not in zoo.NETWORKS]
    if unknown:
        parser.error(f"no such network: {', '.join(unknown)}; there are {', '.join(zoo.NETWORKS)}")
    if arguments.table:
        versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
        text = f"{HEAD}\nVersions: Python {platform.python_version()}, {versions}.\n\n{table(arguments.work)}\n\n{FLIPS}\n{flips(arguments.work)}\n\n{NEAR}\n{flips(arguments.near_work)}\n"
        (HERE.parents[1] / "docs/networks.md").write_text(text)
        return
    for name in arguments.networks or zoo.NETWORKS:
        if arguments.prepare:
            prepare(name, arguments.work / name, arguments.near)
        else:
            check(name, arguments.work, arguments.binary, arguments.forget, arguments.near)


if __name__ == "__main__":
    main()
