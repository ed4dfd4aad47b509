"""How fast a dataset is classified for the confusion matrix, beside bare ONNX Runtime on ready arrays, in turns.

    python bench/dataset/throughput.py --whyglass target/release/whyglass [--pictures 1500] [--rounds 3]

The pictures are the UCI digits, taken 1,500 of them, for EfficientNet-Lite0: ours reads, decodes and enlarges each to
224×224 and fills the matrix; ONNX Runtime is handed the same number of random arrays, in batches of 8, on two threads (one
session with two, and two sessions with one each; the better one counts).
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[2]


def session(threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(ROOT / "models/efficientnet-lite0/model.onnx", options, ["CPUExecutionProvider"])


def bare(sessions, batches, batch):
    name = sessions[0].get_inputs()[0].name

    def work(own, count):
        for _ in range(count):
            own.run(None, {name: batch})

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(own, batches // len(sessions))) for own in sessions]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--whyglass", type=pathlib.Path, required=True)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    batch = np.random.default_rng(0).normal(size=(8, 3, 224, 224)).astype(np.float32)
    one, two = [session(2)], [session(1), session(1)]
    batches = arguments.pictures // 8 // 2 * 2
    rates = {"ours": [], "one session": [], "two sessions": []}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pictures = sorted((ROOT / "datasets/digits").glob("*/*.png"), key=lambda path: path.name)[: arguments.pictures]
        for path in pictures:
            (folder / "set" / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "set" / path.parent.name)
        command = [arguments.whyglass, "explain", "confusion-matrix", "efficientnet-lite0", "--models", ROOT / "models"]
        command += ["--dataset", folder / "set", "--out", folder / "out", "--json"]
        for own in (one, two):
            bare(own, 2 * len(own), batch)
        for _ in range(arguments.rounds):
            said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rates["ours"].append(len(pictures) / said["manifest"]["seconds"])
            rates["one session"].append(8 * batches / bare(one, batches, batch))
            rates["two sessions"].append(8 * batches / bare(two, batches, batch))
    best = max(statistics.median(rates["one session"]), statistics.median(rates["two sessions"]))
    for name, found in rates.items():
        print(f"{name}: {statistics.median(found):.1f} pictures a second ({', '.join(f'{rate:.1f}' for rate in found)})")
    print(f"ours over the better of the others: {statistics.median(rates['ours']) / best:.3f}")


if __name__ == "__main__":
    main()
