"""Holds sweeps that recompute only what changes to computing every window whole, and writes docs/occlusion.md.

    cargo xtask setup && cargo build --release --package whyglass-tests --example occlusion
    python occlusion.py [--work FOLDER] [--table] [NETWORK...]

Networks and weights are those of `zoo.py`; the files are kept in FOLDER, and so are the results. `--table` only writes the page.
"""

import argparse
import json
import pathlib
import subprocess

import export
import zoo

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
BINARY = str(ROOT / "target/release/examples/occlusion")
#: Trained, and there after `cargo xtask setup`.
LITE0 = "efficientnet-lite0"
NETWORKS = [LITE0, "resnet18", "resnet50", "vgg16", "densenet121", "inception-v3", "mobilenet-v3-small", "convnext-tiny", "vit-b-16"]

HEAD = """# Sweeps that recompute only what changes

Made by `tests/networks/occlusion.py`, which says how to repeat it. A window hides a part of the picture, and only the cells of each
layer that it can reach are computed anew (`core/graph/src/incremental`); every logit of every window is compared with running the
network on the whole picture with the window hidden, in batches of 8. Weights are random but for EfficientNet-Lite0's. It holds if no
logit is farther than 1e-4 from the whole answer; what does not hold is **bold**.

| network | picture | windows | stages | largest difference of a logit | largest logit |
|---|---|---|---|---|---|
"""


def model(name: str, work: pathlib.Path) -> pathlib.Path:
    if name == LITE0:
        return ROOT / "models" / name / "model.onnx"
    path = work / name / "torchscript-dynamic" / "model.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        export.export(zoo.build(name), "torchscript-dynamic", path)
    return path


def line(name: str, sweep: dict) -> str:
    head = f"| {name} | {sweep['size'][0]}×{sweep['size'][1]} | {sweep['windows']} of {sweep['window']}/{sweep['stride']} |"
    if "whole" in sweep:
        return f"{head} each whole: {sweep['whole']} | | |"
    apart = f"{sweep['apart']:.1e}" if sweep["apart"] <= 1e-4 else f"**{sweep['apart']:.1e}**"
    return f"{head} {sweep['stages']} | {apart} | {sweep['largest']:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    results = arguments.work / "occlusion.json"
    found = json.loads(results.read_text()) if results.exists() else {}
    for name in [] if arguments.table else arguments.networks or NETWORKS:
        process = subprocess.run([BINARY, model(name, arguments.work)], capture_output=True, text=True)
        if process.returncode != 0:
            raise SystemExit(f"{name}: {process.stderr.strip()}")
        found[name] = [json.loads(text) for text in process.stdout.splitlines()]
        results.write_text(json.dumps(found, indent=1))
        for sweep in found[name]:
            print(line(name, sweep), flush=True)
    lines = [line(name, sweep) for name in NETWORKS if name in found for sweep in found[name]]
    (ROOT / "docs/occlusion.md").write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
