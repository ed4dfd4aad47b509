"""Holds both back ends to each other on a real network: every technique on EfficientNet-Lite0's ONNX file, on ONNX Runtime and
on libtorch, same seed, same picture; prints a row of a table for each array.

    python tools/torchscript/back_ends.py --binary target/release/whyglass [technique …]

An array of gradients holds where its L2-relative error is at most 1e-2 and 99 % of its cells are within 1e-3 of the largest (units
that sit on a bound of ReLU6 flip between two correct engines); any other one where all are within 1e-4 of the largest. Deep
dream is compared after one step, and by its last objective (2 %): the steps after that amplify what the first rounds.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACK_ENDS = ("onnxruntime", "torch")
OF_GRADIENTS = ("saliency", "input-x-gradient", "guided-backprop", "deconvnet", "integrated-gradients", "smooth-grad")
PICTURE = ("grad-cam", "occlusion", "lime", *OF_GRADIENTS, "activations", "ablation", "deep-dream")
DATASET = ("confusion-matrix", "tsne")
# Fixed numbers of samples and steps: where a run ends by a rule, both would have to round alike.
PARAMETERS = {"lime": ["settle=false", "samples=500"], "tsne": ["iterations=5", "perplexity=10"]}
ONE_STEP = ["iterations=1", "levels=1"]


def explain(binary, back_end, technique, out, parameters, source):
    command = [binary, "explain", technique, "efficientnet-lite0", *source, "--models", ROOT / "models", "--backend", back_end]
    command += ["--seed", "7", "--out", out, "--json"]
    for parameter in parameters:
        command += ["-p", parameter]
    process = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{technique} on {back_end}: {process.stderr.strip()}")
    ran = json.loads((out / "result.json").read_text())["manifest"]["model"]["backend"]
    assert ran == back_end, f"{technique} ran on {ran}, not {back_end}"
    return {path.stem: np.load(path).astype(np.float64) for path in sorted(out.glob("*.npy"))}


def apart(found, wanted, gradients):
    """(what is said, whether it holds)"""
    if found.shape != wanted.shape:
        return f"shape {found.shape} instead of {wanted.shape}", False
    error, largest = np.abs(found - wanted), np.abs(wanted).max()
    worst = error.max() / largest
    if not gradients:
        return f"{worst:.1e} of the largest", worst <= 1e-4
    relative, outside = np.linalg.norm(error) / np.linalg.norm(wanted), (error > 1e-3 * largest).mean()
    return f"L2 {relative:.1e}, {100 * outside:.2f} % outside", relative <= 1e-2 and outside <= 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("techniques", nargs="*", default=[*PICTURE, *DATASET])
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--picture", type=pathlib.Path, default=ROOT / "third_party/pictures/chelsea.png")
    arguments = parser.parse_args()
    failed = False
    print("| technique | array | libtorch beside ONNX Runtime | |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for path in sorted((ROOT / "datasets/digits").glob("*/*.png"), key=lambda path: path.name)[:60]:
            (folder / "digits" / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "digits" / path.parent.name)

        def both(technique, name, parameters):
            source = ["--dataset", folder / "digits"] if technique in DATASET else [arguments.picture]
            return [explain(arguments.binary, back_end, technique, folder / back_end / name, parameters, source) for back_end in BACK_ENDS]

        def say(technique, array, text, holds):
            nonlocal failed
            failed |= not holds
            print(f"| {technique} | {array} | {text} | {'holds' if holds else '**does not**'} |", flush=True)

        for technique in arguments.techniques:
            if technique == "deep-dream":
                wanted, found = both(technique, "one-step", ONE_STEP)
                say(technique, "dream, one step", *apart(found["dream"], wanted["dream"], True))
                wanted, found = both(technique, technique, [])
                ends = [answer["objective"].reshape(-1)[-1] for answer in (wanted, found)]
                off = abs(ends[1] - ends[0]) / abs(ends[0])
                say(technique, "objective at the end", f"{100 * off:.2f} %", off <= 0.02)
                continue
            wanted, found = both(technique, technique, PARAMETERS.get(technique, []))
            assert wanted and wanted.keys() == found.keys(), f"{technique}: {sorted(wanted)} and {sorted(found)}"
            for array in wanted:
                say(technique, array, *apart(found[array], wanted[array], technique in OF_GRADIENTS))
    sys.exit(failed)


if __name__ == "__main__":
    main()
